from __future__ import annotations

import random
from pathlib import Path

import pytest

from openmessaging.broker import delays
from openmessaging.broker.group import Group
from openmessaging.model.batch import decode, encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch, Timing
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, Client, code_of, open_client, records, simulated

SHARED = encode_shared({"bornHost": "here"})


def send_delayed(
    client: Client,
    *messages: tuple[str, float],
    key: str | None = None,
    partition: int | None = None,
    queue: str = QUEUE,
    padding: int = 0,
) -> list[str]:
    """Send bodies, each with its delay in seconds; returns their ids."""
    born = client.runner.clock.now_ms()
    made = [
        Record(body.encode() + b" " * padding, key, None, {"delayTime": round(delay * 1000)})
        for body, delay in messages
    ]
    first, client.sequence = client.sequence, client.sequence + len(made)
    batch = encode(made, shared=SHARED, born_ms=born, producer_id=7, first_sequence=first)
    dues = b"".join((born + round(delay * 1000)).to_bytes(8, "big") for _, delay in messages)
    client.runner.send([OutgoingBatch(queue, partition, batch, timing=Timing(dues))])
    header = decode(batch.head + batch.payload)[0]
    return [header.message_id(place) for place in range(len(made))]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def client(tmp_path: Path, clock: SimulatedClock) -> Client:
    return open_client(tmp_path, clock=clock)


def tick(client: Client) -> None:
    client.store.maintenance.work(full_round=False)


def receive(client: Client, group: Group, count: int = 100) -> list[str]:
    """What is there after upkeep had its turn, acknowledged."""
    tick(client)
    return client.receive(group, count)


