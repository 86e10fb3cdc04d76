"""A store whose disk fails or is full, and a store that is closed."""

from __future__ import annotations

import contextlib
import threading

import pytest

from openmessaging.broker.entry import Entry, Extend
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.simulation.clock import SimulatedClock
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
    simulated,
)

# ---- a disk that fails -------------------------------------------------------------------------------------------


def broken_client(**settings):
    """A store whose last sync failed; two messages were stored before."""
    disk, clock = simulated(), SimulatedClock()
    client = open_client("/store", disk=disk, clock=clock)
    client.send("a")
    client.send("b")
    group = client.join(**settings)
    disk.fail_sync_in = 1
    failure = failure_of(client.send, "lost")
    assert failure.code == 1501
    assert "read-only" in failure.reason
    return client, disk, clock, group


def test_after_a_failed_sync_sends_are_refused_and_reads_and_acks_go_on():
    client, disk, clock, group = broken_client(invisible_time=10, initial=0)
    assert code_of(client.send, "more") == 1501
    assert code_of(client.admin.create_queue, "default://other", 1, {}) == 1501
    assert code_of(client.runner.flush) == 1501
    assert client.browse() == ["a", "b"]
    first, second = client.fetch(group)
    client.ack(group, first, [0])
    client.nack(group, second)
    (again,) = client.fetch(group)
    assert (again.attempt, bodies([again])) == (2, ["b"])
    client.runner.give_back(lambda engine, now_ms: engine.decide_extend(now_ms, group.id, again.lease_id, 60))
    clock.advance(61)
    (third,) = client.fetch(group)
    client.ack(group, third)
    assert client.admin.describe_group(QUEUE, "g").lag == 0
    client.upkeep()
    client.runner.commit_dirty()
    assert code_of(client.close) == 1501  # those acknowledgements are in memory only
    client.close()
    disk.crash()
    client = open_client("/store", disk=disk)
    assert client.browse()[:2] == ["a", "b"]
    client.send("now")
    assert client.browse()[-1] == "now"


def test_what_would_need_the_disk_stays_as_it_is():
    client, _, clock, group = broken_client(invisible_time=10, max_delivery=1)
    (held, _) = client.fetch(group)
    failure = failure_of(client.nack, group, held)
    assert failure.code == 1501  # a dead letter cannot be stored
    clock.advance(11)
    assert client.fetch(group) == []
    client.upkeep()
    assert code_of(client.close) == 1501


def test_every_waiter_learns_of_a_failed_sync(tmp_path):
    class FailingDisk(CountingDisk):
        broken = False

        def syncing(self, path):
            super().syncing(path)
            if self.broken:
                raise OSError(5, "Input/output error")

    disk = FailingDisk()
    client = open_client(tmp_path, disk=disk)
    client.send("first")
    disk.gate.clear()
    disk.arrived.clear()
    senders = [in_thread(lambda: client.send("lost")) for _ in range(5)]
    assert disk.arrived.wait(10)
    eventually(lambda: client.runner.storage.max_index() >= 5)
    disk.broken = True
    disk.gate.set()
    finish(*(thread for thread, _ in senders))
    assert [failures[0].code for _, failures in senders] == [1501] * 5
    assert client.browse() == ["first"]
    assert code_of(client.close) == 1501


def test_an_interrupted_write_makes_the_log_read_only(tmp_path):
    class Interrupted(CountingDisk):
        ctrl_c = False

        def syncing(self, path):
            super().syncing(path)
            if self.ctrl_c:
                raise KeyboardInterrupt

    disk = Interrupted()
    client = open_client(tmp_path, disk=disk)
    client.send("first")
    disk.ctrl_c = True
    with pytest.raises(KeyboardInterrupt):
        client.send("second")
    disk.ctrl_c = False
    assert code_of(client.send, "third") == 1501
    assert code_of(client.close) == 1501
    again = open_client(tmp_path)
    assert again.browse()[0] == "first"
    again.close()


