"""The indexes of all partitions: from an offset or a time to the batch in the log.

New entries wait in memory and are written in blocks; reads go through a bounded cache of blocks. Files are read with
positioned reads, not mapped into memory, so that the process does not grow with the backlog.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.cache import BlockCache, OpenFiles
from openmessaging.storage.index_file import (
    BLOCK_ENTRIES,
    ENTRY_BYTES,
    HEADER_BYTES,
    IndexDamaged,
    IndexEntry,
    IndexFile,
    check_header,
    encode_header,
    entry_is_whole,
    entry_seed,
)
from openmessaging.storage.index_rewrite import IndexRewrite
from openmessaging.system.disk import Disk, File

__all__ = ["IndexDamaged", "IndexEntry", "IndexRewrite", "PartitionIndexes"]

SUFFIX = ".idx"
_BLOCKS = 512
_MAX_BUFFERED = 16_384
_MAX_ADDED = 16_384
_REWRITE_BYTES = 1 << 20
_COPY_BYTES = 1 << 20


class PartitionIndexes:
    """One index per partition, by its id. Any thread may call.

    A partition that was not restored starts empty, whatever a file of that name held. After a failed write the entries
    stay in memory and are written with the next ones.

    Args:
        disk: where the files lie, None to keep everything in memory.
        directory: the directory of the files.
    """

    def __init__(self, disk: Disk | None, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self._lock = threading.RLock()
        self._partitions: dict[int, IndexFile] = {}
        self._files = OpenFiles(disk, 128, writable=True) if disk is not None else None
        self._blocks = BlockCache(_BLOCKS)
        self._buffered = 0
        self._added: deque[tuple[int, int, int, int, int, int]] = deque()
        self._cache_ids = 0
        self._new_files = True
        """Whether names in the directory may not be durable yet: those of an earlier process count."""
        if disk is not None:
            try:
                disk.make_directory(directory)
            except OSError as failure:
                raise self._failed("create", failure) from failure

    def add(self, partition_id: int, base_offset: int, count: int, position: int, size: int, timestamp_ms: int) -> None:
        """Add the next batch of a partition. Times that fall back are raised to the last.

        Raises IndexDamaged when `base_offset` is below the end of what is there.
        """
        added = self._added
        added.append((partition_id, base_offset, count, position, size, timestamp_ms))
        if len(added) >= _MAX_ADDED:
            self.take_in()

    def take_in(self) -> None:
        """Do now, in bulk, what `add` put off. Upkeep calls it, so that senders need not."""
        with self._lock:
            self._take_in()

    def _take_in(self) -> None:
        """Bring what was added to its partitions; every call that reads does this first. A send pays for an append to a
        list only: the work is done in bulk, outside the time in which a sender waits for the disk."""
        added = self._added
        for _ in range(len(added)):  # one by one, and no more than these: another thread may go on appending
            partition_id, base_offset, count, position, size, timestamp_ms = added.popleft()
            partition = self._partitions.get(partition_id) or self._create(partition_id)
            if base_offset < partition.end_offset:
                raise IndexDamaged(partition_id, f"offset {base_offset} was added after {partition.end_offset}")
            partition.last_ms = max(timestamp_ms, partition.last_ms)
            tail = partition.tail
            tail.append(IndexEntry(base_offset, count, position, size, partition.last_ms))
            partition.total += 1
            partition.unsynced = True
            partition.end_offset = base_offset + count
            if self._disk is not None:
                self._buffered += 1
                if len(tail) % BLOCK_ENTRIES == 0:
                    self._spill([partition])
        if self._buffered > _MAX_BUFFERED:
            self._spill(list(self._partitions.values()))

    def find(self, partition_id: int, offset: int) -> IndexEntry | None:
        """The batch that holds an offset, None when none does. Raises IndexDamaged."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            if partition is None:
                return None
            recent = partition.recent
            if recent.base_offset <= offset < recent.base_offset + recent.count:
                return recent
            entry = partition.from_offset(offset)
            return entry if entry is not None and entry.base_offset <= offset else None

    def next(self, partition_id: int, offset: int) -> IndexEntry | None:
        """The first batch that holds or follows an offset, None when none does. Raises IndexDamaged."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            return partition.from_offset(offset) if partition is not None else None

    def before(self, partition_id: int, offset: int) -> IndexEntry | None:
        """The last batch that begins before an offset, None when none does. Raises IndexDamaged."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            if partition is None:
                return None
            number = partition.search(lambda entry: entry.base_offset >= offset) - 1
            return partition.entry(number) if number >= partition.first else None

    def rewrite(self, partition_id: int) -> IndexRewrite:
        """A new index for the beginning of a partition, to be filled and put in place by `replace`."""
        return IndexRewrite(partition_id, self._disk, self._path(partition_id))

    def replace(self, new: IndexRewrite, from_offset: int) -> None:
        """Put a new index in the place of the partition's entries below an offset where a batch begins.

        Raises OMSRuntimeException 1501; the old index is in force then.
        """
        with self._lock:
            self._take_in()
            partition = self._partitions.get(new.partition_id)
            if partition is None:
                new.discard()
                return
            number = partition.search(lambda entry: entry.base_offset >= from_offset)
            try:
                if self._disk is None or self._files is None:
                    partition.tail = new.entries + partition.tail[number:]
                else:
                    partition.spill()
                    while number < partition.stored:
                        data = partition.read(number, min(_COPY_BYTES, (partition.stored - number) * ENTRY_BYTES))
                        new.copy(data)
                        number += len(data) // ENTRY_BYTES
                    new.finish()
                    self._new_files = True
                    self._files.forget(partition.path)
            except OSError as failure:
                new.discard()
                raise self._failed("write", failure) from failure
            partition.first, partition.total = 0, new.total if self._disk is not None else len(partition.tail)
            partition.stored = partition.total if self._disk is not None else 0
            partition.recent = IndexEntry(0, 0, 0, 0, 0)
            partition.renumber(self._next_cache_id())

    def find_time(self, partition_id: int, timestamp_ms: int) -> IndexEntry | None:
        """The first batch stored at or after a time, None when all are older. Raises IndexDamaged."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            if partition is None:
                return None
            number = partition.search(lambda entry: entry.timestamp_ms >= timestamp_ms)
            return partition.entry(number) if number < partition.total else None

    def relocate(self, partition_id: int, base_offset: int, position: int) -> bool:
        """Note that a batch was copied to another position; False when the index does not have it."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            try:
                return partition is not None and partition.relocate(base_offset, position)
            except OSError as failure:
                raise self._failed("write", failure) from failure

    def trim(self, partition_id: int, before_offset: int) -> None:
        """Forget the batches that end at or before an offset. A file whose larger part is dead is rewritten."""
        with self._lock:
            self._take_in()
            partition = self._partitions.get(partition_id)
            if partition is None:
                return
            partition.first = partition.search(lambda entry: entry.base_offset + entry.count > before_offset)
            if self._disk is None:
                del partition.tail[: partition.first]
                partition.renumber(self._next_cache_id())
            elif partition.first * ENTRY_BYTES >= _REWRITE_BYTES and partition.first * 2 > partition.total:
                with contextlib.suppress(OSError):  # the old file is whole: try again with the next trim
                    self._rewrite(self._disk, partition)

    def drop(self, partition_id: int) -> None:
        """Remove the index of a partition; no error when there is none."""
        with self._lock:
            self._take_in()
            self._partitions.pop(partition_id, None)
            if self._disk is None or self._files is None:
                return
            path = self._path(partition_id)
            self._files.forget(path)
            try:
                if self._disk.exists(path):
                    self._disk.remove(path)
            except OSError as failure:
                raise self._failed("remove", failure) from failure

    def sync(self) -> None:
        """Make all entries durable: before a snapshot. Others may call meanwhile.

        Raises OMSRuntimeException 1501 when the disk is full or fails; the snapshot must not be taken then.
        """
        if self._disk is None or self._files is None:
            return
        changed: list[IndexFile] = []
        try:
            with self._lock:
                self._take_in()
                changed = [
                    partition for partition in self._partitions.values() if partition.unsynced and partition.total
                ]
                for partition in changed:
                    if partition.suspect:
                        self._rewrite(self._disk, partition)
                    partition.spill()
                    partition.unsynced = False
                self._buffered = 0
                new_files, self._new_files = self._new_files, False
            for partition in changed:
                with self._lock:
                    file = partition.file() if partition.partition_id in self._partitions else None
                if file is not None:
                    file.sync()
            if new_files:
                self._disk.sync_directory(self._directory)
        except OSError as failure:
            for partition in changed:
                partition.unsynced = partition.suspect = True
            self._new_files = True
            raise self._failed("write", failure) from failure

    def restore(self, partition_id: int, end_offset: int, start_offset: int | None = None) -> None:
        """Take up the file of an earlier run and forget entries at or past `end_offset`: the log after the snapshot is
        replayed and adds them again.

        `start_offset`, when given, is the first offset that is still needed; the entries must reach from there to the
        end. Raises IndexDamaged when they do not: build the index anew from the log, beginning with `drop`.
        """
        if self._disk is None or self._files is None or end_offset == start_offset or end_offset == 0:
            self.drop(partition_id)
            return
        path = self._path(partition_id)
        if not self._disk.exists(path):
            raise IndexDamaged(partition_id, f"{path} is missing")
        with self._lock:
            try:
                partition = IndexFile(partition_id, path, self._files, self._blocks, self._next_cache_id())
                file = self._files.get(path)
                problem = check_header(file.read_at(0, HEADER_BYTES), partition_id, path)
                if problem is not None:
                    raise IndexDamaged(partition_id, f"{path}: {problem}")
                partition.take_up(_count_before(file, partition_id, end_offset))
                self._check_reach(partition, start_offset, end_offset)
                file.truncate(HEADER_BYTES + partition.stored * ENTRY_BYTES)
            except OSError as failure:
                raise self._failed("open", failure) from failure
            self._partitions[partition_id] = partition

    def close(self) -> None:
        """Close the files; what was not synced is added again by the replay."""
        if self._files is not None:
            self._files.clear()

    @staticmethod
    def _check_reach(partition: IndexFile, start_offset: int | None, end_offset: int) -> None:
        if partition.stored == 0:
            raise IndexDamaged(partition.partition_id, f"{partition.path} has no entries before offset {end_offset}")
        last = partition.entry(partition.stored - 1)
        if last.base_offset + last.count != end_offset:
            raise IndexDamaged(partition.partition_id, f"{partition.path} does not reach offset {end_offset}")
        if start_offset is not None and partition.entry(0).base_offset > start_offset:
            raise IndexDamaged(partition.partition_id, f"{partition.path} begins after offset {start_offset}")
        partition.end_offset = end_offset
        partition.last_ms = last.timestamp_ms

    def _create(self, partition_id: int) -> IndexFile:
        path = self._path(partition_id)
        partition = IndexFile(partition_id, path, self._files, self._blocks, self._next_cache_id())
        self._partitions[partition_id] = partition
        self._new_files = True
        return partition

    def _spill(self, partitions: list[IndexFile]) -> None:
        """Write what waits in memory. What fails stays there: `sync` reports it before anything relies on the files."""
        self._buffered = 0
        with contextlib.suppress(OSError):
            for partition in partitions:
                partition.spill()

    def _rewrite(self, disk: Disk, partition: IndexFile) -> None:
        """Copy what is alive to a new file and put that in place of the old one."""
        partition.spill()
        temporary = partition.path + ".tmp"
        file = disk.open(temporary, create=True)
        file.truncate(0)
        file.write_at(0, [encode_header(partition.partition_id)])
        number, end = partition.first, HEADER_BYTES
        while number < partition.stored:
            data = partition.read(number, min(_COPY_BYTES, (partition.stored - number) * ENTRY_BYTES))
            file.write_at(end, [data])
            end += len(data)
            number += len(data) // ENTRY_BYTES
        file.sync()
        file.close()
        disk.rename(temporary, partition.path)
        disk.sync_directory(self._directory)
        if self._files is not None:
            self._files.forget(partition.path)
        partition.renumber(self._next_cache_id())

    def _path(self, partition_id: int) -> str:
        return os.path.join(self._directory, f"{partition_id}{SUFFIX}")

    def _next_cache_id(self) -> int:
        self._cache_ids += 1
        return self._cache_ids

    def _failed(self, what: str, failure: OSError) -> OMSRuntimeException:
        return error(
            1501,
            f"cannot {what} an index in {self._directory}: {failure.strerror or failure}",
            next_step="Check the free space and the disk",
        )


def _count_before(file: File, partition_id: int, end_offset: int) -> int:
    """How many entries begin before an offset. What is not whole counts as past it: it was not yet synced."""
    low, high = 0, (file.size() - HEADER_BYTES) // ENTRY_BYTES
    seed = entry_seed(partition_id)
    while low < high:
        middle = (low + high) // 2
        data = file.read_at(HEADER_BYTES + middle * ENTRY_BYTES, ENTRY_BYTES)
        if entry_is_whole(data, 0, seed) and int.from_bytes(data[:6], "big") < end_offset:
            low = middle + 1
        else:
            high = middle
    return low
