"""A schedule as a caller gives it, as what a driver takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from openmessaging.model.errors import error
from openmessaging.model.headers import NAMES
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.message import Message
from openmessaging.model.schedule import MAX_BODY_BYTES, ScheduleSpec
from openmessaging.runtime.outgoing import TIMES, checked_record, new_message
from openmessaging.runtime.timing import MAX_DELAY_MS, delay_ms_of, ms_of

_REFUSED = TIMES | {"delay_time", "delayTime", "expire_time", "expireTime", "partition", "qos"}
"""Fields that make no sense in a message that is sent again and again."""


_MAX_COUNT = 1 << 40


class Rule(msgspec.Struct, frozen=True):
    """When, as given: see `ResourceManager.create_schedule`."""

    cron: str | None
    every: float | None
    zone: str
    start: datetime | float | None
    end: datetime | float | None
    count: int | None
    catch_up: int
    growth: float | None = None


def scheduled_message(
    queue: str,
    body: bytes,
    message_key: str | None,
    properties: dict[str, PropertyValue] | None,
    headers: Mapping[str, Any],
) -> Message:
    """The message that is sent. Raises as `create_message`, and OMSRuntimeException 1418 for a field that it cannot
    have."""
    for name in headers:
        if NAMES.get(name, name) in _REFUSED or name in _REFUSED:
            raise error(1418, f"{name} has no meaning in a schedule", next_step="Leave it out", field=name)
    return new_message(queue, body, message_key, properties, dict(headers))


def spec_of(name: str, queue: str, message: Message, rule: Rule) -> ScheduleSpec:
    """What a driver is asked for; `queue` is the full name.

    Raises OMSRuntimeException 1418 for what is no time and no number, OMSMessageFormatException for the message.
    """
    if (rule.cron is None) == (rule.every is None):
        step = "Give cron, or every in seconds"
        raise error(1418, "one of cron and every is wanted", next_step=step, field="cron")
    for field, text in (("cron", rule.cron or ""), ("zone", rule.zone)):
        if not isinstance(text, str):
            raise error(1418, f"{field}: {text!r} is no text", field=field)
    for field, number in (("count", rule.count), ("catch_up", rule.catch_up)):
        if number is not None and (type(number) is not int or not 1 <= number < _MAX_COUNT):
            raise error(1418, f"{field}: {number!r} is not from 1 to {_MAX_COUNT:,}", field=field)
    return ScheduleSpec(
        name,
        queue,
        checked_record(message, MAX_BODY_BYTES),
        " ".join((rule.cron or "").split()),
        rule.zone,
        0 if rule.every is None else delay_ms_of(rule.every, "every"),
        _time(rule.start, "start"),
        _time(rule.end, "end"),
        rule.count or 0,
        rule.catch_up,
        _growth(rule.growth),
    )


def _growth(growth: float | None) -> float:
    try:
        return float(growth or 0)
    except (TypeError, ValueError):
        raise error(1418, f"growth: {growth!r} is no number", field="growth") from None


def _time(moment: datetime | float | None, field: str) -> int:
    if moment is None:
        return 0
    at = ms_of(moment, field)
    if not 0 < at < 100 * MAX_DELAY_MS:
        raise error(1418, f"{field}: {moment!r} is out of range", field=field)
    return at
