"""When a schedule occurs: intervals by arithmetic, cron by the package `cronsim`, on the clock of a time zone.

Decisions ask here, and what they learn stands in their entry: a replay needs neither the package nor its rules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from openmessaging.model.errors import error, unsupported
from openmessaging.model.schedule import MAX_STEP_MS, ScheduleSpec

_FIRST_SPAN_MS = 3_600_000


class Passed(NamedTuple):
    """The occurrences of a schedule up to now."""

    times: list[int]
    """Those to be sent, ms, oldest first."""
    left_out_ms: int
    """The newest of those before, which are too many; 0: there are none."""
    next_ms: int
    """The first after now; 0: there is none."""


def check(spec: ScheduleSpec, now_ms: int) -> int:
    """The first occurrence of a schedule from now on.

    Raises OMSRuntimeException 1418 for a cron text or a zone that cannot be read, and when it never occurs;
    OMSUnsupportException when the package for cron is not installed.
    """
    if spec.growth:
        found = _before_end(spec, next(_growing(spec, spec.start_ms or now_ms + spec.every_ms, now_ms)))
    elif spec.every_ms:
        first = spec.start_ms or now_ms + spec.every_ms
        if first < now_ms:
            first += -((first - now_ms) // spec.every_ms) * spec.every_ms
        found = _before_end(spec, first)
    else:
        found = _next(spec, max(now_ms, spec.start_ms - 1))
    if not found:
        text = f"the schedule {spec.name} never occurs"
        raise error(1418, text, next_step="Look at its rule and at its end", field="cron" if spec.cron else "end")
    return found


def resumed(spec: ScheduleSpec, next_ms: int, now_ms: int, first_ms: int = 0) -> int:
    """The first occurrence after now of one that would have gone on at `next_ms`; 0: there is none."""
    if next_ms > now_ms:
        return next_ms
    return passed(spec, next_ms, now_ms, first_ms).next_ms


def passed(spec: ScheduleSpec, next_ms: int, now_ms: int, first_ms: int = 0) -> Passed:
    """What happened since the occurrence at `next_ms`, which has come by now; `first_ms`: the first of all, of an
    interval that grows. Raises as `check`."""
    until = min(now_ms, spec.end_ms) if spec.end_ms else now_ms
    if spec.growth:
        late: deque[int] = deque(maxlen=spec.catch_up + 1)
        for time in _growing(spec, first_ms, next_ms):
            if time > until:
                break
            late.append(time)
        too_many = late.popleft() if len(late) > spec.catch_up else 0
        return Passed(list(late), too_many, _before_end(spec, time))
    if spec.every_ms:
        every = spec.every_ms
        count = (until - next_ms) // every + 1
        kept = min(count, spec.catch_up)
        first = next_ms + (count - kept) * every
        following = next_ms + count * every
        return Passed(
            list(range(first, following, every)), first - every if kept < count else 0, _before_end(spec, following)
        )
    span = _FIRST_SPAN_MS
    while True:  # from a while ago, and if those are not enough, from longer ago: a year of minutes is not counted
        begin = max(next_ms - 1, until - span)
        found = deque(takewhile(lambda time: time <= until, _cron(spec, begin)), spec.catch_up + 1)
        if begin < next_ms or len(found) > spec.catch_up:
            break
        span *= 4
    left_out = found.popleft() if len(found) > spec.catch_up else 0
    return Passed(list(found), left_out, _next(spec, until))


def _growing(spec: ScheduleSpec, first_ms: int, from_ms: int) -> Iterator[int]:
    """The occurrences of an interval that grows, from a time on."""
    longest = max(spec.every_ms, MAX_STEP_MS)
    at, step = first_ms, float(spec.every_ms)
    while True:
        if at >= from_ms:
            yield at
        if step < longest:
            step = min(step * spec.growth, longest)
            at += round(step)
        else:
            at += longest * max((from_ms - at) // longest, 1)


def _before_end(spec: ScheduleSpec, time: int) -> int:
    return time if not spec.end_ms or time <= spec.end_ms else 0


def _next(spec: ScheduleSpec, after_ms: int) -> int:
    return _before_end(spec, next(_cron(spec, after_ms), 0))


def _cron(spec: ScheduleSpec, after_ms: int) -> Iterator[int]:
    """The occurrences after a time, ms."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise unsupported("cron", next_step="pip install 'openmessaging[cron]', or give an interval") from None
    zone = UTC if spec.zone == "UTC" else _zone(spec.zone)
    try:
        times = CronSim(spec.cron, datetime.fromtimestamp(after_ms // 1000, zone))
    except CronSimError as failure:
        step = "Write minute, hour, day of month, month, day of week, such as 30 8 * * MON-FRI"
        raise error(1418, f"cron: {spec.cron!r}: {failure}", next_step=step, field="cron") from None
    last = after_ms
    for time in times:
        at = int(time.timestamp()) * 1000
        if at > last:  # when clocks are set back, local times come twice
            last = at
            yield at


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        step = "Give a name such as Europe/Berlin; on Windows the package tzdata knows them"
        raise error(1418, f"zone: {name!r} is no time zone", next_step=step, field="zone") from None
