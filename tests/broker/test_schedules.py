from __future__ import annotations

import random
import sys
import threading
from pathlib import Path
from typing import Any

import google_crc32c
import msgspec
import pytest

from openmessaging.broker import schedules, snapshot
from openmessaging.broker.engine import Engine
from openmessaging.broker.schedule import Schedule
from openmessaging.model.message import Record
from openmessaging.model.schedule import ScheduleInfo, ScheduleSpec
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, Client, code_of, failure_of, open_client, records

HOUR = 3_600


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def client(tmp_path: Path, clock: SimulatedClock) -> Client:
    return open_client(tmp_path, clock=clock)


def create(
    client: Client, name: str = "s", body: bytes = b"tick", *, replace: bool = False, **more: Any
) -> ScheduleInfo:
    record = Record(body, more.pop("key", None), more.pop("properties", None), more.pop("headers", None))
    if "cron" not in more:
        more = {"every_ms": 10_000, **more}
    return client.admin.create_schedule(ScheduleSpec(name, more.pop("queue", QUEUE), record, **more), replace)


def tick(client: Client) -> None:
    for _ in range(30):
        client.store.maintenance.work(full_round=False)


def times(client: Client, queue: str = QUEUE, partition: int = 0) -> list[int]:
    """Of all that was sent, seconds from the start of the clock."""
    tick(client)
    found = records(client.admin.browse(queue, partition, 0, 100_000, None))
    return [(record.properties["schedule.time"] - SimulatedClock().now_ms()) // 1000 for record in found]


def test_a_message_at_each_occurrence(client: Client, clock: SimulatedClock) -> None:
    info = create(client)
    assert info.next_ms == clock.now_ms() + 10_000
    assert times(client) == []
    clock.advance(9.999)
    assert times(client) == []
    clock.advance(0.001)
    assert times(client) == [10]
    clock.advance(15)
    assert times(client) == [10, 20]
    assert client.admin.list_schedules()[0].sent == 2


def test_what_it_sends(client: Client, clock: SimulatedClock) -> None:
    client.admin.create_queue(QUEUE, 5, {})
    create(client, "a", b"body", key="k", properties={"color": "red"}, headers={"correlationId": "c"})
    clock.advance(20)
    tick(client)
    number = google_crc32c.value(b"k") % 5
    found = client.admin.browse(QUEUE, number, 0, 10, None)
    first, second = records(found)
    assert (first.data, first.message_key, first.headers) == (b"body", "k", {"correlationId": "c"})
    assert first.properties == {"color": "red", "schedule.name": "a", "schedule.time": clock.now_ms() - 10_000}
    assert second.properties["schedule.time"] == clock.now_ms()


def test_it_goes_into_the_lane_of_its_priority(client: Client, clock: SimulatedClock) -> None:
    create(client, headers={"priority": 9})
    clock.advance(10)
    tick(client)
    assert client.admin.describe_queue(QUEUE).lanes == [(0, 9)]


def test_it_ends_with_its_count_or_its_end_and_stays_to_be_seen(client: Client, clock: SimulatedClock) -> None:
    create(client, "count", count=2)
    create(client, "end", queue="default://other", end_ms=clock.now_ms() + 20_000)
    clock.advance(100)
    assert times(client) == [10, 20]
    assert times(client, "default://other") == [10, 20]
    assert [(info.over, info.sent) for info in client.admin.list_schedules()] == [(True, 2), (True, 2)]
    clock.advance(100)
    assert times(client) == [10, 20]


def test_cron(client: Client, clock: SimulatedClock) -> None:
    create(client, cron="*/5 * * * *", zone="Europe/Berlin")
    clock.advance(HOUR)
    assert len(times(client)) == 12


def test_after_a_restart_it_goes_on_and_what_was_missed_is_late(
    client: Client, clock: SimulatedClock, tmp_path: Path
) -> None:
    create(client)
    clock.advance(10)
    assert times(client) == [10]
    client.store.maintenance.snapshot()
    create(client, "later", queue="default://later", catch_up=1)
    client.close()
    clock.advance(35)
    again = open_client(tmp_path, clock=clock)
    assert times(again) == [10, 20, 30, 40]
    assert times(again, "default://later") == [40]
    info = {info.name: info for info in again.admin.list_schedules()}
    assert info["later"].left_out_ms == clock.now_ms() - 15_000
    assert info["s"].left_out_ms is None
    again.close()
    assert times(open_client(tmp_path, clock=clock)) == [10, 20, 30, 40]


def test_more_than_one_entry_holds_is_sent_in_order(client: Client, clock: SimulatedClock) -> None:
    create(client, catch_up=1_200)
    clock.advance(10 * 1_500)
    assert times(client) == list(range(10 * 301, 10 * 1_501, 10))
    assert client.admin.list_schedules()[0].sent == 1_200


def test_large_bodies_are_spread_over_entries(client: Client, clock: SimulatedClock) -> None:
    create(client, body=b"x" * 60_000)
    clock.advance(10 * 40)
    assert times(client) == list(range(10, 401, 10))


def test_pause_and_resume(client: Client, clock: SimulatedClock) -> None:
    create(client)
    clock.advance(10)
    assert client.admin.pause_schedule("s", True).paused  # what is due goes first
    clock.advance(25)
    assert times(client) == [10]
    assert client.admin.pause_schedule("s", True).next_ms is None
    assert client.admin.pause_schedule("s", False).next_ms == clock.now_ms() + 5_000
    clock.advance(5)
    assert times(client) == [10, 40]


def test_delete(client: Client, clock: SimulatedClock) -> None:
    create(client)
    client.admin.delete_schedule("s")
    clock.advance(100)
    tick(client)
    assert client.admin.describe_queue(QUEUE).messages == 0
    assert client.admin.list_schedules() == []
    for call in (client.admin.delete_schedule, lambda name: client.admin.pause_schedule(name, True)):
        assert code_of(call, "s") == 1404


def test_a_name_is_taken_until_it_is_replaced(client: Client, clock: SimulatedClock) -> None:
    create(client)
    clock.advance(10)
    tick(client)
    assert failure_of(create, client).field == "name"
    assert create(client, replace=True).sent == 1  # the same: nothing changes
    changed = create(client, replace=True, every_ms=500)
    assert (changed.sent, changed.every) == (0, 0.5)
    assert len(client.admin.list_schedules()) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "schedule"),
        ({"name": "a/b"}, "schedule"),
        ({"every_ms": 99}, "every"),
        ({"every_ms": -1}, "every"),
        ({"cron": "* * * * *", "every_ms": 1_000}, "every"),
        ({"cron": "", "every_ms": 0}, "every"),
        ({"count": -1}, "count"),
        ({"catch_up": 0}, "catch_up"),
        ({"catch_up": 10_001}, "catch_up"),
        ({"cron": "x"}, "cron"),
        ({"end_ms": 1}, "end"),
    ],
)
def test_what_is_refused(client: Client, wrong: dict[str, Any], field: str) -> None:
    failure = failure_of(create, client, **wrong)
    assert (failure.code, failure.field) == (1418, field)
    assert client.admin.list_schedules() == []


