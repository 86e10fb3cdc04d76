"""Decisions about schedules: what is due becomes messages, in the entry that also says when the next one is.

So each occurrence is sent once: an entry that a crash took away is decided anew, late rather than never, and one that
is in the log moved the schedule on. The next occurrence stands in the entry (see `recurrence.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openmessaging.broker import recurrence
from openmessaging.broker.draft import Draft, check_keys
from openmessaging.broker.entry import Entry
from openmessaging.broker.schedule import Schedule
from openmessaging.broker.timed import DropSchedule, Occur, PutSchedule
from openmessaging.model.batch import KEYED, PRODUCER_BITS, SEQUENCE_BITS, Batch, encode, encode_shared
from openmessaging.model.destination import check_name
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record, body_too_large, partition_of_key
from openmessaging.model.schedule import (
    MAX_BODY_BYTES,
    MAX_CATCH_UP,
    MAX_GROWTH,
    MIN_EVERY_MS,
    MIN_GROWTH,
    ScheduleSpec,
)
from openmessaging.model.spi import OutgoingBatch

if TYPE_CHECKING:
    from openmessaging.broker.engine import Engine

PREFIX = "schedule."
"""First characters of the properties that a scheduled message gains: `schedule.name`, and `schedule.time`, the time of
its occurrence in ms."""
_AT_ONCE = 500
"""Most messages that one entry sends."""
_AT_ONCE_BYTES = 1 << 20
_PUT_OFF_MS = 10_000
"""After which a schedule that could not send is tried again."""
_SHARED = encode_shared({"bornHost": "schedule"})


def decide_create(engine: Engine, now_ms: int, spec: ScheduleSpec, replace: bool, drawn: float) -> Entry | None:
    """Create a schedule, or change the one of its name; None when that is the same already. `drawn` is a random number
    from 0 to 1.

    Raises 1404, 1405, 1413, 1416, and 1418 for what is wrong with it, a name that is taken, and the maximum.
    """
    _check(spec)
    found = engine.timetable.by_name.get(spec.name)
    if found is not None and not replace:
        step = "Replace it, delete it, or choose another name"
        raise error(1418, f"there is a schedule {spec.name} already", next_step=step, field="name")
    if found is not None and found.spec == spec:
        return None
    if found is None and len(engine.timetable.by_name) >= engine.limits.max_schedules:
        text = f"there are {engine.limits.max_schedules:,} schedules"
        raise error(1418, text, next_step="Delete those that are over", field="name")
    draft = Draft(engine, engine.limits, now_ms)
    draft.require_queue(spec.queue)
    producer_id = int(drawn * (1 << PRODUCER_BITS))
    first_ms = spec.start_ms or now_ms + spec.every_ms if spec.growth else 0
    schedule = Schedule(spec, producer_id, recurrence.check(spec, now_ms), first_ms=first_ms)
    queue = engine.queues.get(spec.queue)
    if queue is not None and queue.compact:
        check_keys(_batch(schedule, [0], now_ms), spec.queue)
    draft.operations.append(PutSchedule(schedule))
    return draft.entry()


def decide_pause(engine: Engine, now_ms: int, name: str, paused: bool) -> Entry | None:
    """Pause a schedule, or let it go on from now; None when it is so already. Raises 1404."""
    found = named(engine, name)
    if found.paused == paused:
        return None
    next_ms = found.next_ms
    if not paused and next_ms:
        next_ms = recurrence.resumed(found.spec, next_ms, now_ms, found.first_ms)
    put = msgspec.structs.replace(found, next_ms=next_ms, paused=paused)
    return Entry(now_ms, (PutSchedule(put),))


def decide_delete(engine: Engine, now_ms: int, name: str) -> Entry:
    """Delete a schedule. Raises 1404."""
    named(engine, name)
    return Entry(now_ms, (DropSchedule(name),))


def named(engine: Engine, name: str) -> Schedule:
    """A schedule by its name. Raises 1404."""
    found = engine.timetable.by_name.get(name)
    if found is None:
        raise error(1404, f"there is no schedule {name}", next_step="See `oms schedule list`", field="name")
    return found


def fire(engine: Engine, draft: Draft) -> None:
    """Add to the draft what schedules send now. One that cannot is tried again later, and the others go on."""
    room = _AT_ONCE
    for schedule in engine.timetable.due(draft.now_ms):
        if room <= 0:
            break
        try:
            room -= _occur(draft, schedule, room)
        except OMSRuntimeException as failure:
            engine.timetable.defer(schedule.spec.name, draft.now_ms + _PUT_OFF_MS, str(failure))


def _occur(draft: Draft, schedule: Schedule, room: int) -> int:
    """Send what a schedule is due to, at most so many messages, and how many; the rest is due at once."""
    spec = schedule.spec
    times, left_out_ms, next_ms = recurrence.passed(spec, schedule.next_ms, draft.now_ms, schedule.first_ms)
    room = min(room, _AT_ONCE_BYTES // (len(spec.record.data) + 100))
    if len(times) > room:
        next_ms, times = times[room], times[:room]
    if spec.count and spec.count - schedule.sent <= len(times):
        next_ms, times = 0, times[: spec.count - schedule.sent]
    batch = _batch(schedule, times, draft.now_ms)
    draft.require_queue(spec.queue)
    number, key = None, spec.record.message_key
    if key is not None:  # where producers send messages of that key
        number = partition_of_key(key, draft.partitions(spec.queue))
    priority = (spec.record.headers or {}).get("priority")
    draft.send(OutgoingBatch(spec.queue, number, batch, priority))
    draft.operations.append(Occur(spec.name, next_ms, schedule.sent + len(times), left_out_ms or schedule.left_out_ms))
    return len(times)


def _batch(schedule: Schedule, times: list[int], now_ms: int) -> Batch:
    """The messages of some occurrences."""
    record = schedule.spec.record
    given = record.properties or {}
    name = schedule.spec.name
    return encode(
        [
            Record(
                record.data,
                record.message_key,
                {**given, f"{PREFIX}name": name, f"{PREFIX}time": time},
                record.headers,
            )
            for time in times
        ],
        shared=_SHARED,
        born_ms=now_ms,
        producer_id=schedule.producer_id,
        first_sequence=schedule.sent & ((1 << SEQUENCE_BITS) - 1),
        attributes=0 if record.message_key is None else KEYED,
    )


def _check(spec: ScheduleSpec) -> None:
    """Raises 1418 naming what is wrong, 1413 for a body that is too large."""
    check_name(spec.name, "schedule")
    if len(spec.record.data) > MAX_BODY_BYTES:
        raise body_too_large(len(spec.record.data), MAX_BODY_BYTES)
    for field, good, want in (
        ("every", bool(spec.cron) != bool(spec.every_ms), "one of cron and every is wanted"),
        ("every", not spec.every_ms or spec.every_ms >= MIN_EVERY_MS, f"it is at least {MIN_EVERY_MS / 1000} s"),
        (
            "growth",
            not spec.growth or (bool(spec.every_ms) and MIN_GROWTH <= spec.growth <= MAX_GROWTH),
            f"it goes with every, and is from {MIN_GROWTH} to {MAX_GROWTH:,}",
        ),
        ("count", spec.count >= 0, "it is at least 1"),
        ("catch_up", 1 <= spec.catch_up <= MAX_CATCH_UP, f"it is from 1 to {MAX_CATCH_UP:,}"),
    ):
        if not good:
            raise error(1418, f"{field}: {want}", next_step=f"Give another {field}, or none", field=field)
