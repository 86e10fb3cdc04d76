"""When a message is due and when it expires, as its headers say.

Source: specification 1.0.0, "message extension header": `delayTime` counts from `bornTimestamp`; `expireTime` is a
time, and one that is unset, 0, or earlier than the message's delivery time means never.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from openmessaging.model.errors import error

NEVER = 0
"""The expiry of a message that has none."""


class Timing(msgspec.Struct, gc=False):
    """What a batch asks for that has to do with time."""

    dues: bytes | None = None
    """When each message shall be delivered, ms since the epoch as i64, big-endian; None: all at once. It is what the
    messages say themselves: born time and `delayTime`."""
    expires: bool = False
    """Whether a message expires."""


class DelayedInfo(msgspec.Struct, frozen=True):
    """A delayed message that waits."""

    message_id: str
    queue: str
    """Full name of the queue it is meant for."""
    partition: int
    due_ms: int
    """When it is delivered, ms since the epoch."""
    message_key: str | None
    size_bytes: int
    """Of its body."""


def due_ms(born_ms: int, headers: Mapping[str, Any]) -> int:
    """When a message is to be delivered, ms since the epoch; its born time when it is not delayed."""
    return born_ms + int(headers.get("delayTime") or 0)


def expires_ms(born_ms: int, headers: Mapping[str, Any]) -> int:
    """When a message expires, ms since the epoch; `NEVER` when it does not."""
    expires = headers.get("expireTime")
    return int(expires) if expires and expires > 0 and expires >= due_ms(born_ms, headers) else NEVER


def pack_times(times: Sequence[int]) -> bytes:
    """Times in ms since the epoch as `Timing.dues` has them."""
    packed = array("q", times)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def unpack_times(data: bytes, count: int) -> Sequence[int]:
    """What `pack_times` packed. Raises OMSRuntimeException 1418 when it is not that many."""
    if len(data) != 8 * count:
        raise error(1418, f"{len(data)} bytes of times for {count} messages", field="dues")
    times = array("q", data)
    if sys.byteorder == "little":
        times.byteswap()
    return times