def test_limits(client: Client, tmp_path: Path) -> None:
    assert code_of(create, client, body=b"x" * 65_537) == 1413
    client.runner.engine.limits = msgspec.structs.replace(client.runner.engine.limits, max_schedules=1)
    create(client)
    assert code_of(create, client, "other") == 1418
    create(client, replace=True, every_ms=200)


def test_the_queue_is_made_when_it_may_be(tmp_path: Path, clock: SimulatedClock) -> None:
    client = open_client(tmp_path, clock=clock, auto_create=False)
    assert code_of(create, client) == 1404
    client.admin.create_queue(QUEUE, 1, {})
    create(client)
    client.admin.create_queue("default://table", 1, {"compact": True})
    assert code_of(create, client, "t", queue="default://table") == 1418
    create(client, "t", queue="default://table", key="k")


def test_one_that_cannot_send_is_tried_again_and_the_others_go_on(tmp_path: Path, clock: SimulatedClock) -> None:
    client = open_client(tmp_path, clock=clock, auto_create=False)
    for queue in (QUEUE, "default://gone"):
        client.admin.create_queue(queue, 1, {})
        create(client, queue.removeprefix("default://"), queue=queue)
    client.admin.delete_queue("default://gone")
    clock.advance(10)
    assert times(client) == [10]
    info = client.admin.list_schedules()[0]
    assert (info.name, info.sent) == ("gone", 0)
    assert "there is no queue default://gone" in (info.problem or "")
    client.admin.create_queue("default://gone", 1, {})
    clock.advance(10)
    assert times(client, "default://gone") == [10, 20]
    assert client.admin.list_schedules()[0].problem is None