def test_a_message_comes_when_it_is_due_and_not_before(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    send_delayed(client, ("late", 10), ("soon", 1))
    assert receive(client, group) == []
    clock.advance(0.999)
    assert receive(client, group) == []
    clock.advance(0.001)
    assert receive(client, group) == ["soon"]
    clock.advance(9)
    assert receive(client, group) == ["late"]
    clock.advance(100)
    assert receive(client, group) == []


def test_it_keeps_its_id_born_time_and_key(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    born = clock.now_ms()
    (message_id,) = send_delayed(client, ("a", 5), key="k")
    clock.advance(5)
    tick(client)
    (record,) = records(client.fetch(group))
    assert record.message_key == "k"
    assert record.headers == {"messageId": message_id, "bornTimestamp": born, "bornHost": "here", "delayTime": 5000}


def test_the_number_that_waits_is_shown(client: Client, clock: SimulatedClock) -> None:
    client.join()
    send_delayed(client, ("a", 1), ("b", 2))
    info = client.admin.describe_queue(QUEUE)
    assert (info.delayed, info.messages) == (2, 0)
    clock.advance(1)
    tick(client)
    info = client.admin.describe_queue(QUEUE)
    assert (info.delayed, info.messages) == (1, 1)


def test_each_partition_has_its_lane(client: Client, clock: SimulatedClock) -> None:
    client.admin.create_queue(QUEUE, 3, {})
    group = client.join()
    send_delayed(client, ("two", 1), partition=2)
    send_delayed(client, ("zero", 1), partition=0)
    assert code_of(send_delayed, client, ("x", 1), partition=3) == 1418
    clock.advance(1)
    tick(client)
    assert {(d.partition, decode(d.data)[2][0].data) for d in client.fetch(group)} == {(2, b"two"), (0, b"zero")}


def test_a_list_of_times_that_does_not_fit(client: Client) -> None:
    batch = client.batch("a", "b")
    assert code_of(client.runner.send, [OutgoingBatch(QUEUE, None, batch, timing=Timing(b"\0" * 8))]) == 1418


def test_cancelled_is_never_delivered(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    first, second = send_delayed(client, ("a", 1), ("b", 1))
    assert client.admin.cancel_delayed(QUEUE, first)
    assert not client.admin.cancel_delayed(QUEUE, first)
    clock.advance(1)
    assert receive(client, group) == ["b"]
    assert not client.admin.cancel_delayed(QUEUE, second)


def test_what_is_no_id_and_no_queue(client: Client) -> None:
    client.join()
    assert not client.admin.cancel_delayed(QUEUE, "0" * 32)
    assert code_of(client.admin.cancel_delayed, QUEUE, "x") == 1418
    assert code_of(client.admin.cancel_delayed, QUEUE, "z" * 32) == 1418
    assert code_of(client.admin.cancel_delayed, "default://none", "0" * 32) == 1404


def test_rescheduled_comes_at_the_new_time_only(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    earlier, later = send_delayed(client, ("earlier", 10), ("later", 10))
    now = clock.now_ms()
    assert client.admin.reschedule_delayed(QUEUE, earlier, now + 1000)
    assert client.admin.reschedule_delayed(QUEUE, later, now + 20_000)
    assert [info.due_ms - now for info in client.admin.list_delayed(QUEUE, 10)] == [1000, 20_000]
    clock.advance(1)
    assert receive(client, group) == ["earlier"]
    clock.advance(18)
    assert receive(client, group) == []
    assert client.admin.reschedule_delayed(QUEUE, later, now)  # again, and by its old id: due at once
    assert receive(client, group) == ["later"]
    assert not client.admin.reschedule_delayed(QUEUE, later, now)


def test_what_waits_is_listed(client: Client, clock: SimulatedClock) -> None:
    ids = send_delayed(client, ("a", 3), ("bb", 2), key="k")
    found = client.admin.list_delayed(QUEUE, 10)
    assert [(info.message_id, info.due_ms - clock.now_ms(), info.message_key, info.size_bytes) for info in found] == [
        (ids[0], 3000, "k", 1),
        (ids[1], 2000, "k", 2),
    ]
    assert len(client.admin.list_delayed(QUEUE, 1)) == 1


def test_purging_and_deleting_take_what_waits_along(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    send_delayed(client, ("a", 1), ("b", 1))
    client.send("c")
    assert client.admin.purge_queue(QUEUE) == 3
    clock.advance(1)
    assert receive(client, group) == []
    send_delayed(client, ("a", 1))
    client.admin.delete_queue(QUEUE)
    clock.advance(1)
    tick(client)
    assert client.admin.list_queues("default") == []


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_waits_survives_a_restart(tmp_path: Path, clock: SimulatedClock, snapshot: bool) -> None:
    disk = simulated()
    client = open_client(tmp_path, clock=clock, disk=disk)
    client.join()
    ids = send_delayed(client, ("a", 1), ("b", 2), ("c", 3))
    assert client.admin.cancel_delayed(QUEUE, ids[1])
    if snapshot:
        client.store.maintenance.snapshot()
        send_delayed(client, ("d", 4))
    disk.crash()
    client = open_client(tmp_path, clock=clock, disk=disk)
    group = client.join()
    clock.advance(1)
    assert receive(client, group) == ["a"]
    clock.advance(100)
    assert receive(client, group) == (["c", "d"] if snapshot else ["c"])


@pytest.mark.parametrize("name", ["checkpoint", "missing"])
def test_timers_are_built_anew_when_their_files_are_damaged(tmp_path: Path, clock: SimulatedClock, name: str) -> None:
    client = open_client(tmp_path, clock=clock)
    client.join()
    ids = send_delayed(client, ("a", 1), ("b", 1), ("c", 1))
    assert client.admin.cancel_delayed(QUEUE, ids[0])
    client.close()
    path = tmp_path / "timers" / "checkpoint"
    if name == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    client = open_client(tmp_path, clock=clock)
    assert client.admin.cancel_delayed(QUEUE, ids[1])
    clock.advance(1)
    assert receive(client, client.join()) == ["c"]


def test_much_that_is_due_is_fired_in_parts_and_in_order(client: Client, clock: SimulatedClock) -> None:
    group = client.join()
    count = 2 * delays.FIRED_AT_ONCE + 10
    order = list(range(count))
    random.Random(4).shuffle(order)
    for start in range(0, count, 100):
        send_delayed(client, *((str(number), 1 + number / 1000) for number in order[start : start + 100]))
    clock.advance(10)
    found: list[str] = []
    for _ in range(4):
        found += receive(client, group, count)
    assert found == [str(number) for number in range(count)]


def test_a_message_that_cannot_be_read_is_tried_again(
    client: Client, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = client.join()
    send_delayed(client, ("a", 1))
    clock.advance(1)
    contents = client.runner.engine.contents
    message = contents.message
    monkeypatch.setattr(contents, "message", lambda *_: delays.queue_named(client.runner.engine, "default://none"))
    assert receive(client, group) == []
    monkeypatch.setattr(contents, "message", message)
    clock.advance(59)
    assert receive(client, group) == []
    clock.advance(1)
    assert receive(client, group) == ["a"]


def test_a_full_disk_makes_late_and_loses_nothing(tmp_path: Path, clock: SimulatedClock) -> None:
    disk = simulated()
    client = open_client(tmp_path, clock=clock, disk=disk)
    group = client.join()
    client.send("here")
    send_delayed(client, ("a" * 400_000, 1))
    clock.advance(1)
    disk.capacity_bytes = 0
    assert receive(client, group) == ["here"]
    disk.capacity_bytes = 1 << 30
    clock.advance(1)
    assert [len(body) for body in receive(client, group)] == [400_000]


def test_space_of_what_was_fired_returns_and_what_waits_stays(tmp_path: Path, clock: SimulatedClock) -> None:
    client = open_client(tmp_path, clock=clock)
    group = client.join()
    for number in range(60):
        send_delayed(client, ("year" if number == 3 else "x", 3e7 if number == 3 else 1), *[("y", 1)] * 9, padding=600)
    clock.advance(1)
    while receive(client, group, 1000):
        pass
    before = client.runner.storage.segments()[0].base_index
    for _ in range(4):
        client.upkeep()
        client.send("more" * 4000)
        receive(client, group)
    assert client.runner.storage.segments()[0].base_index > before
    assert len(client.runner.storage.segments()) < 4
    assert [info.size_bytes for info in client.admin.list_delayed(QUEUE, 10)] == [604]
    client.close()
    clock.advance(3e7)
    client = open_client(tmp_path, clock=clock)
    assert receive(client, client.join()) == ["year" + " " * 600]
