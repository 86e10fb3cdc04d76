"""Giving space back: retention decides what of a partition may go, whole segments go when nothing in them is needed.

Queues share segments, so one slow queue could hold the space of all. When little of the oldest segment is still needed,
what is left is appended again as copies (the index then points there) and the segment goes too.
"""

from __future__ import annotations

import msgspec

from openmessaging.broker.entry import Entry, Placed, Trim, decode
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.model.batch import HEADER, Batch
from openmessaging.storage.interface import SegmentInfo

COPY_SHARE = 0.25
"""A segment is copied forward when at most this share of its bytes is still needed."""


class Stored(msgspec.Struct, gc=False):
    """A batch in a segment."""

    placed: Placed
    position: int
    size: int


class Reclaimer:
    """Applies retention and drops segments. Called by one thread."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._scanned: tuple[int, list[Stored]] | None = None

    def run(self, snapshot_index: int) -> int:
        """Drop what may go from the log before the snapshot; returns how many segments went."""
        dropped = 0
        while True:
            segments = self._runner.storage.segments()
            if len(segments) < 2 or segments[1].base_index > snapshot_index:
                return dropped
            if not self._drop_first(segments):
                return dropped
            dropped += 1

    def _drop_first(self, segments: list[SegmentInfo]) -> bool:
        """Drop the oldest segment if its live part is small enough to copy (or nothing)."""
        runner = self._runner
        first, end_index = segments[0], segments[1].base_index
        stored = self._scan(first, end_index)
        limits = self._limits({batch.placed.partition_id for batch in stored})
        live = [batch for batch in stored if self._is_live(batch, limits)]
        if sum(batch.size for batch in live) > first.size_bytes * COPY_SHARE:
            return False
        with runner.lock:
            copies = [(batch, runner.stage_locked(self._copy(batch))) for batch in live]
            trims = self._trims(stored, limits)
            if trims:
                runner.stage_locked(Entry(runner.clock.now_ms(), trims))
        runner.flush()
        for batch, index in copies:  # only now: an index must never point to what a crash can take back
            entry = runner.storage.get(index)
            start = decode(entry.body)[1][0][0]
            runner.indexes.relocate(batch.placed.partition_id, batch.placed.base_offset, entry.body_position + start)
        for trim in trims:
            runner.indexes.trim(trim.partition_id, trim.start)
        runner.indexes.sync()
        with runner.lock:
            runner.storage.drop_before(end_index)
        self._scanned = None
        return True

    def _scan(self, segment: SegmentInfo, end_index: int) -> list[Stored]:
        """The batches of a segment; kept until the segment goes."""
        if self._scanned is not None and self._scanned[0] == segment.base_index:
            return self._scanned[1]
        found: list[Stored] = []
        for entry in self._runner.storage.entries(segment.base_index):
            if entry.index >= end_index:
                break
            decoded, spans = decode(entry.body)
            found += [
                Stored(placed, entry.body_position + start, size)
                for placed, (start, size) in zip(decoded.placed, spans, strict=True)
            ]
        self._scanned = segment.base_index, found
        return found

    def _limits(self, partition_ids: set[int]) -> dict[int, int]:
        """Per partition that still exists: the offset below which messages may go."""
        runner = self._runner
        with runner.lock:
            runner.tick_locked()
            now_ms = runner.clock.now_ms()
            found = (runner.engine.partitions.get(partition_id) for partition_id in partition_ids)
            return {partition.id: self._limit(partition, now_ms) for partition in found if partition is not None}

    def _limit(self, partition: Partition, now_ms: int) -> int:
        """What retention lets go: consumed by all groups, or older than `retention_age` seconds, or beyond
        `retention_bytes`, whichever frees more."""
        runner = self._runner
        config = partition.queue.config
        limit = partition.start
        if config.get("retention", "consumed") == "consumed":
            limit = max(limit, partition.consumed_before())
        age = config.get("retention_age")
        if age is not None:
            entry = runner.indexes.find_time(partition.id, now_ms - int(age * 1000))
            limit = max(limit, partition.end if entry is None else entry.base_offset)
        size = config.get("retention_bytes")
        if size is not None:
            limit = max(limit, self._within(partition, int(size)))
        return min(limit, partition.visible)

    def _within(self, partition: Partition, size_bytes: int) -> int:
        """The offset from which the newest messages fit in `size_bytes`."""
        at, left = partition.end, size_bytes
        while at > partition.start:
            entry = self._runner.indexes.find(partition.id, at - 1)
            if entry is None or entry.size > left:
                return at
            left -= entry.size
            at = entry.base_offset
        return at

    def _is_live(self, batch: Stored, limits: dict[int, int]) -> bool:
        """Whether a batch is needed and still lies here (it may have been copied forward before)."""
        placed = batch.placed
        limit = limits.get(placed.partition_id)
        if limit is None or placed.base_offset + placed.count <= limit:
            return False
        entry = self._runner.indexes.find(placed.partition_id, placed.base_offset)
        return entry is not None and entry.position == batch.position

    def _copy(self, batch: Stored) -> Entry:
        """The stored bytes again, with the same offsets."""
        data = self._runner.storage.read(batch.position, batch.size)
        whole = Batch(data[: HEADER.size], data[HEADER.size :], batch.placed.count)
        return Entry(self._runner.clock.now_ms(), (), (batch.placed,), (whole,))

    def _trims(self, stored: list[Stored], limits: dict[int, int]) -> list[Trim]:
        """The starts that move because messages below them go."""
        ends: dict[int, int] = {}
        for batch in stored:
            placed = batch.placed
            end = placed.base_offset + placed.count
            if end <= limits.get(placed.partition_id, 0):
                ends[placed.partition_id] = max(end, ends.get(placed.partition_id, 0))
        partitions = self._runner.engine.partitions
        return [Trim(number, end) for number, end in ends.items() if end > partitions[number].start]
