"""`oms backup`: from a store that nobody has open, from a server, on a terminal; and what may go wrong."""

import os
import uuid
from pathlib import Path

import pytest

from openmessaging.cli.backup import bar
from tests.cli.conftest import Oms, Terminal
from tests.servers import serving


@pytest.fixture
def filled(oms_cli: Oms) -> Oms:
    oms_cli("send", "orders", "first", "second")
    return oms_cli


def test_a_store_that_nobody_has_open(filled: Oms, tmp_path: Path) -> None:
    target = str(tmp_path / "backup")
    text = filled("backup", target).stdout
    assert "any entry\n" in text
    filled("send", "orders", "third")
    found = filled.json("backup", target, "--store", str(filled.directory))
    assert found["copied_bytes"] < found["size_bytes"]
    assert found["digest"] not in text
    restored = filled.json("restore", target, "--store", str(tmp_path / "restored"))
    assert (restored["digest"], restored["verified"]) == (found["digest"], True)


def test_a_store_that_a_server_has(oms_cli: Oms, tmp_path: Path) -> None:
    with serving(f"oms:embedded://{tmp_path}/served", http={"listen": "127.0.0.1:0"}) as server:
        for number, url in enumerate((server.url, f"oms:{server.http}/test")):
            oms_cli("send", "orders", "x", "--url", url)
            oms_cli("backup", str(tmp_path / "backup"), "--url", url)
            where = str(tmp_path / f"restored{number}")
            oms_cli("restore", str(tmp_path / "backup"), "--store", where)
            (queue,) = oms_cli.json("queue", "list", "--url", f"oms:embedded://{where}")
            assert queue["messages"] == number + 1


def test_a_bar_on_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal.stream)
    with bar("backed up") as show:
        show(500, 1_000)
    assert "backed up" in terminal.shown()


def test_a_store_in_memory(oms_cli: Oms, tmp_path: Path) -> None:
    found = oms_cli.error("backup", str(tmp_path / "backup"), "--url", f"oms:memory:{uuid.uuid4().hex}")
    assert "in memory" in found["reason"]


def test_where_it_may_not_go(filled: Oms, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("x")
    assert "notes" in filled.error("backup", str(tmp_path / "mine"))["reason"]
    assert os.listdir(tmp_path / "mine") == ["notes"]
    (tmp_path / "file").write_text("x")
    assert filled.error("backup", str(tmp_path / "file"))["code"] == 1501
    found = filled.error("backup", str(tmp_path / "b"), "--store", "x", "--url", "oms:memory:", code=2)
    assert "not both" in found["reason"]
