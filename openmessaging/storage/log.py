"""The segmented file log: one endless sequence of entries in preallocated files (OMOI).

`append` stages, `flush` writes and syncs what was staged since the last, `prepare` makes the next segment ready. The
bytes are in `segment/format.py`, what happens at open in `recovery.py` and `opening.py`, the reasons for all of it in
`docs/design/storage.md`.
"""

from __future__ import annotations

import errno
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.cache import OpenFiles
from openmessaging.storage.interface import AppendResult
from openmessaging.storage.opening import Opened, open_log
from openmessaging.storage.reading import Group, ReadableLog, SegmentList
from openmessaging.storage.recovery import CleanMark, write_clean
from openmessaging.storage.segment.format import (
    ENTRY_HEADER_BYTES,
    ENTRY_MAGIC,
    ENTRY_REST,
    KIND,
    LAG_UNKNOWN,
    MAX_ENTRY_BYTES,
    PADS,
    SEGMENT_HEADER_BYTES,
    crc_extend,
)
from openmessaging.storage.segment.writer import (
    FIRST_SEGMENT_BYTES,
    NO_SPACE,
    Segment,
    Spare,
    capacity_for,
    new_segment,
)
from openmessaging.system.disk import Disk

JOIN_BYTES = 8 * 1024
"""Entries up to this size are staged as one piece; the parts of larger ones are kept apart and never copied."""

WRITE_BACK_BYTES = 4 << 20
"""So much may be written without a sync before `on_backlog` is called."""

_pack_rest = ENTRY_REST.pack
_NO_SPACE_STEP = "Free space or let consumers catch up; reading and acknowledging go on meanwhile"


