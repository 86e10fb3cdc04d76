"""Opening what is missing or damaged: indexes, snapshots, segments."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from openmessaging.model.message import Record
from tests.broker.stores import (
    code_of,
    content,
    failure_of,
    flip,
    killed,
    open_client,
)


def filled(directory: Path) -> dict[tuple[str, int], list[tuple[int, bytes]]]:
    """A store whose log has lost segments, with copies of what was still needed."""
    client = open_client(directory)
    group = client.join()
    client.send("kept", queue="default://slow")
    client.join(queue="default://slow")
    for number in range(300):
        client.send(Record(b"%d" % number + bytes(800)))
        client.receive(group)
        if number % 50 == 25:
            client.send(f"kept {number}", queue="default://slow")
            client.store.maintenance.snapshot()
            client.upkeep()
    for number in range(5):
        client.send(f"after {number}")
    assert client.runner.storage.min_index() > 0
    found = content(client)
    assert found["default://slow", 0][0] == (0, b"kept")
    client.close()
    return found


@pytest.mark.parametrize("damage", ["deleted", "one deleted", "header", "cut", "middle", "all zeros"])
def test_indexes_are_rebuilt_from_the_log(tmp_path, damage):
    expected = filled(tmp_path)
    files = sorted((tmp_path / "index").glob("*.idx"))
    assert len(files) == 2
    if damage == "deleted":
        shutil.rmtree(tmp_path / "index")
    elif damage == "one deleted":
        files[1].unlink()
    else:
        for path in files:
            size = path.stat().st_size
            if damage == "header":
                flip(path, 3)
            elif damage == "cut":
                os.truncate(path, size - 40)
            elif damage == "middle":
                flip(path, size - 100)
                flip(path, 70)
            else:
                path.write_bytes(bytes(size))
    client = open_client(tmp_path)
    assert content(client) == expected
    client.send("more")
    assert client.browse()[-1] == "more"
    client.close()
    client = open_client(tmp_path)
    assert client.browse()[-1] == "more"
    assert client.receive(client.join(queue="default://slow"))[0] == "kept"
    client.close()


def test_a_damaged_snapshot_is_told_and_not_needed_while_the_log_is_whole(tmp_path, caplog):
    client = open_client(tmp_path)
    client.send("a")
    client.close()
    snapshot = next((tmp_path / "snapshots").iterdir())
    flip(snapshot, 50)
    client = open_client(tmp_path)
    assert client.browse() == ["a"]
    assert str(snapshot) in caplog.text
    client.close()


def test_without_a_whole_snapshot_a_log_that_begins_later_is_refused(tmp_path):
    filled(tmp_path)
    snapshots = sorted((tmp_path / "snapshots").iterdir())
    for snapshot in snapshots:
        flip(snapshot, 50)
    failure = failure_of(open_client, tmp_path)
    assert failure.code == 1501
    assert all(str(snapshot) in failure.reason for snapshot in snapshots)
    shutil.rmtree(tmp_path / "snapshots")
    assert "it is missing" in failure_of(open_client, tmp_path).reason


def test_indexes_are_rebuilt_when_copies_lie_after_the_snapshot(tmp_path):
    client = open_client(tmp_path / "a")
    group = client.join()
    client.send("kept", queue="default://slow")
    client.join(queue="default://slow")
    for _ in range(200):
        client.send(bytes(800))
        client.receive(group)
    client.store.maintenance.snapshot()
    client.upkeep()
    client.send("last", queue="default://slow")
    assert client.runner.storage.min_index() > 0
    target = killed(client, tmp_path / "a", tmp_path / "b")
    client.close()
    shutil.rmtree(target / "index")
    client = open_client(target)
    assert client.browse("default://slow") == ["kept", "last"]
    client.close()


def test_a_damaged_snapshot_is_gone_past(tmp_path):
    expected = filled(tmp_path)
    newest = max((tmp_path / "snapshots").iterdir())
    assert len(list((tmp_path / "snapshots").iterdir())) == 2
    flip(newest, 50)
    client = open_client(tmp_path)
    assert content(client) == expected
    client.close()
    for path in (tmp_path / "snapshots").iterdir():
        flip(path, 50)
    assert code_of(open_client, tmp_path) == 1501


def test_a_first_snapshot_that_is_lost_is_replayed(tmp_path):
    client = open_client(tmp_path)
    client.send("a")
    client.close()
    shutil.rmtree(tmp_path / "snapshots")
    client = open_client(tmp_path)
    assert client.browse() == ["a"]
    client.close()


def test_a_damaged_segment_is_reported_with_its_position(tmp_path):
    client = open_client(tmp_path / "a")
    for number in range(10):
        client.send(f"{number}" * 100)
    target = killed(client, tmp_path / "a", tmp_path / "b")
    client.close()
    segment = min((target / "log").glob("*.seg"))
    data = segment.read_bytes()
    flip(segment, data.index(b"3333") + 10)
    failure = failure_of(open_client, target)
    assert failure.code == 1501
    assert "position" in failure.reason
    assert segment.name in failure.reason
