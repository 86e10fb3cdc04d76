"""What an entry of the log holds: operations on the broker's state and batches, all applied together or not at all.

    | version u8 | batches u16 | operations bytes u32 | time ms i64 | operations: MessagePack array |
    per batch: | partition id u32 | base offset u64 | store time ms i64 | leader epoch u32 | the producer's bytes … |

Integers are big-endian. A plain send has no operations: one fixed header, one placement, the producer's bytes as they
came. A batch whose base offset lies below the partition's end is a copy made when a segment was reclaimed: it moves the
stored bytes and changes nothing else. Times and ids that matter are in the entry, so a replay needs no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from openmessaging.broker.copied import AdvanceCopy as AdvanceCopy
from openmessaging.broker.copied import CreateCopy as CreateCopy
from openmessaging.broker.copied import EndCopy as EndCopy
from openmessaging.broker.operation import Operation as Operation
from openmessaging.broker.routed import CreateRoute as CreateRoute
from openmessaging.broker.routed import DeleteRoute as DeleteRoute
from openmessaging.broker.routed import Routed as Routed
from openmessaging.broker.selection import Select as Select
from openmessaging.broker.selection import Skip as Skip
from openmessaging.broker.timed import CreateShelf as CreateShelf
from openmessaging.broker.timed import DropSchedule as DropSchedule
from openmessaging.broker.timed import Expire as Expire
from openmessaging.broker.timed import Expiring as Expiring
from openmessaging.broker.timed import Leave as Leave
from openmessaging.broker.timed import Occur as Occur
from openmessaging.broker.timed import PutSchedule as PutSchedule
from openmessaging.model.batch import Batch, damaged, parse_header
from openmessaging.model.errors import OMSRuntimeException

HEAD = struct.Struct(">BHIq")
PLACE = struct.Struct(">IQqI")
PLAIN = struct.Struct(">BHIqIQqI")
"""HEAD and PLACE of an entry with one batch and no operations."""
FORMAT = 1


class Placed(msgspec.Struct, gc=False):
    """A batch with its place in a partition."""

    partition_id: int
    base_offset: int
    count: int
    store_ms: int
    leader_epoch: int = 0


class CreateNamespace(Operation, tag=1, frozen=True):
    """A namespace comes into being."""

    name: str


class DeleteNamespace(Operation, tag=2, frozen=True):
    """An empty namespace goes."""

    name: str


class CreateQueue(Operation, tag=3, frozen=True):
    """A queue with its partitions, numbered from `first_partition_id` (ids are never used again)."""

    name: str
    """Full name, `namespace://queue`."""
    queue_id: int
    first_partition_id: int
    partitions: int
    config: dict[str, Any]


class UpdateQueue(Operation, tag=4, frozen=True):
    """New settings of a queue; only the given keys change."""

    queue_id: int
    config: dict[str, Any]


class DeleteQueue(Operation, tag=5, frozen=True):
    """A queue, its groups and their leases go."""

    queue_id: int


class CreateGroup(Operation, tag=6, frozen=True):
    """A consumer group of a queue, starting at an offset per partition."""

    queue_id: int
    group_id: int
    name: str
    config: dict[str, Any]
    starts: list[int]


class UpdateGroup(Operation, tag=7, frozen=True):
    """New settings of a group; only the given keys change."""

    group_id: int
    config: dict[str, Any]


class DeleteGroup(Operation, tag=8, frozen=True):
    """A group and its leases go."""

    group_id: int


class Lease(Operation, tag=9, frozen=True):
    """Messages `start` to `end` (exclusive) of a partition are handed out, all for the `attempt`-th time."""

    lease_id: int
    group_id: int
    partition_id: int
    start: int
    end: int
    attempt: int
    deadline_ms: int
    outside: bool = False
    """Whether another process has them than the one that holds the store, and may outlive it."""


class Settle(Operation, tag=10, frozen=True):
    """Messages of a lease are done; `ranges` are [start, end) offsets, None means all that is left."""

    lease_id: int
    ranges: list[tuple[int, int]] | None = None


class Retry(Operation, tag=11, frozen=True):
    """Messages of a lease come back, not before `visible_ms`; `counted` false takes the attempt back."""

    lease_id: int
    ranges: list[tuple[int, int]] | None
    visible_ms: int
    counted: bool = True


class Extend(Operation, tag=12, frozen=True):
    """A lease lasts longer."""

    lease_id: int
    deadline_ms: int


class ReleaseAll(Operation, tag=13, frozen=True):
    """Every lease ends and its messages are visible at once: the holders died with the process that held the store."""

    keep_outside: bool = False
    """Not those of other processes: they may go on with them."""


class Seek(Operation, tag=14, frozen=True):
    """A group goes on from an offset of a partition; its leases, retries and settled offsets there are forgotten."""

    group_id: int
    partition_id: int
    offset: int


class Trim(Operation, tag=15, frozen=True):
    """Messages of a partition below `start` are gone for good."""

    partition_id: int
    start: int


class CreateLane(Operation, tag=45, frozen=True):
    """The partition `base` of a queue gets a lane for a priority: one more partition, behind those there are."""

    queue_id: int
    partition_id: int
    base: int
    priority: int


class OpenHall(Operation, tag=30, frozen=True):
    """The hidden partition for prepared messages comes into being."""

    partition_id: int


class Prepare(Operation, tag=31, frozen=True):
    """A message is stored at an offset of the hall, for a queue (and partition), until its producer decides."""

    transaction_id: str
    offset: int
    queue: str
    """Full name."""
    partition: int | None
    producer: str
    """Producer id, whose producers may be asked."""
    first_ms: int
    """When the first check is due."""
    interval_ms: int
    limit: int
    """Checks after which it is rolled back."""
    expire_ms: int
    """When it is rolled back in any case."""
    directions: dict[str, Any]
    """What else its batch said to the broker (`OutgoingBatch` behind `batch`), for the commit."""


class Checked(Operation, tag=32, frozen=True):
    """A producer is asked about a prepared message; when the next check is due."""

    transaction_id: str
    next_ms: int


class Decide(Operation, tag=33, frozen=True):
    """A prepared message waits no more; when it is committed, the same entry places it."""

    transaction_id: str
    committed: bool


class Generation(Operation, tag=50, frozen=True):
    """The batches of this entry are what a compaction of a partition kept, or copies of that: they count when the
    partition is of that generation. Changes nothing by itself."""

    partition_id: int
    number: int


class Compact(Operation, tag=51, frozen=True):
    """A compaction is complete: below `end` a partition has only what entries of that generation from `first_index` on
    hold; `holes` offsets from its start on have no message."""

    partition_id: int
    number: int
    end: int
    holes: int
    first_index: int


class OpenProducer(Operation, tag=34, frozen=True):
    """A producer opens a name; older epochs of it are refused."""

    name: str
    producer_id: int
    """Of a new name; a known one keeps its own."""
    epoch: int


class Remember(Operation, tag=35, frozen=True):
    """A batch of this entry is not stored a second time: by its producer's number, by its key, or both."""

    queue: str
    """Full name."""
    partition: int
    offset: int
    count: int
    original: tuple[int, int, int]
    """Born time, producer id and first sequence of its header: they give the ids."""
    producer: str | None
    sequence: int
    key: str | None
    window_ms: int
    """How long keys of this queue are remembered."""