class Log(ReadableLog):
    """A `Storage` in a directory. Open it with `Log.open`, under the store's lock."""

    def __init__(self, disk: Disk, opened: Opened, *, segment_bytes: int, zero_fill: bool, salt: int) -> None:
        super().__init__(opened.segments, opened.next_index, opened.end_position, OpenFiles(disk))
        self.term = 0
        """Term of the entries appended from now on; a single node's is 0."""
        self.recovery = opened.recovery
        """What opening found and did."""
        self._disk = disk
        self._root = opened.root
        self._directory = opened.directory
        self._segment_bytes = segment_bytes
        self._zero_fill = zero_fill
        self._salt = salt
        self._durable = opened.next_index - 1
        self._poison: str | None = None
        self._closed = False
        self._last_position = opened.last_position
        self._spare: Spare | None = None
        self._spares_made = 0
        self._unpublished: dict[Segment, tuple[Spare, bytes]] = {}
        self._unsynced = False
        self._backlog = 0
        """Bytes written without a sync since `on_backlog` was called."""
        self.on_backlog: Callable[[], None] = _nothing
        self._syncing = threading.Lock()
        """Held by whoever syncs what was written before, for the system tells of a lost write to one of them only."""
        self._active = self._writing = opened.segments[-1]
        self._file = opened.file
        self._activate(self._active)

    @classmethod
    def open(
        cls,
        disk: Disk,
        directory: str,
        *,
        zero_fill: bool,
        segment_bytes: int = 64 << 20,
        scan_from: int = 0,
        salt: int = 0,
    ) -> Log:
        """Open or create the log in `directory`, which the caller has locked.

        Args:
            disk: where it lies.
            directory: the store's directory; segments go to `log/` in it.
            zero_fill: write zeros ahead (syncs are faster then: for `flush=always`); else space is only reserved.
            segment_bytes: size that segments grow to, from 4 MiB.
            scan_from: after a crash, entries from here on are read and checked: the index after the newest snapshot.
            salt: 64 random bits; make message bodies unable to pass for entries. Used for new segments.

        Raises:
            OMSRuntimeException: 1501 for damage, with path, position, index, and when the directory cannot be written;
                1101 for a newer format.
        """
        opened = open_log(
            disk, directory, segment_bytes=segment_bytes, zero_fill=zero_fill, from_index=scan_from, salt=salt
        )
        return cls(disk, opened, segment_bytes=segment_bytes, zero_fill=zero_fill, salt=salt)

    def append(self, parts: Sequence[bytes], *, reserved: bool = False) -> AppendResult:
        """Stage one entry, see `Storage.append`. Raises OMSRuntimeException 1413 beyond 64 MiB, 1501."""
        size = ENTRY_HEADER_BYTES
        for part in parts:
            size += len(part)
        taken = (size + 8) & ~7
        if self._position + taken > self._soft_end:
            self._make_room(size, reserved=reserved)
        pad = PADS[taken - size]
        with self._lock:
            position, index = self._position, self._next_index
            lag = index - 1 - self._durable
            head = _pack_rest(
                size,
                ENTRY_MAGIC,
                ((size ^ (size >> 16)) & 0xFFFF) ^ 0xFFFF,
                KIND | (lag if lag < LAG_UNKNOWN else LAG_UNKNOWN),
                index,
                self.term,
            )
            group = self._group
            group.positions.append(position)
            if size <= JOIN_BYTES:
                data = b"".join((head, *parts, pad))
                group.buffers.append(crc_extend(self._seed, data).to_bytes(4, "big") + data)
            else:
                self._stage_large(group, head, parts, pad)
            points = self._active_points
            if index >= points.next_index or position >= points.next_position:
                points.add(index, position)
            self._next_index = index + 1
            self._last_position = position
            self._position = position + taken
        return AppendResult(self.term, index, position, size, position + ENTRY_HEADER_BYTES)

    def _stage_large(self, group: Group, head: bytes, parts: Sequence[bytes], pad: bytes) -> None:
        pieces = [head, *parts, pad]
        crc = self._seed
        for piece in pieces:
            crc = crc_extend(crc, piece)
        pieces[0] = crc.to_bytes(4, "big") + head
        position = group.positions.pop()
        for piece in pieces:
            if piece:
                group.positions.append(position)
                group.buffers.append(piece)
                position += len(piece)

    def flush(self, *, sync: bool = True) -> int:
        """Write what is staged, see `Storage.flush`. Raises OMSRuntimeException 1501."""
        if self._poison is not None:
            raise self._poisoned()
        try:
            with self._lock:
                groups, last, end = self._staged, self._next_index - 1, self._position
                self._group = group = Group(self._active)
                self._staged = [group]
                self._flushing = groups
            if len(groups) > 1:
                for group, following in pairwise(groups):
                    if group.buffers:
                        self._write(group, following.segment.base_position, durable=False)
            if groups[-1].buffers:
                self._write(groups[-1], end, durable=sync)
            if sync and self._unsynced:
                with self._syncing:
                    self._sync_written()
        except BaseException as failure:  # whatever it was, the file may lack a part of what is staged after this
            self._fail(failure)
            if isinstance(failure, OSError):
                raise self._poisoned() from failure
            raise
        with self._lock:
            self._written = end
            self._flushing = []
            if sync:
                self._durable = last
        return last

    def write_back(self) -> None:
        """Bring to the disk what was written without a sync, see `Storage.write_back`."""
        with self._syncing:
            if self._unsynced and self._poison is None and not self._closed:
                try:
                    self._file.sync()
                except OSError as failure:
                    self._fail(failure)

    def _sync_written(self) -> None:
        if self._poison is not None:
            raise self._poisoned()
        self._file.sync()
        self._unsynced = False
        self._backlog = 0

    def _fail(self, failure: BaseException) -> None:
        """Nothing is known any more about what was written last."""
        if self._poison is None:
            reason = failure.strerror if isinstance(failure, OSError) else None
            self._poison = f"{reason or repr(failure)} while writing {self._writing.path}"
        self._soft_end = -1

    def _write(self, group: Group, stop: int, *, durable: bool) -> None:
        segment = group.segment
        buffers = group.buffers
        size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        if group.positions[0] + size != stop:  # an append was interrupted half-way
            raise OSError(errno.EIO, "what is staged does not add up")
        if segment is not self._writing:
            self._publish(segment)
        at = group.positions[0] - segment.base_position + SEGMENT_HEADER_BYTES
        if durable and not self._unsynced:
            self._file.write_durable(at, group.buffers)  # one system call instead of two
        else:
            self._file.write_at(at, group.buffers)
            self._unsynced = True
            self._backlog += size
            if self._backlog >= WRITE_BACK_BYTES:
                self._backlog = 0
                self.on_backlog()

    def _publish(self, segment: Segment) -> None:
        """Go on to a new segment. Whatever came before is durable first: only the last segment can be torn."""
        previous = self._writing
        with self._syncing:
            self._sync_written()
            if previous.base_position < segment.base_position:
                self._file.truncate(segment.base_position - previous.base_position + SEGMENT_HEADER_BYTES)
            self._file.close()
            self._files.forget(segment.path)
            spare, header = self._unpublished[segment]
            self._file = spare.publish(segment, header)
            self._writing = segment
        with self._lock:
            del self._unpublished[segment]

    def _make_room(self, size: int, *, reserved: bool) -> None:
        """Let the entry have its space, in a new segment if need be, or raise."""
        if self._closed:
            raise error(1501, f"the log in {self._directory} is closed")
        if self._poison is not None:
            raise self._poisoned()
        if size - ENTRY_HEADER_BYTES > MAX_ENTRY_BYTES:
            raise error(1413, f"an entry of {size} bytes exceeds the limit of {MAX_ENTRY_BYTES} bytes")
        taken = (size + 8) & ~7
        try:
            self._roll(taken)
        except OSError as failure:
            if reserved and self._position + taken <= self._active.hard_end:
                return
            if failure.errno in NO_SPACE:
                raise error(1501, f"the disk of {self._directory} is full", next_step=_NO_SPACE_STEP) from failure
            reason = f"cannot create a segment in {self._directory}: {failure.strerror or failure}"
            raise error(1501, reason, next_step="Check the disk and the directory's permissions") from failure

    def _roll(self, taken: int) -> None:
        """Let entries go to a new segment from here on; it is published when `flush` comes to it."""
        least = capacity_for(taken, min(FIRST_SEGMENT_BYTES, self._segment_bytes))
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None and spare.capacity < least:
            spare.discard()
            spare = None
        if spare is None:
            spare = self._make_spare(least)
        segment, header = new_segment(self._directory, self._next_index, self._position, spare.capacity, self._salt)
        segments = self._list.all
        if segments[-1].base_position == segment.base_position:  # empty, and too small for the entry: replaced
            segments = segments[:-1]
        with self._lock:
            self._unpublished[segment] = (spare, header)
            self._list = SegmentList([*segments, segment])
            self._activate(segment)

    def _activate(self, segment: Segment) -> None:
        self._active = segment
        self._soft_end = segment.soft_end if self._poison is None else -1
        self._seed = segment.seed
        self._active_points = segment.points
        self._group = Group(segment)
        self._staged.append(self._group)

    def prepare(self) -> bool:
        """Make the next segment ready ahead of need: called by a background thread, may block on the disk.

        Returns whether one is ready. Fails silently: `append` then tries itself and reports what is wrong.
        """
        if self._poison is not None or self._closed:
            return False
        if self._spare is not None:
            return True
        try:
            spare = self._make_spare(min(FIRST_SEGMENT_BYTES, self._segment_bytes))
        except OSError:
            return False
        with self._lock:
            if self._spare is None and not self._closed:
                self._spare = spare
                return True
        spare.discard()
        return not self._closed

    def _next_capacity(self) -> int:
        return min(max(2 * self._active.capacity, FIRST_SEGMENT_BYTES), self._segment_bytes)

    def _make_spare(self, least: int) -> Spare:
        """Space for a segment of the next size; where the disk is short of it half of that, and so on down to `least`.
        Raises OSError."""
        capacity = max(self._next_capacity(), least)
        while True:
            spare = self._new_spare(capacity)
            try:
                spare.make(zero_fill=self._zero_fill)
            except OSError as failure:
                if failure.errno not in NO_SPACE or capacity == least:
                    raise
                capacity = max(capacity // 2, least)
            else:
                return spare

    def _new_spare(self, capacity: int) -> Spare:
        with self._lock:
            self._spares_made += 1
            return Spare(self._disk, self._directory, f"spare-{self._spares_made}", capacity)

    def drop_before(self, index: int) -> int:
        """Delete the segments whose entries are all below `index`, never the last; returns how many.

        Oldest first, each durable before the next, so that a crash leaves no hole. Raises OMSRuntimeException 1501.
        """
        segments = self._list.all
        keep = min(self._list.at_index(index), bisect_left(self._list.positions, self._writing.base_position))
        dropped = 0
        try:
            for segment in segments[: max(keep, 0)]:
                self._disk.sync_directory(self._directory)
                self._files.forget(segment.path)
                self._disk.remove(segment.path)
                dropped += 1
            if dropped:
                self._disk.sync_directory(self._directory)
        except OSError as failure:
            raise error(
                1501,
                f"cannot remove a segment in {self._directory}: {failure.strerror or failure}",
                next_step="Check the disk; it is tried again later",
            ) from failure
        finally:
            with self._lock:
                self._list = SegmentList(self._list.all[dropped:])
        return dropped

    def durable_index(self) -> int:
        """The last index that a sync has covered, -1 when none has."""
        return self._durable

    def close(self) -> None:
        """Flush with sync, note that all is whole, close. Safe to call twice; raises nothing after a failed write."""
        if self._closed:
            return
        try:
            if self._poison is None:
                self.flush()
                mark = CleanMark(self._next_index - 1, self._last_position, self._position)
                write_clean(self._disk, self._root, mark)
        except OSError as failure:
            raise error(1501, f"cannot close the log: {failure.strerror or failure}") from failure
        finally:
            self._closed = True
            self._soft_end = -1
            spares = [spare for spare, _ in self._unpublished.values()]
            for spare in [*spares, *([self._spare] if self._spare else [])]:
                spare.discard()
            self._file.close()
            self._files.clear()

    def _poisoned(self) -> OMSRuntimeException:
        return error(
            1501,
            f"the log is read-only since a write failed: {self._poison}",
            next_step="Check the disk, then open the store again: it recovers what was acknowledged",
        )


def _nothing() -> None:
    pass
