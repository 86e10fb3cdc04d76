"""What is found when a log is opened: where it ends, and whether anything that was acknowledged is missing.

A torn tail and damage look alike at first: bytes that are no whole entry. `docs/design/storage.md` argues the rules by
which `judge` tells them apart.
"""

from __future__ import annotations

import os
import struct

import google_crc32c
import msgspec

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.segment.format import (
    ENTRY_HEADER_BYTES,
    LAG_UNKNOWN,
    SEGMENT_HEADER_BYTES,
    damaged,
    decode_entry_header,
    newer_format,
    occupied,
)
from openmessaging.storage.segment.reader import CHUNK_BYTES, Points, find_entries, walk
from openmessaging.storage.segment.writer import ZERO_CHUNK, Segment
from openmessaging.system.disk import Disk, File

SECTOR_BYTES = 512
CLEAN = "clean"
CLEAN_FORMAT = 1
_CLEAN = struct.Struct(">8sHHqQQ")
_CLEAN_MAGIC = b"OMS-END\0"
_CRC = struct.Struct(">I")


class Cut(msgspec.Struct, frozen=True):
    """A torn tail: never acknowledged as synced, cut off."""

    path: str
    position: int
    index: int
    size_bytes: int
    """From the cut to the last byte that was not zero."""


class Recovery(msgspec.Struct, frozen=True):
    """What opening the log found and did."""

    clean: bool
    """The log was closed in order, nothing had to be read."""
    entries: int
    """Entries that were read and checked."""
    cut: Cut | None


class CleanMark(msgspec.Struct, frozen=True):
    """Where the log ended when it was closed in order."""

    last_index: int
    last_position: int
    """Position of the last entry; equal to `end_position` when the log has none."""
    end_position: int


class Scan(msgspec.Struct):
    """Where the whole entries of a segment end."""

    next_index: int
    position: int
    last_position: int
    """Position of the last entry, the base when there is none."""
    proven: int
    """Last index that a later entry proves to have been synced."""
    entries: int


def segment_read(file: File, segment: Segment, end: int | None = None) -> SegmentRead:
    """A reader by position for `walk`, up to `end` or the end of the file."""
    stop = segment.base_position + file.size() - SEGMENT_HEADER_BYTES if end is None else end
    return SegmentRead(file, segment.base_position, stop)


class SegmentRead:
    """Reads a segment file by position; shorter at its end."""

    def __init__(self, file: File, base: int, end: int) -> None:
        self._file = file
        self._base = base
        self.end = end

    def __call__(self, position: int, size: int) -> bytes:
        """The bytes there are of those wanted."""
        size = min(size, self.end - position)
        return self._file.read_at(position - self._base + SEGMENT_HEADER_BYTES, size) if size > 0 else b""


def scan(read: SegmentRead, segment: Segment) -> Scan:
    """Read and check all entries of a segment, and note points on the way."""
    points = segment.points = Points()
    position = last = segment.base_position
    index, proven = segment.base_index, -1
    for at, size, lag, number, _, _, _ in walk(read, position, index, segment.seed):
        if number >= points.next_index or at >= points.next_position:
            points.add(number, at)
        if lag != LAG_UNKNOWN and number - 1 - lag > proven:
            proven = number - 1 - lag
        last = at
        position = at + ((size + 8) & ~7)
        index = number + 1
    return Scan(index, position, last, proven, index - segment.base_index)


def judge(read: SegmentRead, segment: Segment, found: Scan) -> Cut | None:
    """Decide about the bytes after the last whole entry: None when there are none, the cut when they are a torn tail.

    Raises OMSRuntimeException 1501 when they are damage.
    """
    rest = _rest(read, found.position)
    if not rest:
        return None
    place = (segment.path, found.position, found.next_index)
    for at, index, lag in find_entries(rest, segment.seed, found.next_index):
        if lag != LAG_UNKNOWN and index - 1 - lag >= found.next_index:
            raise _damage(*place, f"a later entry (index {index}, position {found.position + at}) proves it was synced")
    if not _has_gap(rest, found.position - segment.base_position, found.next_index):
        raise _damage(*place, "all of its sectors were written, but its CRC does not match")
    return Cut(*place, len(rest))


