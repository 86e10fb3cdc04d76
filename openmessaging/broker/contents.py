"""What lies in the log, by partition and offset: the engine's and the receivers' way to stored batches."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from openmessaging.broker.entry import Entry, Generation, Lease, Placed
from openmessaging.broker.matching import matching_offsets
from openmessaging.broker.partition import Partition
from openmessaging.broker.state import State
from openmessaging.filters import Condition
from openmessaging.model.batch import ATTRIBUTES_AT, EXPIRES, HOLE, SPARSE, BatchHeader, decode, with_own
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.model.timing import NEVER, expires_ms
from openmessaging.storage.index import IndexDamaged, IndexEntry, PartitionIndexes
from openmessaging.storage.interface import Storage

_CACHED_BATCHES = 64
_ATTRIBUTES = 9
"""Where a batch's attributes stand in its bytes."""


def is_copy(engine: State, placed: Placed) -> bool:
    """Whether a batch was stored before and is written again to save it from a segment that goes."""
    partition = engine.partitions.get(placed.partition_id)
    return partition is not None and placed.base_offset < partition.end


def counts(engine: State, entry: Entry, index: int) -> bool:
    """Whether the batches of an entry that are copies are in force: those that a compaction wrote are once it is
    complete, until the next one is."""
    for operation in entry.operations:
        if isinstance(operation, Generation):
            partition = engine.partitions.get(operation.partition_id)
            return partition is not None and partition.generation == operation.number and index >= partition.first_index
    return True


def place(indexes: PartitionIndexes, placed: Placed, position: int, size: int, *, copy: bool) -> None:
    """Note where a batch of an entry lies; a copy only moves what is known already."""
    if copy:
        indexes.relocate(placed.partition_id, placed.base_offset, position)
    else:
        indexes.add(placed.partition_id, placed.base_offset, placed.count, position, size, placed.store_ms)


OUTSIDE_BATCHES = 100
"""Most batches of one receive for another process: whoever serves them has others to serve, and each costs it time."""


class Reach:
    """The bound of one receive, see `Engine.decide_receive`; remembers the index entries it meets."""

    __slots__ = ("_batches", "_charged", "_entry", "_last", "_left", "_limit", "met")

    def __init__(self, entry: Callable[[int, int], IndexEntry], max_bytes: int, max_batches: int) -> None:
        self._entry = entry
        self._limit = self._left = max_bytes
        self._batches = max_batches
        self._last: tuple[int, IndexEntry] | None = None
        self._charged = -1  # position of the batch charged last: key order hands a batch out in many leases
        self.met: dict[tuple[int, int], IndexEntry] = {}
        """By partition and the offset that was looked for."""

    def __call__(self, partition_id: int, start: int, end: int) -> int:
        """Where a lease of a partition from `start` has to end, at most at `end`; `start` when it must not begin."""
        at = start
        while at < end:
            entry = self._find(partition_id, at)
            if entry.position != self._charged:
                if (entry.size > self._left and self._left < self._limit) or not self._batches:
                    return at
                self._left -= entry.size
                self._batches -= 1
                self._charged = entry.position
            self.met[partition_id, at] = entry
            at = entry.base_offset + entry.count
        return min(at, end)

    def _find(self, partition_id: int, at: int) -> IndexEntry:
        """With conditions and key order, many leases in a row are of one batch."""
        if self._last is not None and self._last[0] == partition_id:
            entry = self._last[1]
            if entry.base_offset <= at < entry.base_offset + entry.count:
                return entry
        entry = self._entry(partition_id, at)
        self._last = partition_id, entry
        return entry


