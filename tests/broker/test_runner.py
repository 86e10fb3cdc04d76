"""What a store promises while it runs, on real directories and on disks that fail."""

from __future__ import annotations

import threading

import pytest

from openmessaging.broker.entry import Entry, Trim
from openmessaging.model.spi import OutgoingBatch
from tests.broker.stores import (
    QUEUE,
    CountingDisk,
    bodies,
    code_of,
    eventually,
    failure_of,
    finish,
    in_thread,
    open_client,
)


def gated(directory, **options):
    disk = CountingDisk()
    client = open_client(directory, disk=disk, **options)
    client.send("first")
    return client, disk


@pytest.mark.parametrize("flush", ["always", "interval"])
def test_a_send_is_visible_once_it_is_durable_and_not_before(tmp_path, flush):
    client, disk = gated(tmp_path, flush=flush)
    group = client.join()
    assert client.receive(group) == ["first"]
    if flush == "always":
        disk.gate.clear()
        sender, failures = in_thread(lambda: client.send("second"))
        assert disk.arrived.wait(10)
        assert client.fetch(group) == []
        assert client.browse() == ["first"]
        assert client.admin.describe_queue(QUEUE).messages == 1
        disk.gate.set()
        finish(sender)
        assert not failures
    else:
        with client.runner.lock:  # staged, and not even written
            client.runner.stage_send_locked([_outgoing(client, "second")])
        assert client.fetch(group) == []
        client.send("third")
        assert client.receive(group) == ["second", "third"]
        client.close()
        return
    assert client.receive(group) == ["second"]
    client.close()


def _outgoing(client, *messages):
    return OutgoingBatch(QUEUE, None, client.batch(*messages))


def test_many_senders_share_a_sync(tmp_path):
    client, disk = gated(tmp_path)
    disk.gate.clear()
    first, _ = in_thread(lambda: client.send("first"))
    assert disk.arrived.wait(10)
    before = disk.syncs
    others = [in_thread(lambda: client.send("other"))[0] for _ in range(20)]
    eventually(lambda: client.runner.storage.max_index() >= 21)
    disk.gate.set()
    finish(first, *others)
    assert disk.syncs - before == 1
    assert len(client.browse()) == 22
    client.close()


def test_placements_say_where_and_how_safe(tmp_path, client):
    assert [client.send("a", "b").base_offset, client.send("c").base_offset] == [0, 2]
    assert client.send("d").durability.value == "fsync"
    fast = open_client(tmp_path / "fast", flush="never")
    assert fast.send("a").durability.value == "memory"
    fast.close()


def test_sends_of_several_queues_are_one_entry(client):
    client.admin.create_queue("default://wide", 3, {})
    before = client.runner.storage.max_index()
    outgoing = [_outgoing(client, "a"), _outgoing(client, "b")]
    placements = client.runner.send(outgoing)
    assert client.runner.storage.max_index() == before + 1
    assert [placement.base_offset for placement in placements] == [0, 1]
    assert {client.send("x", queue="default://wide").partition for _ in range(6)} == {0, 1, 2}
    assert client.send("x", queue="default://wide", partition=2).partition == 2
    assert code_of(client.send, "x", queue="default://wide", partition=3) == 1418


def test_a_lease_expires_and_the_message_comes_back(client, clock):
    client.send("a")
    group = client.join(invisible_time=30, initial=5)
    (first,) = client.fetch(group)
    assert first.deadline_ms == clock.now_ms() + 30_000
    clock.advance(29.9)
    assert client.fetch(group) == []
    clock.advance(0.2)
    assert client.fetch(group) == []  # the back-off begins when it expires
    assert "has expired" in failure_of(client.ack, group, first).reason
    clock.advance(5.1)
    (again,) = client.fetch(group)
    assert (again.attempt, bodies([again])) == (2, ["a"])
    client.ack(group, again, [0])
    clock.advance(100)
    assert client.fetch(group) == []