def test_without_the_package_cron_is_late_and_says_so(
    client: Client, clock: SimulatedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, cron="* * * * *")
    client.close()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cronsim", None)
        again = open_client(tmp_path, clock=clock)  # a replay does not need it
        clock.advance(60)
        assert times(again) == []
        assert "openmessaging[cron]" in (again.admin.list_schedules()[0].problem or "")
    clock.advance(10)
    assert len(times(again)) == 1


def test_a_full_disk_makes_it_late(client: Client, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    create(client)
    clock.advance(10)
    monkeypatch.setattr(client.runner.storage, "append", _no_space)
    client.store.maintenance.work(full_round=False)
    monkeypatch.undo()
    clock.advance(1)
    assert times(client) == [10]


def _no_space(*_: object, **__: object) -> None:
    raise schedules.error(1501, "the disk is full")


def test_the_state_is_the_same_after_a_snapshot_and_a_replay(
    client: Client, clock: SimulatedClock, tmp_path: Path
) -> None:
    create(client, "a", count=5)
    create(client, "b", cron="0 * * * *", key="k", properties={"p": 1.5})
    clock.advance(30)
    tick(client)
    client.admin.pause_schedule("b", True)
    state = client.runner.engine.snapshot()
    copy = Engine(client.runner.contents, random.Random(1))
    copy.restore(state)
    assert copy.snapshot() == state
    assert copy.timetable.by_name == client.runner.engine.timetable.by_name
    assert copy.next_due() == client.runner.engine.next_due() is not None
    client.runner.flush()
    client.store.maintenance.snapshot()
    client.close()
    assert open_client(tmp_path, clock=clock).runner.engine.timetable.by_name == copy.timetable.by_name


def test_a_snapshot_without_schedules_is_read(client: Client) -> None:
    """What was written before there were any."""
    stored = msgspec.msgpack.decode(client.runner.engine.snapshot()[1:])
    assert stored[4][-1] == []
    stored[4].pop()
    snapshot.load(client.runner.engine, bytes((snapshot.FORMAT,)) + msgspec.msgpack.encode(stored))
    assert client.runner.engine.timetable.by_name == {}


def test_upkeep_fires_by_itself(tmp_path: Path) -> None:
    client = open_client(tmp_path, upkeep=True)
    group = client.join()
    create(client, every_ms=100, count=3)
    found: list[str] = []
    while len(found) < 3:
        arrived = threading.Event()
        if not client.runner.receive(group, 1, 1 << 20, arrived.set):
            assert arrived.wait(10), "upkeep does not wake for a schedule"
            continue
        found.append("x")
    client.close()


def test_steps_grow_over_a_pause_and_time_away(client: Client, clock: SimulatedClock) -> None:
    info = create(client, every_ms=2_000, growth=2.0, count=8)
    assert (info.every, info.growth) == (2.0, 2.0)
    assert times(client) == []
    clock.advance(7)
    assert times(client) == [2, 6]
    clock.advance(50)  # away
    assert times(client) == [2, 6, 14, 30]
    client.admin.pause_schedule("s", True)
    clock.advance(10)  # 62 is left out
    client.admin.pause_schedule("s", False)
    clock.advance(1_000)
    assert times(client) == [2, 6, 14, 30, 126, 254, 510, 1_022]
    assert client.admin.list_schedules()[0].over


def test_one_that_was_stored_before_steps_could_grow_is_read() -> None:
    schedule = Schedule(ScheduleSpec("s", QUEUE, Record(b""), every_ms=1_000), 7, 5)
    spec, *rest = msgspec.to_builtins(schedule, builtin_types=(bytes,))
    older = msgspec.msgpack.encode([spec[:-1], *rest[:-1]])
    assert msgspec.msgpack.decode(older, type=Schedule) == schedule


def test_growth_goes_with_an_interval_and_within_bounds(client: Client) -> None:
    for growth in (1.0, 1_001.0, -2.0):
        assert code_of(lambda growth=growth: create(client, growth=growth)) == 1418
    assert code_of(lambda: create(client, cron="* * * * *", growth=2.0)) == 1418
