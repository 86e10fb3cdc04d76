"""Schedules as the state has them, and which of them is due next."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import msgspec

from openmessaging.model.schedule import ScheduleInfo, ScheduleSpec

_SLACK = 1_000
"""Times in the heap that count no more, tolerated before it is built anew."""


class Schedule(msgspec.Struct, frozen=True, array_like=True):
    """A schedule, and how far it is."""

    spec: ScheduleSpec
    producer_id: int
    """Drawn: the ids of what it sends have it."""
    next_ms: int
    """The next occurrence; 0: it is over."""
    sent: int = 0
    left_out_ms: int = 0
    """The newest occurrence that was left out; 0: none."""
    paused: bool = False
    first_ms: int = 0
    """The first occurrence of an interval that grows: the others follow from it."""

    def info(self, problem: str | None) -> ScheduleInfo:
        """As it is shown."""
        spec = self.spec
        return ScheduleInfo(
            spec.name,
            spec.queue,
            spec.cron or None,
            spec.zone,
            spec.every_ms / 1000 if spec.every_ms else None,
            spec.end_ms or None,
            spec.count or None,
            spec.catch_up,
            None if self.paused else self.next_ms or None,
            self.sent,
            self.paused,
            self.left_out_ms or None,
            problem,
            spec.growth or None,
        )


class Timetable:
    """All schedules by name. `by_name` is hard state; the rest serves decisions only."""

    def __init__(self) -> None:
        self.by_name: dict[str, Schedule] = {}
        self.put_off: dict[str, tuple[int, str]] = {}
        """Until when (ms) one is not tried again, and why."""
        self._heap: list[tuple[int, str]] = []

    def put(self, schedule: Schedule) -> None:
        """Put a schedule in, or in the place of the one of its name."""
        name = schedule.spec.name
        self.by_name[name] = schedule
        self.put_off.pop(name, None)
        self._push(name)

    def drop(self, name: str) -> None:
        """Take a schedule out; one that is not there is no error."""
        self.by_name.pop(name, None)
        self.put_off.pop(name, None)

    def defer(self, name: str, until_ms: int, problem: str) -> None:
        """It cannot send now: let it be due at another time."""
        self.put_off[name] = until_ms, problem
        self._push(name)

    def info(self, name: str) -> ScheduleInfo:
        """A schedule as it is shown."""
        return self.by_name[name].info(self.put_off.get(name, (0, None))[1])

    def next_ms(self) -> int | None:
        """When the next one is due."""
        heap = self._heap
        while heap:
            time, name = heap[0]
            if self._due_ms(name) == time:
                return time
            heappop(heap)
        return None

    def due(self, now_ms: int) -> list[Schedule]:
        """Those that are due, in order of time; they stay due until they are put in anew, dropped or deferred."""
        found: list[tuple[int, str]] = []
        while (time := self.next_ms()) is not None and time <= now_ms:
            item = heappop(self._heap)
            if not found or found[-1] != item:
                found.append(item)
        for item in found:
            heappush(self._heap, item)
        return [self.by_name[name] for _, name in found]

    def _due_ms(self, name: str) -> int | None:
        schedule = self.by_name.get(name)
        if schedule is None or schedule.paused or not schedule.next_ms:
            return None
        deferred = self.put_off.get(name)
        return schedule.next_ms if deferred is None else max(schedule.next_ms, deferred[0])

    def _push(self, name: str) -> None:
        due = self._due_ms(name)
        if due is not None:
            heappush(self._heap, (due, name))
        if len(self._heap) > 2 * len(self.by_name) + _SLACK:
            self._heap = [(time, each) for each in self.by_name if (time := self._due_ms(each)) is not None]
            heapify(self._heap)
