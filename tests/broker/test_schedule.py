from __future__ import annotations

from openmessaging.broker.schedule import Schedule, Timetable
from openmessaging.model.message import Record
from openmessaging.model.schedule import ScheduleSpec


def schedule(name: str, next_ms: int, *, paused: bool = False, sent: int = 0) -> Schedule:
    spec = ScheduleSpec(name, "default://q", Record(b"x"), every_ms=1_500, count=9)
    return Schedule(spec, 7, next_ms, sent, paused=paused)


def names(found: list[Schedule]) -> list[str]:
    return [each.spec.name for each in found]


def test_the_next_is_the_earliest() -> None:
    table = Timetable()
    assert table.next_ms() is None
    for name, time in (("b", 20), ("a", 10), ("c", 30)):
        table.put(schedule(name, time))
    assert table.next_ms() == 10
    assert names(table.due(9)) == []
    assert names(table.due(25)) == ["a", "b"]
    assert names(table.due(25)) == ["a", "b"]  # until something becomes of them
    table.put(schedule("a", 40))
    assert names(table.due(100)) == ["b", "c", "a"]
    table.drop("c")
    table.drop("c")
    assert names(table.due(100)) == ["b", "a"]


def test_paused_and_over_are_never_due() -> None:
    table = Timetable()
    table.put(schedule("a", 10))
    table.put(schedule("a", 10, paused=True))
    table.put(schedule("b", 0))
    assert table.next_ms() is None
    assert table.info("a").next_ms is None
    assert (table.info("a").over, table.info("b").over) == (False, True)


def test_deferred_is_due_later_and_says_why() -> None:
    table = Timetable()
    table.put(schedule("a", 10))
    table.put(schedule("b", 12))
    table.defer("a", 50, "no room")
    assert table.next_ms() == 12
    assert names(table.due(50)) == ["b", "a"]
    assert table.info("a").problem == "no room"
    table.put(schedule("a", 60, sent=1))
    assert table.info("a").problem is None
    assert table.info("a").next_ms == 60
    table.put(schedule("a", 60, sent=1))
    assert names(table.due(60)) == ["b", "a"]


def test_times_that_count_no_more_do_not_pile_up() -> None:
    table = Timetable()
    for time in range(1, 5_000):
        table.put(schedule("a", time))
    assert len(table._heap) <= 2_000
    assert table.next_ms() == 4_999


def test_as_it_is_shown() -> None:
    info = schedule("a", 10, sent=3).info(None)
    assert (info.name, info.queue, info.every, info.cron, info.count, info.next_ms, info.sent) == (
        "a", "default://q", 1.5, None, 9, 10, 3,
    )  # fmt: skip
    assert (info.end_ms, info.left_out_ms, info.over) == (None, None, False)
