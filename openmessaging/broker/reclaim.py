"""Giving space back: retention decides what of a partition may go, whole segments go when nothing in them is needed.

Queues share segments, so one slow queue could hold the space of all. When little of the oldest segment is still needed,
what is left is appended again as copies (the index then points there) and the segment goes too.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from openmessaging.broker import delays
from openmessaging.broker.entry import Entry, Generation, Placed, Trim, decode
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.broker.shelf import Shelf
from openmessaging.model.batch import HEADER, Batch
from openmessaging.storage.interface import SegmentInfo

COPY_SHARE = 0.25
"""A segment is copied forward when at most this share of its bytes is still needed."""
_COPY_BATCHES = 256
_COPY_BYTES = 1 << 20
"""Most that one entry copies; nobody waits longer for the lock than that takes."""


class Held:
    """What a segment holds of one partition: where its batches end, and the bytes up to there. 16 bytes a batch."""

    def __init__(self) -> None:
        self.ends = array("Q")
        self.bytes = array("Q")

    def add(self, end: int, size: int) -> None:
        """The next batch; a copy of an older one may come after younger ones."""
        if self.ends and end < self.ends[-1]:
            at = bisect_right(self.ends, end)
            self.ends.insert(at, end)
            self.bytes.insert(at, self.bytes[at - 1] if at else 0)
            for later in range(at, len(self.bytes)):
                self.bytes[later] += size
        else:
            self.ends.append(end)
            self.bytes.append(size + (self.bytes[-1] if self.bytes else 0))

    def beyond(self, limit: int) -> int:
        """Bytes of the batches that do not end at or before an offset."""
        dead = bisect_right(self.ends, limit)
        return self.bytes[-1] - (self.bytes[dead - 1] if dead else 0)

    def last_end(self, limit: int) -> int:
        """The end of the last batch that ends at or before an offset, 0 for none."""
        dead = bisect_right(self.ends, limit)
        return self.ends[dead - 1] if dead else 0


class Reclaimer:
    """Applies retention and drops segments. Called by one thread."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._scanned: tuple[int, dict[int, Held]] | None = None
        self._delayed: list[tuple[int, int, int, int]] = []
        """Of the scanned segment, the batches in shelves: (shelf, start, end, bytes)."""
        self._windows: dict[int, tuple[int, int, int]] = {}
        self.blocked = False
        """Whether the oldest segment only waits for a snapshot to cover it."""

    def run(self, covered: int, keep_from: int | None = None) -> int:
        """Drop what may go of the log up to entry `covered`, from which on it can be replayed, and before `keep_from`,
        where a compaction that is not complete begins; returns how many segments went. Raises OMSRuntimeException 1501.
        """
        dropped = 0
        while True:
            self.blocked = False
            segments = self._runner.storage.segments()
            if len(segments) < 2 or self._held():
                return dropped
            first, end_index = segments[0], segments[1].base_index
            if keep_from is not None and end_index > keep_from:
                return dropped
            held = self._scan(first, end_index)
            limits = self._limits(set(map(abs, held)), end_index)
            shelves = {shelf for shelf, _, _, _ in self._delayed}
            counted = limits.keys() - shelves
            live = sum(of.beyond(limits[abs(number)]) for number, of in held.items() if abs(number) in counted)
            live += self._waiting_bytes()
            if live > first.size_bytes * COPY_SHARE:
                return dropped
            if end_index > covered + 1:
                self.blocked = True
                return dropped
            self._repack()
            groups = self._live(first.base_index, end_index, limits) if live else ()
            self._drop(end_index, [self._copy(group) for group in groups], held, limits)
            dropped += 1

    def _held(self) -> bool:
        """Whether somebody reads the log for a backup."""
        return self._runner.holds.any(self._runner.clock.monotonic())

    def _drop(self, end_index: int, copies: list[int], held: dict[int, Held], limits: dict[int, int]) -> None:
        """Let the oldest segment go; `copies` are the entries that what is needed of it was copied to."""
        runner = self._runner
        with runner.lock:
            runner.tick_locked()
            trims = self._trims(held, limits)
            if trims:
                runner.stage_locked(Entry(runner.clock.now_ms(), trims))
        runner.flush()
        for index in copies:  # only now: an index must never point to what a crash can take back
            entry = runner.storage.get(index)
            decoded, spans = decode(entry.body)
            for placed, (start, _) in zip(decoded.placed, spans, strict=True):
                runner.indexes.relocate(placed.partition_id, placed.base_offset, entry.body_position + start)
        for trim in trims:
            runner.indexes.trim(trim.partition_id, trim.start)
        runner.indexes.sync()
        with runner.lock:
            if not self._held():
                runner.storage.drop_before(end_index)
        self._scanned = None

    def _scan(self, segment: SegmentInfo, end_index: int) -> dict[int, Held]:
        """What a segment holds, by partition; remembered until it goes. What a compaction kept, which lies behind
        younger batches, stands apart under the negative number."""
        if self._scanned is not None and self._scanned[0] == segment.base_index:
            return self._scanned[1]
        found: dict[int, Held] = {}
        self._delayed = []
        partitions = self._runner.engine.partitions
        for placed, data, kept in self._batches(segment.base_index, end_index):
            key = -placed.partition_id if kept else placed.partition_id
            held = found.get(key)
            if held is None:
                held = found[key] = Held()
            end = placed.base_offset + placed.count
            held.add(end, len(data[1]))
            if isinstance(partitions.get(placed.partition_id), Shelf):
                self._delayed.append((placed.partition_id, placed.base_offset, end, len(data[1])))
        self._scanned = segment.base_index, found
        return found

    def _waiting_bytes(self) -> int:
        """What of the scanned segment belongs to delayed messages that still wait."""
        partitions = self._runner.engine.partitions
        return sum(
            size * shelf.pending_in(start, end) // (end - start)
            for number, start, end, size in self._delayed
            if isinstance(shelf := partitions.get(number), Shelf)
        )

    def _repack(self) -> None:
        """Move what still waits in batches of which most has left to new ones: copying those whole would keep what has
        left as long as the last of them waits."""
        runner = self._runner
        for number, start, end, _ in self._delayed:
            with runner.lock:
                shelf = runner.engine.partitions.get(number)
                if isinstance(shelf, Shelf) and 0 < 2 * shelf.pending_in(start, end) <= end - start:
                    entry = delays.decide_repack(runner.engine, runner.clock.now_ms(), shelf, range(start, end))
                    runner.stage_locked(entry)

    def _batches(self, base_index: int, end_index: int) -> Iterator[tuple[Placed, tuple[int, memoryview], bool]]:
        """Each batch of a segment with its position and bytes, and whether a compaction kept it."""
        for entry in self._runner.storage.entries(base_index):
            if entry.index >= end_index:
                break
            decoded, spans = decode(entry.body)
            body = memoryview(entry.body)
            kept = any(isinstance(operation, Generation) for operation in decoded.operations)
            for placed, (start, size) in zip(decoded.placed, spans, strict=True):
                yield placed, (entry.body_position + start, body[start : start + size]), kept

    def _limits(self, partition_ids: set[int], end_index: int) -> dict[int, int]:
        """Per partition that still exists: the offset below which messages of a segment may go."""
        runner = self._runner
        with runner.lock:
            now_ms = runner.tick_locked()
            partitions = runner.engine.partitions
            found = [partitions[number] for number in partition_ids if number in partitions]
            consumed = [self._consumed(partition, end_index) for partition in found]
        return {
            partition.id: self._limit(partition, limit, now_ms)
            for partition, limit in zip(found, consumed, strict=True)
        }

    @staticmethod
    def _consumed(partition: Partition, end_index: int) -> int:
        if partition.generation and partition.indexed == partition.generation and end_index <= partition.first_index:
            return max(partition.start, partition.compacted)  # what is left of it was written again
        if partition.generation or partition.queue.compact:
            return partition.start
        groups = partition.queue.groups.values()
        only_routed = groups and all(group.is_route for group in groups)  # the source of a route keeps its messages
        if partition.queue.config.get("retention", "consumed") == "consumed" and not only_routed:
            return max(partition.start, partition.consumed_before())
        return partition.start

    def _limit(self, partition: Partition, limit: int, now_ms: int) -> int:
        """What retention lets go: consumed by all groups, or older than `retention_age` seconds, or beyond
        `retention_bytes`, whichever frees more."""
        visible = partition.visible
        config = partition.queue.config
        age = config.get("retention_age")
        if age is not None:
            entry = self._runner.indexes.find_time(partition.id, now_ms - int(age * 1000))
            limit = max(limit, visible if entry is None else entry.base_offset)
        size = config.get("retention_bytes")
        if size is not None:
            limit = max(limit, self._within(partition, int(size), visible))
        return min(limit, visible)

    def _within(self, partition: Partition, size_bytes: int, visible: int) -> int:
        """The offset from which the newest messages fit in `size_bytes`. Goes on from where the last call came to."""
        find, number = self._runner.indexes.find, partition.id
        start, end, held = self._windows.get(number, (0, 0, 0))
        if start < partition.start:
            start = end = partition.start
            held = 0
        while end < visible and (entry := find(number, end)) is not None:
            held += entry.size
            end = entry.base_offset + entry.count
        while held > size_bytes and (entry := find(number, start)) is not None:
            held -= entry.size
            start = entry.base_offset + entry.count
        self._windows[number] = start, end, held
        return start

    def _live(
        self, base_index: int, end_index: int, limits: dict[int, int]
    ) -> Iterator[list[tuple[Placed, memoryview]]]:
        """The batches of a segment that are needed and still lie there (they may have been copied before), in groups
        that one entry takes."""
        group: list[tuple[Placed, memoryview]] = []
        size = 0
        of: Partition | None = None
        for placed, (position, data), _ in self._batches(base_index, end_index):
            limit = limits.get(placed.partition_id)
            end = placed.base_offset + placed.count
            if limit is None or end <= limit:
                continue
            shelf = self._runner.engine.partitions.get(placed.partition_id)
            if isinstance(shelf, Shelf) and not shelf.pending_in(placed.base_offset, end):
                continue
            entry = self._runner.indexes.find(placed.partition_id, placed.base_offset)
            if entry is None or entry.position != position:
                continue
            label = self._compacted(placed)
            if group and (len(group) == _COPY_BATCHES or size + len(data) > _COPY_BYTES or label is not of):
                yield group
                group, size = [], 0
            of = label
            group.append((placed, data))
            size += len(data)
        if group:
            yield group

    def _copy(self, group: list[tuple[Placed, memoryview]]) -> int:
        """Append the stored bytes again, with the same offsets; returns the entry's index."""
        of = self._compacted(group[0][0])
        label = [Generation(of.id, of.generation)] if of is not None else []
        runner = self._runner
        batches = [
            Batch(bytes(data[: HEADER.size]), bytes(data[HEADER.size :]), placed.count) for placed, data in group
        ]
        with runner.lock:
            return runner.stage_locked(Entry(runner.clock.now_ms(), label, [placed for placed, _ in group], batches))

    def _compacted(self, placed: Placed) -> Partition | None:
        """The partition of a batch that a compaction kept, None for any other batch."""
        partition = self._runner.engine.partitions.get(placed.partition_id)
        return partition if partition is not None and placed.base_offset < partition.compacted else None

    def _trims(self, held: dict[int, Held], limits: dict[int, int]) -> list[Trim]:
        """The starts that move because messages below them go."""
        partitions = self._runner.engine.partitions
        ends = {number: of.last_end(limits[number]) for number, of in held.items() if number in limits}
        return [
            Trim(number, end)
            for number, end in ends.items()
            if number in partitions and end > partitions[number].start and not partitions[number].generation
        ]