def _rest(read: SegmentRead, position: int) -> bytes:
    """The bytes from a position to the last one that is not zero."""
    pieces: list[bytes] = []
    keep = 0
    while chunk := read(position, CHUNK_BYTES):
        position += len(chunk)
        if chunk.count(0) == len(chunk):
            pieces.append(ZERO_CHUNK[: len(chunk)])  # shared: a segment that is mostly free costs no memory
        else:
            pieces.append(chunk)
            keep = len(pieces)
    return b"".join(pieces[:keep]).rstrip(b"\0")


def _has_gap(rest: bytes, file_position: int, index: int) -> bool:
    """Whether the first entry in `rest` (which ends in a byte that is not zero) misses bytes that a crash can lose.

    Space is zeros before it is written, no entry ends in a zero, and a disk writes whole sectors: so what is missing
    shows as a sector, or the entry's part of one, that is all zeros; or, where a system tears at any byte, as a zero
    last byte.
    """
    header = decode_entry_header(rest)
    if header is None or header.index != index:
        if len(rest) < ENTRY_HEADER_BYTES:
            return True
        # the sectors that hold the header, whole: what follows it in its last one tells whether that was written
        extent = min(len(rest), ENTRY_HEADER_BYTES + -(file_position + ENTRY_HEADER_BYTES) % SECTOR_BYTES)
        header = None
    else:
        extent = occupied(header.size)
        if extent > len(rest):
            return True
    at = 0
    while at < extent:
        end = min(extent, at + SECTOR_BYTES - (file_position + at) % SECTOR_BYTES)
        if not rest[at:end].strip(b"\0"):
            return True
        at = end
    return header is not None and rest[extent - 1] == 0


def _damage(path: str, position: int, index: int, what: str) -> OMSRuntimeException:
    return damaged(path, f"{what}; this is not a torn write", position=position, index=index)


def write_clean(disk: Disk, directory: str, mark: CleanMark) -> None:
    """Note that the log was closed in order, durably."""
    fields = _CLEAN.pack(
        _CLEAN_MAGIC, CLEAN_FORMAT, CLEAN_FORMAT ^ 0xFFFF, mark.last_index, mark.last_position, mark.end_position
    )
    path = os.path.join(directory, CLEAN)
    file = disk.open(path + ".tmp", create=True)
    file.truncate(0)
    file.write_at(0, [fields, _CRC.pack(google_crc32c.value(fields))])
    file.sync()
    file.close()
    disk.rename(path + ".tmp", path)
    disk.sync_directory(directory)


def read_clean(disk: Disk, directory: str) -> CleanMark | None:
    """The note of the last close, None when there is none or it cannot be read. Raises 1101 for a newer format."""
    path = os.path.join(directory, CLEAN)
    if not disk.exists(path):
        return None
    data = disk.open(path, read_only=True).read_at(0, _CLEAN.size + _CRC.size)
    if len(data) < _CLEAN.size + _CRC.size:
        return None
    magic, version, complement, last_index, last_position, end_position = _CLEAN.unpack_from(data)
    if magic != _CLEAN_MAGIC or version ^ complement != 0xFFFF:
        return None
    if version != CLEAN_FORMAT:
        raise newer_format(path, version, CLEAN_FORMAT)
    if _CRC.unpack_from(data, _CLEAN.size)[0] != google_crc32c.value(data[: _CLEAN.size]):
        return None
    return CleanMark(last_index, last_position, end_position)


def remove_clean(disk: Disk, directory: str) -> None:
    """Take the note away, durably, before anything is written."""
    if disk.exists(os.path.join(directory, CLEAN)):
        disk.remove(os.path.join(directory, CLEAN))
        disk.sync_directory(directory)


def check_clean(read: SegmentRead, segment: Segment, mark: CleanMark) -> None:
    """Check that the last entry is where the note says. Raises 1501 when it is not: nothing may be missing then."""
    if mark.end_position == segment.base_position and mark.last_index == segment.base_index - 1:
        return
    if mark.last_position < segment.base_position:
        raise damaged(segment.path, "the log was closed in order before this segment", position=mark.last_position)
    for position, size, _, index, _, _, _ in walk(read, mark.last_position, mark.last_index, segment.seed):
        if index == mark.last_index and position + occupied(size) == mark.end_position:
            return
        break
    raise damaged(
        segment.path,
        "the log was closed in order, but its last entry is not there",
        position=mark.last_position,
        index=mark.last_index,
    )
