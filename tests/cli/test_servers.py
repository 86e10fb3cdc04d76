import json
from pathlib import Path

import pytest

from openmessaging.cli.servers import NAMES
from openmessaging.testing.servers import SYSTEMS, Nats
from openmessaging.testing.servers.server import listens
from tests.cli.conftest import Oms


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_one_is_started_listed_and_ended(oms_cli: Oms, state: Path) -> None:
    url = oms_cli("servers", "up", "nats").stdout.strip()
    try:
        assert url.startswith("oms:nats://127.0.0.1:")
        port = int(url.rpartition(":")[2].partition("/")[0])
        assert listens(port)
        assert oms_cli.json("servers", "up", "nats")["url"] == url
        nats = next(row for row in oms_cli.json("servers", "list") if row["name"] == "nats")
        assert (nats["url"], nats["missing"], len(nats["processes"])) == (url, None, 1)
        assert nats["memory_bytes"] > 1_000_000
        assert url in oms_cli("servers", "list").stdout
    finally:
        assert oms_cli("servers", "down", "nats").stdout == "ended nats\n"
    assert not listens(port)
    assert list((state / "openmessaging" / "servers").iterdir()) == []
    assert oms_cli.json("servers", "down", "nats") == {"name": "nats", "ended": False}
    assert oms_cli("servers", "down").stdout == ""


def test_what_cannot_be_had_says_what_to_install(oms_cli: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nats, "programs", {"nats-server-of-another-world": "pip install it"})
    monkeypatch.setattr(Nats, "launch", lambda self: self.program("nats-server-of-another-world"))
    assert "pip install it" in oms_cli("servers", "list").stdout
    result = oms_cli("servers", "up", "nats", "--json", code=1)
    assert "pip install it" in json.loads(result.stderr)["error"]["reason"]
    assert oms_cli("servers", "up", "nuts", code=2).stdout == ""


def test_the_names_are_those_of_the_systems() -> None:
    assert tuple(SYSTEMS) == NAMES
