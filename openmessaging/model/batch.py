"""The batch: messages of one producer for one partition, encoded once and moved as opaque bytes ever after.

    0        4        8    9    10       12       16               24       28            36      40             48
    | length | CRC-32C| ver|attr| shared | count  | born ms        | last   | producer id | epoch | first sequence |
    | u32    | u32    | u8 | u8 | u16    | u32    | i64            | +ms u32| u64         | u32   | u64            |
    | shared: MessagePack map of headers that all messages have (bornHost)                                         |
    | records: MessagePack array, perhaps compressed                                                               |

Integers are big-endian. `length` counts the bytes after the first eight; the CRC covers the same bytes. A record is the
array [data, messageKey, properties, headers]. The id of message i is born ms (48 bits), producer id (40 bits) and first
sequence + i (40 bits) as 32 hexadecimal digits, unless its headers hold a `messageId`: so ids sort by time.

Where a batch lies (base offset, store time, leader epoch) is the store's business and stands before these bytes, see
`openmessaging.broker.entry`: the producer's bytes and their CRC never change.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import google_crc32c
import msgspec

from openmessaging.model.compression import compress, decompress
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.timing import expires_ms

HEADER = struct.Struct(">IIBBHIqIQIQ")
_AFTER_CRC = struct.Struct(">BBHIqIQIQ")
_PREFIX = struct.Struct(">II")
FORMAT = 1
COMPRESSION_MASK = 0b0000_0011
KEYED = 0b0000_0100
"""Attribute bit: at least one message has a key."""
OWN_IDS = 0b0000_1000
"""Attribute bit: messages carry a messageId of their own (moved from elsewhere)."""
ATTRIBUTES_AT = 9
"""Where the attributes stand in the header."""
EXPIRES = 0b0001_0000
"""Attribute bit: at least one message expires."""
AT_MOST_ONCE = 0b0010_0000
"""Attribute bit: at least one message has qos 1, see `is_at_most_once`."""
SPARSE = 0b1000_0000
"""Attribute bit: some places hold nil, for their messages are gone; the others keep their places (see `thin`)."""
HOLE = Record(b"")
"""What `decode` puts at the place of a message that is gone; compare with `is`."""
PRODUCER_BITS = 40
SEQUENCE_BITS = 40
MAX_MESSAGES = 1 << 20
MAX_SHARED_BYTES = (1 << 16) - 1
MAX_DECODED_BYTES = 256 << 20

Kind = TypeVar("Kind")
Decode = Callable[[bytes | memoryview], Kind]

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode
_decode_sparse = msgspec.msgpack.Decoder(list[Record | None]).decode
_decode_shared = msgspec.msgpack.Decoder(dict[str, Any]).decode
_crc = google_crc32c.value
_extend = google_crc32c.extend


class Batch(msgspec.Struct, gc=False, eq=False):
    """An encoded batch: `head` (48 bytes and the shared headers) and `payload` (the records)."""

    head: bytes
    payload: bytes
    count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return len(self.head) + len(self.payload)


class BatchHeader(msgspec.Struct, frozen=True, gc=False):
    """What the fixed header of a batch says."""

    length: int
    crc: int
    version: int
    attributes: int
    shared_bytes: int
    count: int
    born_ms: int
    last_delta_ms: int
    producer_id: int
    producer_epoch: int
    first_sequence: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + 8

    def message_id(self, position: int) -> str:
        """The id that the header gives the message at a position."""
        return make_id(self.born_ms, self.producer_id, self.first_sequence + position)

    @property
    def first_id(self) -> int:
        """The id that the header gives the first message, as a number; those of the others follow."""
        return int(self.message_id(0), 16)


def make_id(born_ms: int, producer_id: int, sequence: int) -> str:
    """A message id: 12 hexadecimal digits of time, 10 of the producer, 10 of its sequence."""
    return f"{born_ms & 0xFFFFFFFFFFFF:012x}{producer_id & 0xFFFFFFFFFF:010x}{sequence & 0xFFFFFFFFFF:010x}"


def encode_shared(headers: dict[str, Any]) -> bytes:
    """The headers that all messages of a producer share, encoded once for all its batches.

    Raises OMSMessageFormatException 1412 when they take more than `MAX_SHARED_BYTES`.
    """
    shared = _encode(headers)
    if len(shared) > MAX_SHARED_BYTES:
        raise error(1412, f"shared headers of {len(shared):,} bytes, the limit is {MAX_SHARED_BYTES:,}")
    return shared


def encode(
    records: Sequence[Record | None],
    *,
    shared: bytes,
    born_ms: int,
    producer_id: int,
    producer_epoch: int = 0,
    first_sequence: int,
    attributes: int = 0,
    last_delta_ms: int = 0,
) -> Batch:
    """Encode records (None: a place without a message, for SPARSE) as one batch.

    The compression bits of `attributes` choose an algorithm.

    Raises OMSRuntimeException 1418 for no messages or more than `MAX_MESSAGES`; OMSUnsupportException when the
    compression's package is not installed.
    """
    count = len(records)
    if not 0 < count <= MAX_MESSAGES:
        raise error(1418, f"a batch of {count:,} messages, the limits are 1 and {MAX_MESSAGES:,}", field="records")
    payload = _encode(records)
    if attributes & COMPRESSION_MASK:
        payload = compress(attributes & COMPRESSION_MASK, payload)
    after = (
        _AFTER_CRC.pack(
            FORMAT, attributes, len(shared), count, born_ms, last_delta_ms, producer_id, producer_epoch, first_sequence
        )
        + shared
    )
    head = _PREFIX.pack(len(after) + len(payload), _extend(_crc(after), payload)) + after
    return Batch(head, payload, count)


def is_at_most_once(record: Record) -> bool:
    """Whether a message has qos 1: it is settled before anybody gets it, and never delivered again."""
    return record.headers is not None and record.headers.get("qos") == 1


def attributes_of(records: Sequence[Record]) -> int:
    """The attribute bits that say what is among records: `KEYED` and `AT_MOST_ONCE`."""
    keyed = KEYED if any(record.message_key is not None for record in records) else 0
    return keyed | AT_MOST_ONCE if any(map(is_at_most_once, records)) else keyed


_NOTHING_SHARED = encode_shared({})


def encode_own(records: Sequence[Record], now_ms: int) -> Batch:
    """Messages with everything in their own headers, ids and born times too, as one batch (`OWN_IDS`)."""
    attributes = OWN_IDS | attributes_of(records)
    if any(expires_ms(headers["bornTimestamp"], headers) for each in records if (headers := each.headers)):
        attributes |= EXPIRES
    return encode(
        records, shared=_NOTHING_SHARED, born_ms=now_ms, producer_id=0, first_sequence=0, attributes=attributes
    )


def with_own(header: BatchHeader, shared: dict[str, Any], record: Record, position: int) -> Record:
    """A message at a place in a batch, with everything that the batch says about it in its own headers."""
    given = {"messageId": header.message_id(position), "bornTimestamp": header.born_ms, **shared}
    written = record.headers or {}
    # What a sender wrote over the provider's fields is ignored, unless the message was moved before.
    own: dict[str, Any] = {**given, **written} if header.attributes & OWN_IDS else {**written, **given}
    return Record(record.data, record.message_key, record.properties, own)


def parse_header(data: bytes | memoryview, at: int = 0) -> BatchHeader:
    """Read the fixed header at a position of a buffer, checking every length against what is there.

    Raises OMSRuntimeException: 1101 for a newer format, 1501 for bytes that are no batch.
    """
    if len(data) - at < HEADER.size:
        raise damaged("it ends inside the header")
    header = BatchHeader(*HEADER.unpack_from(data, at))
    if header.version != FORMAT:
        raise OMSRuntimeException(
            1101, f"batch format {header.version} is not known", next_step="Upgrade openmessaging"
        )
    if header.length + 8 > len(data) - at or header.length < HEADER.size - 8 + header.shared_bytes:
        raise damaged("its length does not fit")
    if not 0 < header.count <= MAX_MESSAGES:
        raise damaged("its count is out of range")
    return header


def decode(data: bytes, *, check: bool = True) -> tuple[BatchHeader, dict[str, Any], list[Record]]:
    """Header, shared headers and records of a batch that starts at the first byte; HOLE where a message is gone. See
    `opened`."""
    return opened(data, check=check).decoded()


class OpenBatch(msgspec.Struct, gc=False):
    """A batch that is whole, its records decompressed and not decoded yet."""

    header: BatchHeader
    batch: Batch
    """As it is stored."""
    payload: bytes
    """The records."""

    def decoded(self) -> tuple[BatchHeader, dict[str, Any], list[Record]]:
        """Header, shared headers and records, HOLE where a message is gone. Raises OMSRuntimeException 1501."""
        return self.read(_decode_records, _decode_sparse, HOLE)

    def read(
        self, records: Decode[list[Kind]], sparse: Decode[list[Kind | None]], hole: Kind
    ) -> tuple[BatchHeader, dict[str, Any], list[Kind]]:
        """Header, shared headers, and the records as decoders give them, `hole` where a message is gone.

        Raises OMSRuntimeException 1501.
        """
        try:
            shared = _decode_shared(self.batch.head[HEADER.size :])
            if self.header.attributes & SPARSE:
                found = [hole if record is None else record for record in sparse(self.payload)]
            else:
                found = records(self.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
            raise damaged(str(cause)) from cause
        if len(found) != self.header.count:
            raise damaged(f"it holds {len(found)} messages, not {self.header.count}")
        return self.header, shared, found


def opened(data: bytes | memoryview, *, check: bool = True) -> OpenBatch:
    """A batch that starts at the first byte.

    `check` verifies the CRC. Raises OMSRuntimeException: 1101 for a newer format, 1501 for damaged bytes, 1400 (an
    OMSUnsupportException) when the compression's package is missing. Never allocates more than `MAX_DECODED_BYTES`.
    """
    header = parse_header(data)
    at = HEADER.size + header.shared_bytes
    head, stored = bytes(data[:at]), bytes(data[at : header.size])
    if check and _extend(_crc(head[8:]), stored) != header.crc:
        raise damaged("its CRC does not match")
    payload = stored
    if header.attributes & COMPRESSION_MASK:
        payload = decompress(header.attributes & COMPRESSION_MASK, stored, MAX_DECODED_BYTES)
    return OpenBatch(header, Batch(head, stored, header.count), payload)


def thin(data: bytes, kept: Sequence[int]) -> Batch:
    """A batch with the messages at some places (ascending, at least one) only. It begins with the first of them, ends
    with the last, and has holes between; ids and times stay as they are. Raises as `decode` and `encode`."""
    header, _, records = decode(data)
    first, last = kept[0], kept[-1]
    left: list[Record | None] = [None] * (last - first + 1)
    for place in kept:
        left[place - first] = records[place]
    return encode(
        left,
        shared=data[HEADER.size : HEADER.size + header.shared_bytes],
        born_ms=header.born_ms,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        first_sequence=header.first_sequence + first,
        attributes=header.attributes & ~SPARSE | (SPARSE if len(kept) < len(left) else 0),
        last_delta_ms=header.last_delta_ms,
    )


def damaged(what: str) -> OMSRuntimeException:
    """The error for bytes that are no whole batch."""
    return OMSRuntimeException(1501, f"damaged batch: {what}", next_step="Run `oms store verify`")