class HandOver(Operation, tag=70, frozen=True):
    """Messages `start` to `end` (exclusive) of a partition, which come with this entry, were handed to a group before:
    they are settled for it."""

    group_id: int
    partition_id: int
    start: int
    end: int


AnyOperation = (
    CreateNamespace
    | DeleteNamespace
    | CreateQueue
    | UpdateQueue
    | DeleteQueue
    | CreateGroup
    | UpdateGroup
    | DeleteGroup
    | Lease
    | Settle
    | Retry
    | Extend
    | ReleaseAll
    | Seek
    | Trim
    | CreateLane
    | CreateShelf
    | Leave
    | Expiring
    | Expire
    | PutSchedule
    | Occur
    | DropSchedule
    | OpenHall
    | Prepare
    | Checked
    | Decide
    | Generation
    | Compact
    | OpenProducer
    | Remember
    | CreateCopy
    | AdvanceCopy
    | EndCopy
    | Select
    | Skip
    | HandOver
    | CreateRoute
    | DeleteRoute
    | Routed
)


class Entry(msgspec.Struct, gc=False):
    """One entry, decided and not yet applied; `batches` belong to `placed`, one each, and are empty on replay."""

    now_ms: int
    operations: Sequence[AnyOperation] = ()
    placed: Sequence[Placed] = ()
    batches: Sequence[Batch] = ()
    dues: Mapping[int, Sequence[int]] | None = None
    """By place in `placed`: when the messages of a batch in a shelf are due, ms; not encoded: they say it."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[AnyOperation]).decode


def encode(entry: Entry) -> tuple[list[bytes], list[int]]:
    """The body as parts, and where each batch's bytes start in it."""
    operations = _encode(entry.operations) if entry.operations else b""
    parts = [HEAD.pack(FORMAT, len(entry.placed), len(operations), entry.now_ms)]
    if operations:
        parts.append(operations)
    at = HEAD.size + len(operations)
    starts: list[int] = []
    for placed, batch in zip(entry.placed, entry.batches, strict=True):
        parts += (
            PLACE.pack(placed.partition_id, placed.base_offset, placed.store_ms, placed.leader_epoch),
            batch.head,
            batch.payload,
        )
        starts.append(at + PLACE.size)
        at += PLACE.size + batch.size
    return parts, starts


def decode(body: bytes) -> tuple[Entry, list[tuple[int, int]]]:
    """The entry of a body, and (start, size) of each batch's bytes in it.

    Raises OMSRuntimeException 1101 for a newer format, 1501 for bytes that are no entry.
    """
    if len(body) < HEAD.size:
        raise damaged("the entry ends inside its header")
    version, count, operations_bytes, now_ms = HEAD.unpack_from(body)
    if version != FORMAT:
        raise OMSRuntimeException(1101, f"entry format {version} is not known", next_step="Upgrade openmessaging")
    at = HEAD.size + operations_bytes
    if at > len(body):
        raise damaged("the entry's operations do not fit")
    try:
        operations = _decode(memoryview(body)[HEAD.size : at]) if operations_bytes else []
    except msgspec.DecodeError as cause:
        raise damaged(f"the entry's operations cannot be read: {cause}") from cause
    placed: list[Placed] = []
    spans: list[tuple[int, int]] = []
    for _ in range(count):
        if len(body) - at < PLACE.size:
            raise damaged("the entry ends inside a placement")
        partition_id, base_offset, store_ms, leader_epoch = PLACE.unpack_from(body, at)
        at += PLACE.size
        header = parse_header(body, at)
        placed.append(Placed(partition_id, base_offset, header.count, store_ms, leader_epoch))
        spans.append((at, header.size))
        at += header.size
    if at != len(body):
        raise damaged("bytes are left after the last batch")
    return Entry(now_ms, operations, placed), spans
