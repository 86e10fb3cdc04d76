"""Opening a store: lock, snapshot, log, replay; and closing it so that the next opening is quick.

Recovery is one path: the newest snapshot, then every entry of the log after it, applied as when it was new. The index
files are caches of the log: forgotten past the snapshot, and rebuilt from the whole log when missing or damaged.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import msgspec

from openmessaging.broker import delays
from openmessaging.broker.contents import StoredContents, counts, is_copy, place
from openmessaging.broker.draft import Limits
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Compact, Entry, Generation, Placed, decode
from openmessaging.broker.group import Group
from openmessaging.broker.handover import HandOvers
from openmessaging.broker.mailboxes import Mailboxes
from openmessaging.broker.maintenance import Maintenance
from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.broker.shelf import Shelf
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Durability
from openmessaging.storage.index import IndexDamaged, PartitionIndexes
from openmessaging.storage.interface import Storage
from openmessaging.storage.lock import StoreLock
from openmessaging.storage.log import Log
from openmessaging.storage.memory import MemoryLog
from openmessaging.storage.snapshot import SnapshotStore
from openmessaging.storage.timer_index import TimerIndex
from openmessaging.system import Clock, Disk, SystemClock, SystemDisk

_LOG = logging.getLogger("openmessaging.store")


class StoreOptions(msgspec.Struct, frozen=True):
    """How a store is run; none of it is stored.

    Attributes:
        flush: `always`: a send returns after the sync that covers it; nothing acknowledged is ever lost. `interval`:
            the operating system has it, synced each `flush_interval` seconds; a power cut loses at most that.
            `never`: the operating system syncs when it likes. Killing the process loses nothing in any mode.
        flush_interval: seconds.
        auto_create: whether the first send or subscription creates a missing queue.
        partitions: of queues created so.
        segment_bytes: size that segments grow to.
    """

    flush: Literal["always", "interval", "never"] = "always"
    flush_interval: float = 1.0
    auto_create: bool = True
    partitions: int = 1
    segment_bytes: int = 64 << 20


class Store:
    """An open store: its runner and the parts that only opening, upkeep and closing need."""

    def __init__(self, runner: Runner, maintenance: Maintenance, lock: StoreLock | None) -> None:
        self.runner = runner
        self.maintenance = maintenance
        self.mailboxes = Mailboxes()
        self.hand_overs = HandOvers(runner, self.mailboxes)
        maintenance.on_round = self.hand_overs.record
        self._lock = lock

    def close(self) -> None:
        """Refuse new calls, make durable what was staged, leave a snapshot, and let the directory go. Safe to call
        twice. Raises OMSRuntimeException 1501 when not all could be made durable; the store is closed all the same."""
        runner = self.runner
        self.hand_overs.record()
        if not runner.shut():
            return
        try:
            try:
                runner.flush()
            finally:  # a failed log keeps what it has, to be replayed
                self.maintenance.stop()
                runner.committer.close()
                with contextlib.suppress(OMSRuntimeException):
                    self.maintenance.snapshot()
                runner.storage.close()
        finally:
            runner.indexes.close()
            if self._lock is not None:
                self._lock.release()


def open_store(
    directory: str,
    options: StoreOptions,
    *,
    disk: Disk | None = None,
    clock: Clock | None = None,
    chance: random.Random | None = None,
    upkeep: bool = True,
) -> Store:
    """Open or create the store in a directory.

    Args:
        directory: where it lies.
        options: how it is run.
        disk: the system's when None; a store on another disk takes no lock.
        clock: the system's when None.
        chance: where salts and the jitter of back-offs come from.
        upkeep: False leaves `Store.maintenance` to be driven by the caller, on one thread: for simulations.

    Raises OMSRuntimeException: 1503 when another process (named) has it, 1501 for damage in the log (with its
    position) or a directory that cannot be written, 1101 for a store of a newer format.
    """
    disk = disk or SystemDisk()
    clock = clock or SystemClock()
    chance = chance or random.SystemRandom()
    real = disk.__class__ is SystemDisk
    lock = StoreLock.acquire(directory) if real else None
    try:
        snapshots = SnapshotStore(disk, os.path.join(directory, "snapshots"))
        found = snapshots.newest()
        storage = Log.open(
            disk,
            directory,
            segment_bytes=options.segment_bytes,
            zero_fill=options.flush == "always",
            scan_from=found[0] + 1 if found else 0,
            salt=chance.getrandbits(64),
        )
        _check_begin(storage, found, snapshots.problems)
        indexes = PartitionIndexes(disk, os.path.join(directory, "index"))
        timers = TimerIndex(disk, os.path.join(directory, "timers"))
        runner = _recover(storage, indexes, timers, found, options, clock, chance)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    snapshot_index = found[0] if found is not None else -1
    maintenance = Maintenance(runner, snapshots, snapshot_index, options.flush, options.flush_interval)
    if upkeep:
        maintenance.start()
    return Store(runner, maintenance, lock)


def open_memory(options: StoreOptions, *, clock: Clock | None = None, upkeep: bool = True) -> Store:
    """A store in memory, for tests: the same engine, nothing on disk. Arguments as `open_store`."""
    clock = clock or SystemClock()
    runner = _recover(
        MemoryLog(), PartitionIndexes(None, ""), TimerIndex(None, ""), None, options, clock, random.SystemRandom()
    )
    maintenance = Maintenance(runner, None, -1, "never", options.flush_interval)
    if upkeep:
        maintenance.start()
    return Store(runner, maintenance, None)


def _check_begin(storage: Storage, found: tuple[int, bytes] | None, problems: list[str]) -> None:
    """Check that what the log does not hold any more is in the snapshot; problems of snapshots are told in any case."""
    for problem in problems:
        _LOG.warning("a snapshot is damaged, the store is opened without it: %s", problem)
    begin = storage.min_index()
    if begin > (-1 if found is None else found[0]) + 1:
        why = "; ".join(problems) or "it is missing"
        raise OMSRuntimeException(
            1501,
            f"the log begins at index {begin}, but the snapshot that goes with it cannot be used: {why}",
            next_step="Restore the directory `snapshots` from a backup; `oms store dump` shows what the log holds",
        )


def _recover(
    storage: Storage,
    indexes: PartitionIndexes,
    timers: TimerIndex,
    found: tuple[int, bytes] | None,
    options: StoreOptions,
    clock: Clock,
    chance: random.Random,
) -> Runner:
    engine, contents = replayed(storage, indexes, timers, found, options, chance)
    always = options.flush == "always" and isinstance(storage, Log)
    runner = Runner(
        storage,
        engine,
        indexes,
        contents,
        clock,
        durable=always,
        durability=Durability.FSYNC if always else Durability.MEMORY,
    )
    runner.change(lambda engine, now_ms: engine.decide_release_all(now_ms))
    for group in [group for group in engine.groups.values() if group.config.broadcast]:
        runner.change(partial(_delete_group, group))  # its only consumer died with its process
    return runner


def replayed(
    storage: Storage,
    indexes: PartitionIndexes,
    timers: TimerIndex,
    found: tuple[int, bytes] | None,
    options: StoreOptions,
    chance: random.Random,
) -> tuple[Engine, StoredContents]:
    """The state after the last entry of a log: a snapshot that was found, and what the log has after it."""
    contents = StoredContents(storage, indexes)
    engine = Engine(
        contents,
        chance,
        Limits(auto_create=options.auto_create, default_partitions=options.partitions),
        timers,
    )
    applied = -1
    if found is not None:
        applied, state = found
        engine.restore(state)
        try:
            for partition in engine.partitions.values():
                empty = partition.start == partition.end
                indexes.restore(partition.id, partition.end, partition.start if empty else None)
        except IndexDamaged:
            rebuild_indexes(storage, indexes, engine, applied, list(engine.partitions))
    contents.compacted = partial(_compacted, engine)
    contents.repair = lambda number: rebuild_indexes(storage, indexes, engine, storage.max_index(), [number])
    engine.set_durable(storage.max_index())
    known = _restore_timers(timers, found)
    replay(storage, engine, indexes, applied + 1)
    if not known:
        timers.clear()
        delays.rebuild(timers, engine, contents)
    return engine, contents


def _restore_timers(timers: TimerIndex, found: tuple[int, bytes] | None) -> bool:
    """Whether the timers up to the snapshot are known; without one there are none."""
    try:
        if found is not None:
            return timers.restore(found[0])
        timers.forget_files()
    except OSError as failure:
        step = "Check the disk and the directory's permissions"
        raise error(1501, f"cannot open the timers: {failure.strerror or failure}", next_step=step) from failure
    return True


def _compacted(engine: Engine, partition_id: int) -> int:
    partition = engine.partitions.get(partition_id)
    return 0 if partition is None else partition.compacted


def _delete_group(group: Group, engine: Engine, now_ms: int) -> Entry:
    return engine.decide_delete_group(now_ms, group.queue.name, group.name)


def replay(storage: Storage, engine: Engine, indexes: PartitionIndexes, from_index: int) -> None:
    """Apply the log's entries from an index on, as when they were new. The index of a partition whose compaction became
    complete is made anew: what it kept may lie before those entries."""
    compacted: set[int] = set()
    for stored in storage.entries(from_index):
        entry, spans = decode(stored.body)
        copies = [is_copy(engine, placed) for placed in entry.placed]
        engine.apply(entry, stored.index)
        for placed, copy, (start, size) in zip(entry.placed, copies, spans, strict=True):
            if placed.partition_id in engine.partitions and (not copy or counts(engine, entry, stored.index)):
                place(indexes, placed, stored.body_position + start, size, copy=copy)
                if not copy and isinstance(engine.partitions[placed.partition_id], Shelf):
                    delays.index_stored(engine.timers, placed, stored.body[start : start + size])
        compacted.update(x.partition_id for x in entry.operations if isinstance(x, Compact))
    compacted &= engine.partitions.keys()
    if compacted:
        rebuild_indexes(storage, indexes, engine, storage.max_index(), sorted(compacted))
    for number in compacted:
        engine.partitions[number].indexed = engine.partitions[number].generation


def rebuild_indexes(
    storage: Storage, indexes: PartitionIndexes, engine: Engine, to_index: int, partition_ids: Sequence[int]
) -> None:
    """Make the indexes of partitions anew from the log, up to an entry, whose state the engine has.

    A batch may lie elsewhere than where it was first stored: copied forward, even after that entry, with its first
    place gone. So the log is read twice: for what was copied, which is little, then for all, in order of offset. What a
    compaction kept lies behind younger batches, and is read before them.
    """
    for partition_id in partition_ids:
        indexes.drop(partition_id)
    if compacted := [number for number in partition_ids if engine.partitions[number].generation]:
        _rebuild(storage, indexes, engine, to_index, compacted, kept=True)
    _rebuild(storage, indexes, engine, to_index, partition_ids, kept=False)


def _rebuild(
    storage: Storage,
    indexes: PartitionIndexes,
    engine: Engine,
    to_index: int,
    partition_ids: Sequence[int],
    *,
    kept: bool,
) -> None:
    """Add what compactions kept, or all other batches."""
    moved: dict[int, dict[int, _Stored]] = {}
    ends: dict[int, int] = {}
    partitions = {number: engine.partitions[number] for number in partition_ids}
    for index, placed, position, size in _stored(storage, partitions, kept):
        if index > to_index or placed.base_offset < ends.get(placed.partition_id, 0):
            moved.setdefault(placed.partition_id, {})[placed.base_offset] = placed, position, size
        else:
            ends[placed.partition_id] = placed.base_offset + placed.count
    ends.clear()

    def put(placed: Placed, position: int, size: int) -> None:
        place(indexes, placed, position, size, copy=False)
        ends[placed.partition_id] = placed.base_offset + placed.count

    def put_moved(partition_id: int, before: int) -> None:
        for base in sorted(base for base in moved.get(partition_id, ()) if base < before):
            put(*moved[partition_id].pop(base))

    for index, placed, position, size in _stored(storage, partitions, kept):
        if index > to_index:
            break
        if placed.base_offset >= ends.get(placed.partition_id, 0):
            put_moved(placed.partition_id, placed.base_offset)
            put(*moved.get(placed.partition_id, {}).pop(placed.base_offset, (placed, position, size)))
    for partition_id in list(moved):
        put_moved(partition_id, partitions[partition_id].end)


_Stored = tuple[Placed, int, int]
"""A batch with its position and size in the log."""


def _stored(storage: Storage, partitions: dict[int, Partition], kept: bool) -> Iterator[tuple[int, Placed, int, int]]:
    """The batches of the log that the partitions have, those that their last compaction kept or the others, each with
    the index of its entry."""
    for stored in storage.entries(storage.min_index()):
        entry, spans = decode(stored.body)
        label = next((x.number for x in entry.operations if isinstance(x, Generation)), None)
        if (label is not None) is not kept:
            continue
        for placed, (start, size) in zip(entry.placed, spans, strict=True):
            partition = partitions.get(placed.partition_id)
            if partition is None or not partition.start < placed.base_offset + placed.count <= partition.end:
                continue
            if label is None:
                counted = placed.base_offset >= partition.compacted
            else:
                counted = label == partition.generation and stored.index >= partition.first_index
            if counted:
                yield stored.index, placed, stored.body_position + start, size