class StoredContents:
    """Reads stored batches through the index.

    `spans` and `reach` read the index and are called under the runner's lock; `deliveries` reads the log without it.
    """

    def __init__(self, storage: Storage, indexes: PartitionIndexes) -> None:
        self._storage = storage
        self._indexes = indexes
        self.compacted: Callable[[int], int] = _not_compacted
        """The offset of a partition below which offsets without a message are no damage."""
        self.repair: Callable[[int], None] = _cannot
        """Builds the index of a partition anew from the log, when it turns out to be damaged."""
        self._decoded: dict[int, tuple[BatchHeader, dict[str, Any], list[Record]]] = {}
        self._places: dict[int, tuple[Condition, Sequence[int]]] = {}

    def reach(self, max_bytes: int, *, outside: bool = False) -> Reach:
        """How far the leases of one receive may go so that their batches hold at most `max_bytes` (at least one batch,
        over all leases of the receive); `outside`: and so that they are no more than `OUTSIDE_BATCHES`."""
        return Reach(self._entry, max_bytes, OUTSIDE_BATCHES if outside else sys.maxsize)

    def spans(self, lease: Lease, reach: Reach | None = None) -> list[IndexEntry]:
        """Index entries of the batches that a lease covers; those that `reach` has met are not looked up again."""
        met = reach.met if reach is not None else {}
        found: list[IndexEntry] = []
        at = lease.start
        while at < lease.end:
            entry = met.get((lease.partition_id, at)) or self._entry(lease.partition_id, at)
            if entry.base_offset >= lease.end:
                break
            found.append(entry)
            at = entry.base_offset + entry.count
        return found

    def found(
        self, leases: Sequence[Lease], state: State, reach: Reach | None = None
    ) -> list[tuple[Lease, int, list[IndexEntry]]]:
        """Leases, each with the number of its partition and its `spans`."""
        return [(lease, state.partitions[lease.partition_id].number, self.spans(lease, reach)) for lease in leases]

    def deliveries_of(self, queue: str, found: Sequence[tuple[Lease, int, list[IndexEntry]]]) -> list[Delivery]:
        """The `deliveries` of what was `found`."""
        seen: dict[int, bytes] = {}
        return [
            delivery
            for lease, number, spans in found
            for delivery in self.deliveries(queue, number, lease, spans, seen)
        ]

    def deliveries(
        self, queue: str, number: int, lease: Lease, spans: list[IndexEntry], seen: dict[int, bytes]
    ) -> list[Delivery]:
        """The leased messages as they are stored; batches that leases have in common are read once and kept in `seen`,
        and are the same object in each delivery. Raises OMSRuntimeException 1501 for damage."""

        def read(position: int, size: int) -> bytes:
            data = seen.get(position)
            if data is None:
                data = seen[position] = self._storage.read(position, size)
            return data

        found: list[Delivery] = []
        for entry in spans:
            base, data = entry.base_offset, read(entry.position, entry.size)
            first, last = max(lease.start - base, 0), min(lease.end - base, entry.count)
            for start, end in runs(data, first, last) if data[_ATTRIBUTES] & SPARSE else ((first, last),):
                found.append(
                    Delivery(
                        queue,
                        number,
                        base,
                        entry.timestamp_ms,
                        data,
                        start,
                        end,
                        lease.lease_id,
                        lease.attempt,
                        lease.deadline_ms,
                    )
                )
        return found

    def live(self, partition_id: int, start: int, end: int, wanted: int) -> tuple[int, list[tuple[int, int]]]:
        """See `Contents.live`."""
        holes: list[tuple[int, int]] = []
        at = start
        while at < end and wanted > 0:
            entry = self._entry(partition_id, at)
            base = entry.base_offset
            if base > at:
                _join(holes, at, min(base, end))
                at = base
                continue
            header, _, records = self._batch(partition_id, entry)
            first, last = at - base, min(end - base, entry.count)
            if header.attributes & SPARSE:
                while first < last and wanted > 0:
                    if records[first] is HOLE:
                        _join(holes, base + first, base + first + 1)
                    else:
                        wanted -= 1
                    first += 1
                at = base + first
            else:
                taken = min(last - first, wanted)
                wanted -= taken
                at += taken
        return min(at, end), holes

    def raw(self, partition_id: int, offset: int) -> tuple[int, bytes]:
        """See `Contents.raw`."""
        entry = self._entry(partition_id, offset)
        return entry.base_offset, self._storage.read(entry.position, entry.size)

    def before(self, partition_id: int, offset: int) -> int | None:
        """The first offset of the last batch that begins before an offset, None when there is none."""
        entry = self._indexes.before(partition_id, offset)
        return None if entry is None else entry.base_offset

    def keys(self, partition_id: int, start: int, end: int) -> list[str | None]:
        """Message keys of the offsets from `start` to `end` (exclusive), None for a message that is gone."""
        keys: list[str | None] = []
        while start < end:
            entry = self._entry(partition_id, start)
            if entry.base_offset > start:
                gap = min(end, entry.base_offset) - start
                keys += [None] * gap
                start += gap
                continue
            records = self._batch(partition_id, entry)[2]
            stop = min(end, entry.base_offset + entry.count)
            keys += [record.message_key for record in records[start - entry.base_offset : stop - entry.base_offset]]
            start = stop
        return keys

    def matching(
        self, partition: Partition, start: int, end: int, condition: Condition
    ) -> tuple[Sequence[int], int, int]:
        """Of the batch that holds `start`: the offsets that match, where looking stopped, and the batch's bytes."""
        entry = self._entry(partition.id, start)
        if entry.base_offset > start:
            return (), min(end, entry.base_offset), 0
        known = self._places.get(entry.position)
        if known is None or known[0] is not condition:
            if len(self._places) >= _CACHED_BATCHES:
                self._places.clear()
            data = self._storage.read(entry.position, entry.size)
            known = condition, matching_offsets(data, condition, partition, entry)
            self._places[entry.position] = known
        offsets = known[1]
        stop = min(end, entry.base_offset + entry.count)
        first = bisect_left(offsets, start)
        return offsets[first : bisect_left(offsets, stop, first)], stop, entry.size

    def message(self, partition_id: int, offset: int) -> tuple[BatchHeader, dict[str, Any], Record, int]:
        """One stored message: its batch's header, the shared headers, the record, its place in the batch."""
        entry = self._entry(partition_id, offset)
        header, shared, records = self._batch(partition_id, entry)
        place = offset - entry.base_offset
        return header, shared, records[place], place

    def expiries(self, partition_id: int, start: int, end: int) -> list[int]:
        """When the messages from `start` to `end` (exclusive) expire, ms since the epoch; 0: never."""
        found: list[int] = []
        while start < end:
            entry = self._entry(partition_id, start)
            stop = min(end, entry.base_offset + entry.count)
            if self._storage.read(entry.position + ATTRIBUTES_AT, 1)[0] & EXPIRES:
                header, shared, records = self._batch(partition_id, entry)
                for place in range(start - entry.base_offset, stop - entry.base_offset):
                    headers = with_own(header, shared, records[place], place).headers or {}
                    found.append(expires_ms(headers["bornTimestamp"], headers))
            else:
                found += [NEVER] * (stop - start)
            start = stop
        return found

    def store_ms(self, partition_id: int, offset: int) -> int:
        """When a message was stored."""
        return self._entry(partition_id, offset).timestamp_ms

    def stored(self, partition_id: int, offset: int) -> bytes:
        """The batch that holds an offset, as it is stored."""
        entry = self._entry(partition_id, offset)
        return self._storage.read(entry.position, entry.size)

    def _batch(self, partition_id: int, entry: IndexEntry) -> tuple[BatchHeader, dict[str, Any], list[Record]]:
        found = self._decoded.get(entry.position)
        if found is None:
            data = self._storage.read(entry.position, entry.size)
            try:
                found = decode(data)
            except OMSRuntimeException as cause:
                place = f"partition {partition_id}, offset {entry.base_offset}, position {entry.position} of the log"
                raise cause.located(place) from cause
            if len(self._decoded) >= _CACHED_BATCHES:
                self._decoded.clear()
            self._decoded[entry.position] = found
        return found

    def _entry(self, partition_id: int, offset: int) -> IndexEntry:
        try:
            entry = self._indexes.find(partition_id, offset)
        except IndexDamaged:
            self.repair(partition_id)
            entry = self._indexes.find(partition_id, offset)
        if entry is None and offset < self.compacted(partition_id):
            entry = self._indexes.next(partition_id, offset)
        if entry is None:
            raise OMSRuntimeException(
                1501,
                f"the index of partition {partition_id} has no entry for offset {offset}",
                next_step="Run `oms store verify`",
            )
        return entry


def runs(data: bytes, first: int, last: int) -> list[tuple[int, int]]:
    """The places from `first` to `last` (exclusive) of a batch that hold messages, neighbours together."""
    found: list[tuple[int, int]] = []
    records = decode(data)[2]
    for place in range(first, last):
        if records[place] is not HOLE:
            _join(found, place, place + 1)
    return found


def _join(found: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a range behind the others, joined with the last one where they touch."""
    if found and found[-1][1] == start:
        found[-1] = found[-1][0], end
    else:
        found.append((start, end))


def _not_compacted(_: int) -> int:
    return 0


def _cannot(partition_id: int) -> None:
    """Until somebody sets `repair`: looking again tells what is wrong."""
