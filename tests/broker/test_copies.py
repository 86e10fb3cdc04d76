"""Copies between queues: what they keep, where they go on, and what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker import copies
from openmessaging.model.batch import decode
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from tests.broker.stores import QUEUE, Client, code_of, open_client, simulated

TARGET = "default://copy"


def ids(client: Client, queue: str, partition: int = 0) -> list[tuple[str, str | None, bytes]]:
    """(message id, key, body) of all messages."""
    return [
        (decode(delivery.data)[0].message_id(place), record.message_key, record.data)
        for delivery in client.admin.browse(queue, partition, 0, 10_000, None)
        for place, record in enumerate(decode(delivery.data)[2])
        if delivery.first <= place < delivery.last
    ]


def run(client: Client, name: str = "c", at_once: int = 2) -> None:
    """Go on with a copy until it is complete."""
    while client.admin.advance_copy(name, at_once).left:
        pass


def begin(client: Client, *bounds: tuple[int, int], name: str = "c", keep: bool = False, target: str = TARGET) -> None:
    client.admin.begin_copy(name, QUEUE, target, bounds, keep)


def test_keys_ids_and_order_are_kept(client):
    client.send(*[Record(b"%d" % number, f"k{number}") for number in range(5)])
    client.send(*[Record(b"%d" % number, None, {"p": number}) for number in range(5, 8)])
    begin(client, (1, 7))
    run(client)
    assert ids(client, TARGET) == ids(client, QUEUE)[1:7]
    assert client.admin.list_copies() == []
    assert code_of(client.admin.advance_copy, "c", 1) == 1404


def test_lanes_and_partitions(client):
    client.admin.create_queue(QUEUE, 3, {})
    client.admin.create_queue(TARGET, 2, {})
    for partition in range(3):
        client.send(f"p{partition}", partition=partition)
    client.runner.send([OutgoingBatch(QUEUE, 1, client.batch("urgent"), 9)])
    begin(client, *[(0, 9)] * 4)
    run(client)
    assert client.browse(TARGET, 0) == ["p0", "p2"]
    assert (client.browse(TARGET, 1), client.browse(TARGET, 2)) == (["p1"], ["urgent"])


def test_a_copy_with_a_name_is_made_once(client):
    client.send("a", "b")
    for _ in range(2):
        begin(client, (0, 2), keep=True)
        run(client)
    assert client.browse(TARGET) == ["a", "b"]
    assert [info.left for info in client.admin.list_copies()] == [0]
    assert code_of(client.admin.begin_copy, "c", QUEUE, QUEUE, [(0, 2)], True) == 1418
    client.admin.end_copy("c")
    assert client.admin.list_copies() == []
    assert code_of(client.admin.end_copy, "c") == 1404


def test_what_is_refused(client, monkeypatch):
    client.send("a", Record(b"b", "k"))
    assert code_of(client.admin.begin_copy, "c", "default://none", TARGET, [(0, 1)], False) == 1404
    assert code_of(client.admin.begin_copy, "c", QUEUE, TARGET, [(0, 1)] * 2, False) == 1418
    client.admin.create_queue("default://table", 1, {"compact": True})
    begin(client, (0, 2), target="default://table")
    assert code_of(client.admin.advance_copy, "c", 5) == 1418
    monkeypatch.setattr(copies, "MAX_KEPT", 1)
    assert code_of(client.admin.begin_copy, "d", QUEUE, TARGET, [(0, 1)], False) == 1418


def test_what_was_purged_meanwhile_is_left_out(client):
    client.send("a", "b", "c")
    begin(client, (0, 3))
    client.admin.purge_queue(QUEUE)
    client.send("d")
    run(client)
    assert client.browse(TARGET) == []


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=12),
    st.lists(st.sampled_from(["step", "crash", "reopen", "send"]), max_size=30),
    st.integers(0, 10),
)
def test_no_loss_and_no_double_whatever_happens(batches, script, start):
    disk = simulated()
    client = open_client("/store", disk=disk, segment_bytes=8192)
    for size in batches:
        client.send(*[Record(bytes(300)) for _ in range(size)])
    end = sum(batches)
    start = min(start, end)
    begin(client, (start, end), keep=True)
    for step in script:
        if step == "step":
            client.admin.advance_copy("c", 2)
        elif step == "send":
            client.sequence += 1_000
            client.send("later")
        else:
            if step == "reopen":
                client.close()
            disk.crash()
            client = open_client("/store", disk=disk, segment_bytes=8192)
            client.sequence = 1_000_000
        assert ids(client, TARGET) == ids(client, QUEUE)[start : start + len(ids(client, TARGET))]
    run(client)
    assert ids(client, TARGET) == ids(client, QUEUE)[start:end]


@pytest.mark.parametrize("first", [0, 2])
def test_a_copy_of_a_compacted_queue_has_no_holes(client, first):
    client.store.maintenance.compactor.min_dirty = 2
    client.admin.create_queue("default://table", 1, {"compact": True})
    for number in range(3):
        client.send(*[Record(b"%d" % number, key) for key in "axbyc"], queue="default://table")
        client.send(Record(b"", f"end{number}"), queue="default://table")
    client.send(Record(b"9", "x"), Record(b"9", "y"), queue="default://table")
    client.send(Record(b"9", "last"), queue="default://table")
    client.store.maintenance.compactor.begin()
    while client.store.maintenance.compactor.active:
        client.store.maintenance.compactor.step()
    expected = ids(client, "default://table")
    assert len(expected) == 9
    client.admin.begin_copy("c", "default://table", TARGET, [(first, 99)], False)
    run(client)
    assert ids(client, TARGET) == expected
    group = client.join("g", TARGET)
    assert client.admin.describe_group(TARGET, "g").lag == 9 == len(client.receive(group))
