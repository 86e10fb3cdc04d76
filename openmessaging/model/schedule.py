"""Schedules: messages that a system sends by itself, again and again; part of the driver SPI (`spi.py`)."""

from __future__ import annotations

from typing import Protocol

import msgspec

from openmessaging.model.message import Record

MAX_BODY_BYTES = 64 << 10
"""Largest body of a scheduled message: it is kept in memory."""
MAX_CATCH_UP = 10_000
MIN_EVERY_MS = 100
MAX_STEP_MS = 86_400_000
"""Longest step that a growing interval comes to: a day."""
MIN_GROWTH, MAX_GROWTH = 1.1, 1_000.0


class ScheduleSpec(msgspec.Struct, frozen=True, array_like=True):
    """A schedule as it is asked for: what is sent where, and when; either `cron` or `every_ms` is set."""

    name: str
    queue: str
    """Full name."""
    record: Record
    """The message, without delay, expiry and partition."""
    cron: str = ""
    """Five fields as Debian's cron reads them, or six, of which the first are seconds."""
    zone: str = "UTC"
    """Whose clock `cron` means: a name of the IANA time zone database."""
    every_ms: int = 0
    start_ms: int = 0
    """The first occurrence of an interval (0: one interval from now); with cron, none is before it."""
    end_ms: int = 0
    """No occurrence is after it; 0: it has no end."""
    count: int = 0
    """Messages after which it is over; 0: it goes on."""
    catch_up: int = 1_000
    """Of occurrences that could not be sent at their time, the newest so many are sent late."""
    growth: float = 0.0
    """Each step of an interval is so many times the one before, until it comes to `MAX_STEP_MS` (or `every_ms`, if that
    is longer); 0: all are the same."""


class ScheduleInfo(msgspec.Struct, frozen=True):
    """A schedule as it is shown."""

    name: str
    queue: str
    """Full name."""
    cron: str | None
    zone: str
    every: float | None
    """Seconds from one occurrence to the next; None with cron."""
    end_ms: int | None
    count: int | None
    """Messages after which it is over; None: it goes on."""
    catch_up: int
    next_ms: int | None
    """The next occurrence, ms since the epoch; None when it is paused or over."""
    sent: int
    """Messages sent so far."""
    paused: bool
    left_out_ms: int | None
    """The newest occurrence that was left out because `catch_up` newer ones were late too; None: there is none."""
    problem: str | None
    """Why the last try to send failed; it is tried again. None: it did not."""
    growth: float | None = None
    """How many times the step before each step is; None: all are the same."""

    @property
    def over(self) -> bool:
        """Whether it has come to its count or its end."""
        return self.next_ms is None and not self.paused


class Schedules(Protocol):
    """What a driver offers with SCHEDULE."""

    async def create_schedule(self, spec: ScheduleSpec, replace: bool) -> ScheduleInfo:
        """Create a schedule, and its queue on first use. `replace`: change the one of that name, if it is not the same;
        otherwise one that is there is an error. Raises 1404, 1405, 1413, 1416, 1418."""
        ...

    async def list_schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name, those that are over too."""
        ...

    async def pause_schedule(self, name: str, paused: bool) -> ScheduleInfo:
        """Pause a schedule, or let it go on with the next occurrence from now. Raises 1404."""
        ...

    async def delete_schedule(self, name: str) -> None:
        """Delete a schedule; what it sent stays. Raises 1404."""
        ...


class BlockingSchedules(Protocol):
    """The same for threads."""

    def create_schedule(self, spec: ScheduleSpec, replace: bool) -> ScheduleInfo:
        """Create a schedule, and its queue on first use. `replace`: change the one of that name, if it is not the same;
        otherwise one that is there is an error. Raises 1404, 1405, 1413, 1416, 1418."""
        ...

    def list_schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name, those that are over too."""
        ...

    def pause_schedule(self, name: str, paused: bool) -> ScheduleInfo:
        """Pause a schedule, or let it go on with the next occurrence from now. Raises 1404."""
        ...

    def delete_schedule(self, name: str) -> None:
        """Delete a schedule; what it sent stays. Raises 1404."""
        ...
