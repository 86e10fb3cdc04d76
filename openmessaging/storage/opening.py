"""Opening a log: find the segments, recover, and leave a file to append to that is durable up to its end."""

from __future__ import annotations

import os
from itertools import pairwise

import msgspec

from openmessaging.model.errors import error
from openmessaging.storage.recovery import (
    CleanMark,
    Cut,
    Recovery,
    Scan,
    check_clean,
    judge,
    read_clean,
    remove_clean,
    scan,
    segment_read,
)
from openmessaging.storage.segment.format import SEGMENT_HEADER_BYTES, damaged, segment_base
from openmessaging.storage.segment.reader import CHUNK_BYTES, hop
from openmessaging.storage.segment.writer import (
    FIRST_SEGMENT_BYTES,
    SPARE_SUFFIX,
    Segment,
    Spare,
    fill_zeros,
    load_segment,
    new_segment,
)
from openmessaging.system.disk import Disk, File


class Opened(msgspec.Struct):
    """A log ready to be used."""

    root: str
    directory: str
    segments: list[Segment]
    next_index: int
    last_position: int
    end_position: int
    file: File
    recovery: Recovery


def open_log(disk: Disk, root: str, *, segment_bytes: int, zero_fill: bool, from_index: int, salt: int) -> Opened:
    """Find or create the segments and recover, see `Log.open`."""
    directory = os.path.join(root, "log")
    try:
        disk.make_directory(directory)
        for name in disk.list(directory):
            if name.endswith(SPARE_SUFFIX):
                disk.remove(os.path.join(directory, name))
        disk.sync_directory(directory)  # a process that died may have left a segment whose name is not yet durable
        mark = read_clean(disk, root)
        segments = load_segments(disk, directory)
        if not segments:
            if mark is not None and mark.last_index >= 0:
                raise damaged(directory, "the log was closed in order, but no segment is there", index=mark.last_index)
            segments = [_first_segment(disk, directory, min(FIRST_SEGMENT_BYTES, segment_bytes), zero_fill, salt)]
        file = disk.open(segments[-1].path)
        opened = _recover(disk, root, segments, file, mark, from_index)
        _ready(opened, zero_fill=zero_fill)
        remove_clean(disk, root)
    except OSError as failure:
        raise error(
            1501,
            f"cannot open the log in {directory}: {failure.strerror or failure}",
            next_step="Check the directory's permissions, the free space and the disk",
        ) from failure
    return opened


def load_segments(disk: Disk, directory: str) -> list[Segment]:
    """Read the headers of all segments, oldest first, and check that they follow one another.

    Raises OMSRuntimeException 1101 for a newer format, 1501 for damage.
    """
    segments: list[Segment] = []
    sizes: list[int] = []
    for name in disk.list(directory):
        base = segment_base(name)
        if base is None:
            continue
        path = os.path.join(directory, name)
        file = disk.open(path, read_only=True)
        segment = load_segment(file, path)
        if segment.base_position != base:
            raise damaged(path, f"its header names position {segment.base_position}")
        segments.append(segment)
        sizes.append(file.size())
        file.close()
    for (left, right), size in zip(pairwise(segments), sizes, strict=False):
        length = right.base_position - left.base_position
        if length <= 0 or size < length + SEGMENT_HEADER_BYTES or right.base_index <= left.base_index:
            what = f"it does not reach the next segment, which starts at {right.base_position}"
            raise damaged(left.path, what, position=left.base_position + size - SEGMENT_HEADER_BYTES)
    return segments


def _first_segment(disk: Disk, directory: str, capacity: int, zero_fill: bool, salt: int) -> Segment:
    spare = Spare(disk, directory, "spare-0", capacity)
    spare.make(zero_fill=zero_fill)
    segment, header = new_segment(directory, 0, 0, capacity, salt)
    spare.publish(segment, header).close()
    return segment


def _recover(
    disk: Disk, root: str, segments: list[Segment], file: File, mark: CleanMark | None, from_index: int
) -> Opened:
    last = segments[-1]
    read = segment_read(file, last)
    directory = os.path.join(root, "log")
    if mark is not None:
        check_clean(read, last, mark)
        opened = Opened(
            root,
            directory,
            segments,
            mark.last_index + 1,
            mark.last_position,
            mark.end_position,
            file,
            Recovery(True, 0, None),
        )
    else:
        entries = _scan_sealed(disk, segments, from_index)
        found = scan(read, last)
        cut = judge(read, last, found)
        if cut is not None:
            _cut(file, last, cut)
        _write_again(file, last, found)
        opened = Opened(
            root,
            directory,
            segments,
            found.next_index,
            found.last_position,
            found.position,
            file,
            Recovery(False, entries + found.entries, cut),
        )
    if from_index > opened.next_index:
        raise damaged(
            last.path,
            f"the log ends here, but entries up to {from_index - 1} had been synced",
            position=opened.end_position,
            index=opened.next_index,
        )
    return opened


def _scan_sealed(disk: Disk, segments: list[Segment], from_index: int) -> int:
    """Check the segments before the last that hold entries from `from_index` on; returns how many entries they have.

    They were synced before the next one was begun, so whatever is wrong with them is damage.
    """
    entries = 0
    for segment, following in pairwise(segments):
        if following.base_index <= from_index:
            continue
        file = disk.open(segment.path, read_only=True)
        found = scan(segment_read(file, segment, following.base_position), segment)
        file.close()
        if (found.position, found.next_index) != (following.base_position, following.base_index):
            raise damaged(segment.path, "the entry is not whole", position=found.position, index=found.next_index)
        entries += found.entries
    return entries


def _cut(file: File, segment: Segment, cut: Cut) -> None:
    """Take the torn bytes away durably, so that they can never be read as something valid later."""
    file.truncate(cut.position - segment.base_position + SEGMENT_HEADER_BYTES)
    file.sync()


def _write_again(file: File, segment: Segment, found: Scan) -> None:
    """Write the entries that may not be on the disk once more.

    If a sync failed before the restart, the system may show what it never wrote, and the next sync would not write it
    either, since it thinks the pages are clean. Written again they are not.
    """
    read = segment_read(file, segment, found.position)
    position = segment.base_position
    point = segment.points.before(found.proven + 1)
    if point is not None:
        position = hop(read, point[1], point[0], found.proven + 1)
    while chunk := read(position, CHUNK_BYTES):
        file.write_at(position - segment.base_position + SEGMENT_HEADER_BYTES, [chunk])
        position += len(chunk)


def _ready(opened: Opened, *, zero_fill: bool) -> None:
    """Give the last segment its whole size again and sync: all that was found is durable from here on."""
    segment, file = opened.segments[-1], opened.file
    size = file.size()
    if size < segment.capacity:
        file.allocate(segment.capacity)
        if zero_fill:
            fill_zeros(file, size, segment.capacity)
    file.sync()
