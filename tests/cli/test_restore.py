"""`oms restore`: to the end, to an entry, to a time; and what is left alone."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Oms


@pytest.fixture
def backup(oms_cli: Oms, tmp_path: Path) -> Path:
    """A backup after each of two messages."""
    for body in ("first", "second"):
        oms_cli("send", "orders", body)
        oms_cli("backup", str(tmp_path / "backup"))
    return tmp_path / "backup"


def points(backup: Path) -> list[dict]:
    return json.loads((backup / "backup.json").read_bytes())["manifest"]["points"]


def count(oms_cli: Oms, where: Path) -> int:
    (queue,) = oms_cli.json("queue", "list", "--url", f"oms:embedded://{where}")
    return queue["messages"]


def test_to_an_entry_and_to_a_time(oms_cli: Oms, backup: Path, tmp_path: Path) -> None:
    first = points(backup)[0]
    time = datetime.fromtimestamp(first["time_ms"] / 1000).astimezone().isoformat()
    for number, to in enumerate((str(first["index"]), time)):
        where = tmp_path / f"restored{number}"
        text = oms_cli("restore", str(backup), "--store", str(where), "--to", to).stdout
        assert f"{first['digest']}, as backed up" in text
        assert count(oms_cli, where) == 1
    oms_cli("restore", str(backup), "--store", str(tmp_path / "all"))
    assert count(oms_cli, tmp_path / "all") == 2


def test_an_empty_directory_is_taken_and_any_other_is_left_alone(oms_cli: Oms, backup: Path, tmp_path: Path) -> None:
    where = tmp_path / "restored"
    where.mkdir()
    oms_cli("restore", str(backup), "--store", str(where))
    before = sorted(where.rglob("*"))
    found = oms_cli.error("restore", str(backup), "--store", str(where))
    assert found["code"] == 1418
    assert "move what is there aside" in found["next_step"]
    assert sorted(where.rglob("*")) == before


def test_points_after_the_end(oms_cli: Oms, backup: Path, tmp_path: Path) -> None:
    for to in (str(points(backup)[-1]["index"] + 1), "2999-01-01T00:00"):
        found = oms_cli.error("restore", str(backup), "--store", str(tmp_path / "r"), "--to", to)
        assert f"ends with entry {points(backup)[-1]['index']}" in found["reason"]
    assert "no time" in oms_cli.error("restore", str(backup), "--store", "r", "--to", "soon", code=2)["reason"]


def test_nothing_is_left_behind_when_it_fails(oms_cli: Oms, backup: Path, tmp_path: Path) -> None:
    (segment,) = (backup / "log").iterdir()
    data = bytearray(segment.read_bytes())
    data[4096 + 40] ^= 1
    segment.write_bytes(data)
    before = sorted(tmp_path.iterdir())
    found = oms_cli.error("restore", str(backup), "--store", str(tmp_path / "restored"))
    assert found["code"] == 1501
    assert f"{segment.name} at position 0" in found["reason"]
    assert sorted(tmp_path.iterdir()) == before


def test_a_state_that_is_not_the_one_that_was_backed_up(
    oms_cli: Oms, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmessaging.broker.restoring.digest_of", lambda disk, directory: "another")
    found = oms_cli.error("restore", str(backup), "--store", str(tmp_path / "restored"))
    assert "is not what was backed up" in found["reason"]
    assert not (tmp_path / "restored").exists()


def test_where_it_cannot_be_written(oms_cli: Oms, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert oms_cli.error("restore", str(backup), "--store", str(tmp_path / "file" / "store"))["code"] == 1501
