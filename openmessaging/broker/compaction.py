"""Compaction: of the messages of a key only the newest stays. One partition at a time, in small steps.

A pass reads what came since the last one, noting the newest offset of each key, then reads the whole partition up to
there and writes what is left of it to the log again, beside the old. Nothing changes until an entry says that the pass
is complete; from then on the new batches count, by the index that was made with them, and the old ones lie in segments
that `reclaim` can drop. So a crash leaves the old or the new, never a mixture. The reasons are in
`docs/design/compaction.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

from openmessaging.broker.entry import AnyOperation, Compact, Entry, Generation, Placed, Trim, decode
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.model.batch import HEADER, HOLE, Batch, thin
from openmessaging.model.batch import decode as decode_batch
from openmessaging.model.message import Record
from openmessaging.model.offset_table import OffsetTable
from openmessaging.storage.index import IndexEntry, IndexRewrite

MAX_KEYS = 1 << 20
"""Keys of new messages that one pass takes on, about: 24 to 72 MB. What is beyond has to wait for the next."""
MIN_DIRTY = 1_000
"""New messages from which on a pass is worth it."""
STEP_MESSAGES = 10_000
"""Messages read in one step, about; others wait for upkeep so long."""
_GROUP_BATCHES = 256
_GROUP_BYTES = 1 << 20

Stored = tuple[IndexEntry, bytes, list[Record]]
"""A batch of the old kind: where it lies, its bytes and its messages."""


class Compactor:
    """Looks after all compacted queues of a store. Called by one thread, that of upkeep."""

    def __init__(self, runner: Runner) -> None:
        self.min_dirty = MIN_DIRTY
        self.max_keys = MAX_KEYS
        self._runner = runner
        self._pass: Pass | None = None
        self._steps: Iterator[int] = iter(())

    @property
    def active(self) -> bool:
        """Whether a pass has begun and is not done."""
        return self._pass is not None

    @property
    def keep_from(self) -> int | None:
        """Entries of the log from this index on belong to the pass; None without one."""
        return None if self._pass is None else self._pass.first_index

    def begin(self) -> None:
        """Begin a pass where one is worth it: when as much is new as was left by the last. Raises as `mend`."""
        if self._pass is not None:
            return
        self.mend()
        runner = self._runner
        with runner.lock:
            queues = [queue for queue in runner.engine.queues.values() if queue.compact]
        for partition in [partition for queue in queues for partition in queue.partitions]:
            clean = max(partition.compacted - partition.start - partition.holes, 0)
            dirty = partition.visible - max(partition.compacted, partition.start)
            if dirty >= max(clean, self.min_dirty):
                self._pass = Pass(runner, partition, self.max_keys)
                self._steps = self._pass.steps()
                return

    def mend(self) -> None:
        """Make the index anew that a complete pass could not write: before a snapshot or the next pass relies on it.
        Raises OMSRuntimeException 1501."""
        runner = self._runner
        with runner.lock:
            for partition in runner.engine.partitions.values():
                if partition.indexed != partition.generation:
                    runner.contents.repair(partition.id)
                    partition.indexed = partition.generation

    def step(self) -> None:
        """Go on with the pass for a while; nothing happens without one. Raises OMSRuntimeException 1501, and the pass
        is given up."""
        if self._pass is None:
            return
        try:
            read = 0
            while read < STEP_MESSAGES and (more := next(self._steps)):
                read += more
        except StopIteration:
            self._pass = None
        except BaseException:
            self._pass.new.discard()
            self._pass = None
            raise


class Pass:
    """One compaction of one partition."""

    def __init__(self, runner: Runner, partition: Partition, max_keys: int) -> None:
        self._runner = runner
        self._partition = partition
        self.new: IndexRewrite = runner.indexes.rewrite(partition.id)
        self.first_index = runner.storage.max_index() + 1
        self._number = partition.generation + 1
        self._start = partition.start
        self._end = self._limit()
        self._keys = OffsetTable()
        self._max_keys = max_keys
        self._kept = 0
        self._first_kept = self._end
        self._group: list[tuple[Placed, Batch]] = []
        self._group_bytes = 0

    def steps(self) -> Iterator[int]:
        """The work, in steps that say how many messages were read; 0 to be asked again later. Raises 1501."""
        for entry, _, records in self._batches(max(self._partition.compacted, self._start)):
            for offset, record in enumerate(records, entry.base_offset):
                if record.message_key is not None:
                    self._keys.put(record.message_key, offset)
            if len(self._keys) >= self._max_keys:
                self._end = min(self._end, entry.base_offset + entry.count)
            yield entry.count
        lost_before = self._tombstones_before()
        for stored in self._batches(self._start):
            self._keep(stored, lost_before)
            yield stored[0].count
        self._write()
        while not self._commit():
            yield 0

    def _limit(self) -> int:
        """Where the pass ends: before the newest batch, so that there is always one, and before what readers see."""
        runner, partition = self._runner, self._partition
        with runner.lock:
            seen = runner.views.earliest_end(partition.id, runner.clock.monotonic())
            limit = partition.visible - 1 if seen is None else min(partition.visible - 1, seen)
            return max(runner.contents.before(partition.id, limit + 1) or 0, self._start)

    def _tombstones_before(self) -> tuple[int, int]:
        """Tombstones below this offset and stored before this time may go."""
        runner, queue = self._runner, self._partition.queue
        with runner.lock:
            settled = self._partition.consumed_before() if queue.groups else self._end
            age_ms = int(float(queue.config.get("tombstone_age", 86_400)) * 1000)
            return settled, runner.clock.now_ms() - age_ms

    def _batches(self, start: int) -> Iterator[Stored]:
        """The batches from an offset to the end of the pass. Damage ends the pass: nothing may be lost by it."""
        runner, number = self._runner, self._partition.id
        at = start
        while at < self._end:
            with runner.lock:
                entry = runner.indexes.next(number, at)
            if entry is None or entry.base_offset >= self._end:
                return
            data = runner.storage.read(entry.position, entry.size)
            yield entry, data, decode_batch(data)[2]
            at = entry.base_offset + entry.count

    def _keep(self, stored: Stored, lost_before: tuple[int, int]) -> None:
        """Put what is left of a batch in line to be written."""
        entry, data, records = stored
        base = entry.base_offset
        dies = entry.timestamp_ms < lost_before[1]
        kept = [
            place
            for place, record in enumerate(records)
            if record is not HOLE
            and base + place >= self._start
            and (
                record.message_key is None
                or (
                    self._keys.get(record.message_key) <= base + place
                    and (record.data or not dies or base + place >= lost_before[0])
                )
            )
        ]
        if not kept:
            return
        whole = len(kept) == len(records)
        batch = Batch(data[: HEADER.size], data[HEADER.size :], entry.count) if whole else thin(data, kept)
        first = base + kept[0]
        self._first_kept = min(self._first_kept, first)
        self._kept += len(kept)
        placed = Placed(self._partition.id, first, batch.count, entry.timestamp_ms)
        if self._group and (len(self._group) == _GROUP_BATCHES or self._group_bytes + batch.size > _GROUP_BYTES):
            self._write()
        self._group.append((placed, batch))
        self._group_bytes += batch.size

    def _write(self) -> None:
        """Append what is in line and note where it lies."""
        group, self._group, self._group_bytes = self._group, [], 0
        if not group:
            return
        runner = self._runner
        operations = [Generation(self._partition.id, self._number)]
        with runner.lock:
            entry = Entry(runner.clock.now_ms(), operations, [x for x, _ in group], [batch for _, batch in group])
            index = runner.stage_locked(entry, reserved=False)
        stored = runner.storage.get(index)
        for (placed, _), (start, size) in zip(group, decode(stored.body)[1], strict=True):
            at = stored.body_position + start
            self.new.add(IndexEntry(placed.base_offset, placed.count, at, size, placed.store_ms))
        runner.flush()

    def _commit(self) -> bool:
        """Let the new batches count; False while somebody reads what would go. A partition that was emptied or deleted
        meanwhile is left alone."""
        runner, partition = self._runner, self._partition
        with runner.lock:
            runner.tick_locked()
            if runner.engine.partitions.get(partition.id) is not partition or partition.start != self._start:
                self.new.discard()
                return True
            seen = runner.views.earliest_end(partition.id, runner.clock.monotonic())
            if seen is not None and seen < self._end:
                return False
            start = max(min(self._first_kept, partition.consumed_before()), self._start)
            if not partition.queue.groups:
                start = self._first_kept
            holes = self._end - start - self._kept
            operations: list[AnyOperation] = [
                Trim(partition.id, start),
                Compact(partition.id, self._number, self._end, holes, self.first_index),
            ]
            runner.stage_locked(Entry(runner.clock.now_ms(), operations))
        runner.flush()
        runner.indexes.replace(self.new, self._end)
        partition.indexed = self._number
        return True
