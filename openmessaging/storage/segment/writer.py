"""Creating segment files: a spare is made ready aside, then gets its header and its name."""

from __future__ import annotations

import contextlib
import errno
import os

from openmessaging.storage.segment.format import (
    SEGMENT_HEADER_BYTES,
    decode_segment_header,
    encode_segment_header,
    segment_name,
)
from openmessaging.storage.segment.reader import Points
from openmessaging.system.disk import Disk, File

FIRST_SEGMENT_BYTES = 4 << 20
ZERO_CHUNK = bytes(1 << 20)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SPARE_SUFFIX = ".tmp"


class Segment:
    """A segment in memory. Its end is where the next one begins, or the end of the log."""

    __slots__ = ("base_index", "base_position", "capacity", "path", "points", "seed")

    def __init__(self, path: str, base_index: int, base_position: int, capacity: int, seed: int) -> None:
        self.path = path
        self.base_index = base_index
        self.base_position = base_position
        self.capacity = capacity
        """Bytes of the file, its header included."""
        self.seed = seed
        self.points = Points()
        """Positions of some entries; those from before the log was opened come when somebody needs them."""

    @property
    def hard_end(self) -> int:
        """The position after the last byte that fits."""
        return self.base_position + self.capacity - SEGMENT_HEADER_BYTES

    @property
    def soft_end(self) -> int:
        """Where ordinary entries stop: the rest is kept back for reserved ones."""
        return self.hard_end - reserve_bytes(self.capacity)


def reserve_bytes(capacity: int) -> int:
    """Bytes of a segment that are kept back: 1/16, at least 256 KiB, never more than a quarter."""
    return min(max(capacity // 16, 256 * 1024), capacity // 4)


def capacity_for(entry_bytes: int, ordinary: int) -> int:
    """The size of a segment that can take an entry: the ordinary one unless the entry is larger than that."""
    need = SEGMENT_HEADER_BYTES + entry_bytes
    if need + reserve_bytes(ordinary) <= ordinary:
        return ordinary
    return max(ordinary, need + max(need // 8, 512 * 1024) + 4096)


def fill_zeros(file: File, start: int, end: int) -> None:
    """Write zeros, with a sync after each few MiB so that nobody else's sync has to wait for all of them."""
    while start < end:
        step = min(end - start, len(ZERO_CHUNK))
        file.write_at(start, [ZERO_CHUNK[:step]])
        start += step
        if start % (4 * len(ZERO_CHUNK)) < step:
            file.sync()


class Spare:
    """A file with its space reserved, waiting to become a segment."""

    __slots__ = ("_directory", "_disk", "capacity", "path")

    def __init__(self, disk: Disk, directory: str, name: str, capacity: int) -> None:
        self._disk = disk
        self._directory = directory
        self.capacity = capacity
        self.path = os.path.join(directory, name + SPARE_SUFFIX)

    def make(self, *, zero_fill: bool) -> None:
        """Reserve the space. Raises OSError (ENOSPC when there is none); nothing is left behind then.

        As much again as a segment keeps back must stay free beside it: snapshots and indexes need room to be written
        on a full disk, for without a snapshot no segment can be dropped.
        """
        if self._disk.free_bytes(self._directory) < self.capacity + 2 * reserve_bytes(self.capacity):
            raise OSError(errno.ENOSPC, "no space for a segment", self.path)
        file = self._disk.open(self.path, create=True)
        try:
            file.allocate(self.capacity)
            if zero_fill:
                fill_zeros(file, 0, self.capacity)
            file.sync()
        except OSError:
            file.close()
            self.discard()
            raise
        file.close()

    def discard(self) -> None:
        """Remove the file; one that is left behind is removed when the log is opened."""
        with contextlib.suppress(OSError):
            self._disk.remove(self.path)

    def publish(self, segment: Segment, header: bytes) -> File:
        """Give the file its header and its name, durably; a file that has a segment's name has a whole header."""
        file = self._disk.open(self.path)
        file.write_at(0, [header])
        file.sync()
        file.close()
        self._disk.rename(self.path, segment.path)
        self._disk.sync_directory(self._directory)
        return self._disk.open(segment.path)


def new_segment(directory: str, base_index: int, base_position: int, capacity: int, salt: int) -> tuple[Segment, bytes]:
    """A segment that begins at an index and position, and its encoded header."""
    header, seed = encode_segment_header(base_index, base_position, capacity, salt)
    path = os.path.join(directory, segment_name(base_position))
    return Segment(path, base_index, base_position, capacity, seed), header


def load_segment(file: File, path: str) -> Segment:
    """Read and check a segment's header. Raises OMSRuntimeException 1101 for a newer format, 1501 for damage."""
    header = decode_segment_header(file.read_at(0, SEGMENT_HEADER_BYTES), path)
    return Segment(path, header.base_index, header.base_position, header.capacity, header.seed)
