"""What was to happen when, remembered apart from the store that was to do it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Appointment(msgspec.Struct):
    """A delayed message."""

    message_id: str
    born_ms: int
    dues: set[int]
    """When it may be due, ms: all that it was given, until one of them is certain."""
    sent: bool | None = None
    cancelled: bool | None = False
    """None: nobody knows."""


class Fired(msgspec.Struct, frozen=True):
    """A message that lies in its queue."""

    name: str
    at_ms: int
    """When it was put there, by the store's clock."""


class Appointments:
    """Delayed messages by name: each comes once, not before its time, and never after it was called back."""

    def __init__(self) -> None:
        self.by_name: dict[str, Appointment] = {}
        self.came: set[str] = set()

    def waiting(self) -> list[str]:
        """Those that are stored, as far as is known, and have not been seen in their queue."""
        return [name for name, each in self.by_name.items() if each.sent and name not in self.came]

    def check(self, found: Iterable[Fired]) -> None:
        """What lies in the queues now, and is durable."""
        names: set[str] = set()
        for fired in found:
            name = fired.name
            assert name in self.by_name, f"{name} was never sent"
            assert name not in names, f"{name} came twice"
            names.add(name)
            each = self.by_name[name]
            assert each.cancelled is not True, f"{name} came although it was cancelled"
            early = min(each.dues) - fired.at_ms
            assert early <= 0, f"{name} came {early} ms before its time"
        lost = self.came - names
        assert not lost, f"{lost} had come, and are gone"
        self.came = names

    def check_due(self, now_ms: int) -> None:
        """All that was due has come."""
        missing = [
            name
            for name, each in self.by_name.items()
            if each.sent and each.cancelled is False and max(each.dues) <= now_ms and name not in self.came
        ]
        assert not missing, f"{missing} did not come"


class Beat(msgspec.Struct):
    """A schedule that sends at each multiple of `every_ms` from its first time on."""

    every_ms: int
    first_ms: int | None
    """None: whenever it was made."""
    count: int
    catch_up: int
    made: bool | None = None
    deleted: bool | None = False
    paused: bool = False
    """Whether it was ever told to pause: occurrences may be left out then."""
    last_allowed: int | None = None
    """How many messages it had sent when it was certainly deleted."""


class Occurrence(msgspec.Struct, frozen=True):
    """A message of a schedule."""

    name: str
    time_ms: int
    at_ms: int


class Beats:
    """Schedules by name: each occurrence is sent once, in order, not before its time, and none is left out but by
    their `catch_up`."""

    def __init__(self) -> None:
        self.by_name: dict[str, Beat] = {}
        self.found: dict[str, list[Occurrence]] = {}

    def check(self, found: Iterable[Occurrence]) -> None:
        """All that schedules have sent, in the order in which it lies there."""
        by_name: dict[str, list[Occurrence]] = {}
        for each in found:
            by_name.setdefault(each.name, []).append(each)
        for name, before in self.found.items():
            assert by_name.get(name, [])[: len(before)] == before, f"what {name} sent has changed"
        self.found = by_name
        for name, occurrences in by_name.items():
            assert name in self.by_name, f"there was never a schedule {name}"
            self._check_one(name, self.by_name[name], occurrences)

    def _check_one(self, name: str, beat: Beat, occurrences: list[Occurrence]) -> None:
        if beat.count:
            assert len(occurrences) <= beat.count, f"{name} sent {len(occurrences)} messages of {beat.count}"
        if beat.last_allowed is not None:
            assert len(occurrences) <= beat.last_allowed, f"{name} sent after it was deleted"
        before = None if beat.first_ms is None else beat.first_ms - beat.every_ms
        for each in occurrences:
            assert each.at_ms >= each.time_ms, f"{name} sent for {each.time_ms} before its time"
            if before is not None:
                gap, rest = divmod(each.time_ms - before, beat.every_ms)
                assert gap > 0, f"{name} sent for {each.time_ms} twice, or out of order"
                assert rest == 0, f"{name} sent for {each.time_ms}, which is no time of it"
                late = each.at_ms - each.time_ms
                # Left out is only what is older than the newest `catch_up`, and of those none is.
                kept = (beat.catch_up - 1) * beat.every_ms <= late < beat.catch_up * beat.every_ms
                assert gap == 1 or beat.paused or kept, f"{name} left out {gap - 1} before {each.time_ms}"
            before = each.time_ms

    def check_due(self, now_ms: int) -> None:
        """All that was due has been sent, by schedules of which it is certain that they are there and go on."""
        for name, beat in self.by_name.items():
            if beat.made and beat.deleted is False and not beat.paused:
                sent = self.found.get(name, [])
                if beat.count and len(sent) == beat.count:
                    continue
                wanted = sent[-1].time_ms + beat.every_ms if sent else beat.first_ms
                assert wanted is None or wanted > now_ms, f"{name} sent nothing for {wanted}"
