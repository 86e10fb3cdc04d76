"""Bodies that carry large batches, as pieces to be written one after the other: a batch is not copied into its frame.

The pieces joined are what `bodies.py` would encode.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from openmessaging.model.replay import Delivery
from openmessaging.model.spi import OutgoingBatch
from openmessaging.wire.bodies import LeaseOf

LARGE_BYTES = 16 << 10
"""Below it a copy costs less than pieces."""
SMALL_BYTES = 2 << 10
"""The same of one batch among others."""

_encode = msgspec.msgpack.Encoder().encode
_BIN = struct.Struct(">BI")
_ARRAY = struct.Struct(">BI")
_FIELDS_OF_DELIVERY = 0x80 | len(Delivery.__struct_fields__)


def send_pieces(
    batches: Sequence[OutgoingBatch], settlements: Sequence[LeaseOf] | None, since_ms: int, asks: bool = False
) -> list[bytes]:
    """The body of a SEND."""
    last = (since_ms, True) if asks else (since_ms,)
    if sum(len(each.batch.payload) for each in batches) < LARGE_BYTES:
        items = [
            (each.destination, each.partition, each.batch.head + each.batch.payload, *_rest(each)) for each in batches
        ]
        return [_encode((items, settlements, *last))]
    pieces: list[bytes] = []
    between = bytes((0x92 + len(last),)) + _array(len(batches))
    for each in batches:
        head, payload = each.batch.head, each.batch.payload
        between += b"\x96" + _encode(each.destination) + _encode(each.partition) + _bin(len(head) + len(payload)) + head
        pieces += (between, payload)
        between = _encode(_rest(each))[1:]
    pieces.append(between + _encode(settlements) + _encode(last)[1:])
    return pieces


def delivered_pieces(deliveries: Sequence[Delivery]) -> list[bytes]:
    """The body of a DELIVERED."""
    if sum(len(each.data) for each in deliveries) < LARGE_BYTES:
        return [_encode((deliveries,))]
    pieces: list[bytes] = []
    between = b"\x91" + _array(len(deliveries))
    small: list[Delivery] = []
    for each in deliveries:
        if len(each.data) < SMALL_BYTES:
            small.append(each)
            continue
        before, after = _around_data(each)
        pieces += (between + _encoded(small) + before + _bin(len(each.data)), each.data)
        between = after
        small.clear()
    pieces.append(between + _encoded(small))
    return pieces


def _encoded(deliveries: list[Delivery]) -> bytes:
    """Deliveries one behind the other."""
    return b"".join(map(_encode, deliveries))


def _rest(outgoing: OutgoingBatch) -> tuple[object, object, object]:
    return outgoing.priority, outgoing.timing, outgoing.unique


def _around_data(each: Delivery) -> tuple[bytes, bytes]:
    """The map of a delivery's fields, but for the value of `data`."""
    before = _encode(
        {
            "destination": each.destination,
            "partition": each.partition,
            "base_offset": each.base_offset,
            "store_ms": each.store_ms,
            "first": each.first,
            "last": each.last,
        }
    )
    after = _encode({"lease_id": each.lease_id, "attempt": each.attempt, "deadline_ms": each.deadline_ms})
    return bytes((_FIELDS_OF_DELIVERY,)) + before[1:] + b"\xa4data", after[1:]


def _array(count: int) -> bytes:
    return _ARRAY.pack(0xDD, count)


def _bin(size: int) -> bytes:
    return _BIN.pack(0xC6, size)