def test_acks_wait_for_space_when_there_is_not_even_the_reserve():
    disk = simulated()
    client = open_client("/store", disk=disk)
    for number in range(40):
        client.send(Record(bytes(800), f"key-{number}"))
    group = client.join()
    held = client.fetch(group, 30)
    disk.capacity_bytes = 0
    nothing = Entry(0, (Extend(999, 0),))  # as small as they get
    with client.runner.lock:
        while client.runner.storage._active.hard_end - client.runner.storage._position > 200:
            client.runner.stage_locked(nothing)
        for _ in range(9):
            with contextlib.suppress(OMSRuntimeException):
                client.runner.stage_locked(nothing)
    assert code_of(client.runner.change, lambda engine, now_ms: nothing) == 1501
    client.ack(group, held[0], [0])
    assert code_of(client.fetch, group) == 1501
    client.ack(group, held[1], [1])
    disk.capacity_bytes = 1 << 30
    client.fetch(group, 1)
    with client.runner.lock:
        assert client.runner._acks == {}
        assert client.runner.engine.leases[held[0].lease_id].left[0] == 2
    client.close()


def test_a_segment_that_goes_while_its_messages_are_read(client):
    """What was found in the index is read without the lock; it is looked up again when it lies elsewhere by then."""
    group, busy = client.join(), client.join(queue="default://busy")
    client.send("needed")
    for _ in range(200):
        client.send(bytes(900), queue="default://busy")
    client.receive(busy, 1000)
    read = client.runner.storage.read

    def late(position, size):
        client.runner.storage.read = read
        client.upkeep()
        assert client.runner.storage.min_position() > position
        return read(position, size)

    client.runner.storage.read = late
    assert client.receive(group) == ["needed"]


def test_acks_that_find_no_space_when_closing_are_told():
    disk = simulated()
    client = open_client("/store", disk=disk)
    client.send("a")
    group = client.join()
    held = client.fetch(group)[0]
    disk.capacity_bytes = 0
    nothing = Entry(0, (Extend(999, 0),))
    while True:
        try:
            with client.runner.lock:
                client.runner.stage_locked(nothing)
        except OMSRuntimeException:
            break
    client.ack(group, held)
    assert code_of(client.close) == 1501
    disk.capacity_bytes = 1 << 30
    client = open_client("/store", disk=disk)
    assert client.receive(client.join()) == ["a"]


# ---- closing -----------------------------------------------------------------------------------------------------


def test_after_close_every_call_gets_1503(tmp_path):
    client = open_client(tmp_path)
    client.send("a")
    group = client.join()
    (held,) = client.fetch(group)
    client.close()
    client.close()
    calls = [
        lambda: client.send("b"),
        lambda: client.fetch(group),
        lambda: client.ack(group, held, [0]),
        lambda: client.ack(group, held),
        lambda: client.nack(group, held),
        lambda: client.browse(),
        lambda: client.admin.read_before(QUEUE, 0, 1),
        lambda: client.admin.find_time(QUEUE, 0, 0),
        lambda: client.admin.create_queue("default://q", 1, {}),
        lambda: client.admin.list_namespaces(),
        lambda: client.admin.list_queues("default"),
        lambda: client.admin.describe_queue(QUEUE),
        lambda: client.admin.describe_group(QUEUE, "g"),
        lambda: client.admin.list_groups(),
    ]
    assert [code_of(call) for call in calls] == [1503] * len(calls)
    client.runner.flush()  # all of it is durable


def test_close_during_sends_loses_none_that_returned_and_hangs_none(tmp_path):
    for round_number in range(5):
        directory = tmp_path / str(round_number)
        client = open_client(directory, upkeep=True)
        sent: list[str] = []
        started = threading.Barrier(9)

        def work(name, client=client, sent=sent, started=started):
            started.wait(10)
            for number in range(10_000):
                client.send(f"{name}-{number}")
                sent.append(f"{name}-{number}")

        senders = [in_thread(lambda name=name: work(name)) for name in range(8)]
        started.wait(10)
        eventually(lambda sent=sent, least=20 * round_number: len(sent) > least)
        client.close()
        finish(*(thread for thread, _ in senders))
        assert {failures[0].code for _, failures in senders} == {1503}
        client = open_client(directory)
        assert set(sent) <= set(client.browse(count=1_000_000))
        client.close()


# ---- interruptions -------------------------------------------------------------------------------------------------


def test_an_interrupt_between_log_and_state_stops_the_store_until_it_is_opened_again(tmp_path, clock, monkeypatch):
    client = open_client(tmp_path, clock=clock)
    client.send("before")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client.runner.engine, "apply_send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.send("in doubt")
    monkeypatch.undo()
    assert code_of(client.send, "after") == 1501
    with contextlib.suppress(OMSRuntimeException):
        client.close()
    again = open_client(tmp_path, clock=clock)
    again.send("later")
    assert [text for text in again.browse() if text != "in doubt"] == ["before", "later"]
    again.close()
