"""What a producer does about time: delays and lifetimes given in seconds, and what a batch says of them to a driver."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from openmessaging.model.errors import error
from openmessaging.model.lacking import lacking
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Capability, Timing
from openmessaging.model.timing import NEVER, due_ms, expires_ms, pack_times
from openmessaging.runtime import wall

DELIVER_AT = "deliverAt"
"""Beside the headers of a message that is not sent yet: when it shall be delivered, ms since the epoch. It becomes
`delayTime` when the born time is known."""
MAX_DELAY_MS = 100 * 366 * 86_400_000
"""A century."""
TOGETHER = 512
"""Delayed messages in one batch: few, so that firing one does not read thousands."""


def ms_of(moment: datetime | float, field: str) -> int:
    """A time (a naive one is local; a number is seconds since the epoch) as ms. Raises OMSRuntimeException 1418."""
    try:
        seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
        return round(seconds * 1000)
    except (TypeError, ValueError, OverflowError):
        step = "Give a datetime, or seconds since the epoch"
        raise error(1418, f"{field}: {moment!r} is no time", next_step=step, field=field) from None


def delay_ms_of(delay: float, field: str) -> int:
    """Seconds from 0 to a century as ms. Raises OMSRuntimeException 1418."""
    try:
        if 0 <= delay <= MAX_DELAY_MS / 1000:
            return round(delay * 1000)
    except TypeError:
        pass
    raise error(1418, f"{field}: {delay!r} is not from 0 to a century, in seconds", field=field)


def due_from_now(delay: float | None, deliver_at: datetime | float | None) -> int:
    """The time that one of the two means, ms since the epoch. Raises OMSRuntimeException 1418."""
    if (delay is None) == (deliver_at is None):
        raise error(1418, "one of delay and deliver_at is wanted", next_step="Give one of them", field="delay")
    if deliver_at is not None:
        return ms_of(deliver_at, "deliver_at")
    assert delay is not None
    return wall.time_ns() // 1_000_000 + delay_ms_of(delay, "delay")


def set_times(message: Message, wanted: dict[str, Any]) -> None:
    """Take `delay`, `deliver_at` and `ttl` out of what was given for a message, and set its headers by them.

    Raises OMSRuntimeException 1418 for a value that is no time, or a delay and a time both.
    """
    delay, at, ttl = wanted.pop("delay", None), wanted.pop("deliver_at", None), wanted.pop("ttl", None)
    if delay is not None and at is not None:
        raise error(1418, "delay and deliver_at are both given", next_step="Give one of them", field="delay")
    headers = message.record.headers or {}
    due = now_ms = wall.time_ns() // 1_000_000
    if delay is not None:
        headers["delayTime"] = delay_ms_of(delay, "delay")
        due += headers["delayTime"]
    if at is not None:
        due = headers[DELIVER_AT] = ms_of(at, "deliver_at")
    if ttl is not None:
        headers["expireTime"] = max(due, now_ms) + delay_ms_of(ttl, "ttl")
    message.record.headers = headers or None


def is_delayed(headers: Mapping[str, Any] | None) -> bool:
    """Whether a message with such headers is to be delivered later."""
    return headers is not None and bool(headers.get("delayTime") or DELIVER_AT in headers)


def is_timed(headers: Mapping[str, Any] | None) -> bool:
    """Whether a batch with such a message has a `Timing`."""
    return headers is not None and (is_delayed(headers) or "expireTime" in headers)


def timing_of(records: Sequence[Record], born_ms: int, capabilities: Collection[Capability]) -> Timing | None:
    """What a batch asks for; all of its records are delayed, or none. Their `deliverAt` becomes `delayTime`.

    Raises OMSUnsupportException for what the system cannot do, OMSRuntimeException 1418 for a delay over a century.
    """
    for record in records:
        headers = record.headers
        if headers and DELIVER_AT in headers:
            headers["delayTime"] = max(0, headers.pop(DELIVER_AT) - born_ms)
    owned = [record.headers for record in records if record.headers]
    dues = [due_ms(born_ms, headers) for headers in owned if "delayTime" in headers]
    expires = any("expireTime" in headers and expires_ms(born_ms, headers) != NEVER for headers in owned)
    if expires and Capability.EXPIRY not in capabilities:
        raise lacking(Capability.EXPIRY, "expireTime")
    if len(dues) != len(records) or max(dues) == born_ms:
        return Timing(None, expires) if expires else None
    _check_delay(max(dues) - born_ms, capabilities)
    return Timing(pack_times(dues), expires)


def timing_of_delays(delays: Sequence[int], born_ms: int, capabilities: Collection[Capability]) -> Timing:
    """As `timing_of`, for records of which none expires and whose delays (ms) are known."""
    _check_delay(max(delays), capabilities)
    return Timing(pack_times([born_ms + delay for delay in delays]))


def _check_delay(longest_ms: int, capabilities: Collection[Capability]) -> None:
    if Capability.DELAY not in capabilities:
        raise lacking(Capability.DELAY, "delayTime")
    if longest_ms > MAX_DELAY_MS:
        raise error(1418, f"a delay of {longest_ms} ms is more than a century", field="delayTime")


def parts_of_delays(delays: Sequence[int]) -> Iterator[Sequence[int]]:
    """As `in_parts`, for all messages of a list whose delays are known; a range where it is all of them."""
    if len(delays) <= TOGETHER:
        yield range(len(delays))
        return
    ordered = sorted(range(len(delays)), key=delays.__getitem__)
    for begin in range(0, len(ordered), TOGETHER):
        yield ordered[begin : begin + TOGETHER]


def in_parts(members: Sequence[int], records: Sequence[Record]) -> Iterator[list[int]]:
    """Delayed messages (by their places among records) as batches of those that are due one after the other."""
    now_ms = wall.time_ns() // 1_000_000

    def due(place: int) -> int:
        headers = records[place].headers or {}
        at: int = headers.get(DELIVER_AT) or now_ms + headers["delayTime"]
        return at

    ordered = sorted(members, key=due)
    for begin in range(0, len(ordered), TOGETHER):
        yield ordered[begin : begin + TOGETHER]