def test_extending_a_lease(client, clock):
    client.send("a")
    group = client.join(invisible_time=10)
    (held,) = client.fetch(group)
    client.runner.give_back(lambda engine, now_ms: engine.decide_extend(now_ms, group.id, held.lease_id, 60))
    clock.advance(30)
    client.ack(group, held, [0])
    assert client.admin.describe_group(QUEUE, "g").lag == 0


def test_acks_are_checked_and_written_together(client):
    client.send(*"abcd")
    group, other = client.join(), client.join("other")
    (held,) = client.fetch(group)
    assert "belongs to group" in failure_of(client.ack, other, held, [0]).reason
    assert code_of(client.runner.ack, group.id, 999, [0]) == 1418
    before = client.runner.storage.max_index()
    for offset in (0, 1, 3):
        client.ack(group, held, [offset])
    assert client.runner.storage.max_index() == before
    assert client.admin.describe_group(QUEUE, "g").lag == 1
    assert client.runner.storage.max_index() == before + 1
    assert code_of(client.ack, group, held, [0]) == 1418
    client.ack(group, held, [2])
    client.runner.flush()
    assert client.runner.storage.durable_index() == client.runner.storage.max_index()


def test_an_ack_whose_messages_went_meanwhile_harms_nothing(client):
    client.send("a")
    client.send("b")
    group = client.join()
    first, _ = client.fetch(group)
    client.ack(group, first, [0])
    with client.runner.lock:  # retention, between the ack and the entry that notes it
        partition = client.runner.engine.queue(QUEUE).partitions[0].id
        client.runner.stage_locked(Entry(0, (Trim(partition, 1),)))
    assert client.admin.describe_group(QUEUE, "g").lag == 1
    assert client.fetch(group) == []


def test_what_nobody_waits_for_gets_a_sync_even_while_one_runs(tmp_path):
    client, disk = gated(tmp_path)
    group = client.join()
    (held,) = client.fetch(group)
    disk.gate.clear()
    sender, _ = in_thread(lambda: client.send("second"))
    assert disk.arrived.wait(10)
    client.ack(group, held, [0])
    client.runner.commit_dirty()
    staged = client.runner.storage.max_index()
    disk.gate.set()
    finish(sender)
    eventually(lambda: client.runner.storage.durable_index() >= staged)
    client.close()


def test_max_bytes_bounds_a_receive_but_always_gives_a_batch(client):
    for _ in range(5):
        client.send(bytes(1000))
    group = client.join()
    assert len(client.fetch(group, 100, 2500)) == 2
    assert len(client.fetch(group, 100, 10)) == 1


def test_a_receiver_is_woken_when_something_comes(client, clock):
    group = client.join()
    woken = threading.Event()
    assert client.runner.receive(group, 1, 1 << 20, woken.set) == []
    client.send("a")
    assert woken.is_set()
    other = threading.Event()
    client.fetch(group)
    assert client.runner.receive(group, 1, 1 << 20, other.set) == []
    client.runner.forget_receiver(group, other.set)
    client.send("b")
    assert not other.is_set()
    assert client.runner.receivers.waiting == {}


def test_a_retry_that_becomes_due_wakes_a_receiver(client, clock):
    client.send("a")
    group = client.join()
    (held,) = client.fetch(group)
    client.nack(group, held, delay=3)
    woken = threading.Event()
    assert client.runner.receive(group, 1, 1 << 20, woken.set) == []
    clock.advance(3)
    client.upkeep()
    assert woken.is_set()
    assert client.receive(group) == ["a"]


def test_deleting_a_group_tells_who_waits_for_it(client):
    group = client.join()
    client.send("a")
    client.receive(group)
    woken = threading.Event()
    client.runner.receive(group, 1, 1 << 20, woken.set)
    client.admin.delete_group(QUEUE, "g")
    assert woken.is_set()
    assert code_of(client.fetch, group) == 1404
