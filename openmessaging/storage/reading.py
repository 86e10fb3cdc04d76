"""The reading half of the log: from staged entries, cached blocks and segment files, from any thread."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.cache import BLOCK_BYTES, TAIL_BYTES, BlockCache, OpenFiles
from openmessaging.storage.interface import SegmentInfo, StoredEntry
from openmessaging.storage.segment.format import (
    ENTRY_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    crc_extend,
    damaged,
    decode_entry_header,
    occupied,
)
from openmessaging.storage.segment.reader import Points, hop, walk
from openmessaging.storage.segment.writer import Segment


class Group(msgspec.Struct, eq=False):
    """Staged buffers that belong to one segment, each with its position."""

    segment: Segment
    buffers: list[bytes] = []
    positions: list[int] = []


class SegmentList:
    """The segments in order; never changed, only replaced, so that readers need no lock."""

    __slots__ = ("all", "indexes", "positions")

    def __init__(self, segments: list[Segment]) -> None:
        self.all = segments
        self.positions = [segment.base_position for segment in segments]
        self.indexes = [segment.base_index for segment in segments]

    def at_position(self, position: int) -> int:
        """Number of the segment that holds a position, -1 when it was dropped."""
        return bisect_right(self.positions, position) - 1

    def at_index(self, index: int) -> int:
        """Number of the segment that holds an entry, -1 when it was dropped."""
        return bisect_right(self.indexes, index) - 1


class ReadableLog:
    """Everything that only reads. `Log` adds the writing half."""

    def __init__(self, segments: list[Segment], next_index: int, end_position: int, files: OpenFiles) -> None:
        self._lock = threading.Lock()
        self._list = SegmentList(segments)
        self._next_index = next_index
        self._position = end_position
        self._written = end_position
        self._staged: list[Group] = []
        self._flushing: list[Group] = []
        self._files = files
        self._blocks = BlockCache()
        self._recent: tuple[int, int, bytes] = (0, 0, b"")

    def min_index(self) -> int:
        """The first index that can be read."""
        return self._list.indexes[0]

    def max_index(self) -> int:
        """The last index appended, -1 when nothing was."""
        return self._next_index - 1

    def min_position(self) -> int:
        """The first position that can be read."""
        return self._list.positions[0]

    def max_position(self) -> int:
        """The position after the last entry appended."""
        return self._position

    def segments(self) -> list[SegmentInfo]:
        """The segment files, oldest first."""
        segments = self._list.all
        ends = [*self._list.positions[1:], self._position]
        return [
            SegmentInfo(segment.base_index, segment.base_position, end - segment.base_position, segment.path)
            for segment, end in zip(segments, ends, strict=True)
        ]

    def read(self, position: int, size: int) -> bytes:
        """Bytes from a position on. Not checked by a CRC.

        Raises OMSRuntimeException 1418 outside the bounds, 1501 when the disk fails or the file is cut short.
        """
        start, end, block = self._recent
        if start <= position and position + size <= end:
            position -= start
            return block[position : position + size]
        if position < self.min_position() or position + size > self._position or size < 0:
            raise self._outside(f"positions {position} to {position + size}", self.min_position(), self._position)
        if size > BLOCK_BYTES or position + size > self._written:
            return self._bytes(position, size)
        return self._cached(position, size)

    def slice(self, position: int, size: int) -> bytes:
        """Raw bytes of the whole log (OMOI slice), entry headers and pads included; released by dropping it.

        May start and end in mid-entry and cross segments. Raises OMSRuntimeException 1418 outside the bounds.
        """
        if position < self.min_position() or position + size > self._position or size < 0:
            raise self._outside(f"positions {position} to {position + size}", self.min_position(), self._position)
        return self._bytes(position, size)

    def raw(self, base_position: int, at: int, size: int) -> bytes:
        """Bytes of the file of the segment that begins at a position, from the byte `at` on, the header included.

        Raises OMSRuntimeException 1418 when there is no such segment, 1501 for what was not written yet.
        """
        segments = self._list
        number = segments.at_position(base_position) if base_position >= self.min_position() else 0
        if segments.positions[number] != base_position:
            raise self._outside(f"a segment at position {base_position}", self.min_position(), self._position)
        return self._from_file(segments.all[number], base_position + at - SEGMENT_HEADER_BYTES, size)

    def get(self, index: int) -> StoredEntry:
        """The entry at an index, its CRC checked.

        Raises OMSRuntimeException 1418 outside the bounds, 1501 on damage.
        """
        if not self.min_index() <= index < self._next_index:
            raise self._outside(f"index {index}", self.min_index(), self._next_index - 1)
        number, segments = self._list.at_index(index), self._list
        segment = segments.all[number]
        position = self._find(segment, index, self._end_of(segments, number))
        header = decode_entry_header(self.read(position, ENTRY_HEADER_BYTES))
        if header is None or header.index != index or position + occupied(header.size) > self._position:
            raise damaged(segment.path, "the entry's header is damaged", position=position, index=index)
        data = self.read(position, occupied(header.size))
        if crc_extend(segment.seed, data[4:]) != header.crc:
            raise damaged(segment.path, "the entry's CRC does not match", position=position, index=index)
        body = data[ENTRY_HEADER_BYTES : header.size]
        return StoredEntry(header.term, index, position, header.size, body, position + ENTRY_HEADER_BYTES)

    def entries(self, from_index: int) -> Iterator[StoredEntry]:
        """The entries from an index to the last appended, in order, read in large pieces and each checked.

        Raises OMSRuntimeException 1418 when `from_index` was dropped, 1501 on damage with its position.
        """
        if from_index < self.min_index():
            raise self._outside(f"index {from_index}", self.min_index(), self._next_index - 1)
        segments, last, end = self._list, self._next_index - 1, self._position
        index = from_index
        for number in range(segments.at_index(from_index), len(segments.all)):
            segment = segments.all[number]
            stop = end if number == len(segments.all) - 1 else segments.positions[number + 1]
            yield from self._entries_of(segment, index, last, stop)
            index = last + 1 if stop == end else segments.indexes[number + 1]

    def _entries_of(self, segment: Segment, index: int, last: int, stop: int) -> Iterator[StoredEntry]:
        if index > last:
            return

        def read(position: int, size: int) -> bytes:
            return self._bytes(position, min(size, stop - position))

        position = segment.base_position if index == segment.base_index else self._find(segment, index, stop)
        for start, size, _, number, term, chunk, at in walk(read, position, index, segment.seed):
            body = chunk[at + ENTRY_HEADER_BYTES : at + size]
            yield StoredEntry(term, number, start, size, body, start + ENTRY_HEADER_BYTES)
            position = start + occupied(size)
            index = number + 1
        if position < stop:
            raise damaged(segment.path, "the entry is not whole", position=position, index=index)

    def _end_of(self, segments: SegmentList, number: int) -> int:
        return segments.positions[number + 1] if number + 1 < len(segments.positions) else self._position

    def _find(self, segment: Segment, index: int, end: int) -> int:
        """The position of an entry of the segment. Raises 1501 when the headers do not lead there."""
        point = segment.points.before(index)
        if point is None:
            self._load_points(segment, end)
            point = segment.points.before(index)
        position = -1 if point is None else hop(self._up_to_end, point[1], point[0], index)
        if position < 0:
            raise damaged(segment.path, "the entries before it cannot be followed", index=index)
        return position

    def _load_points(self, segment: Segment, end: int) -> None:
        """Read what was there when the log was opened, and note points."""
        first = segment.points.first()
        end = end if first is None else first
        earlier = Points()
        position, index = segment.base_position, segment.base_index

        def read(position: int, size: int) -> bytes:
            return self._bytes(position, min(size, end - position))

        while position < end:
            for start, size, _, number, _, _, _ in walk(read, position, index, segment.seed):
                if number >= earlier.next_index or start >= earlier.next_position:
                    earlier.add(number, start)
                position, index = start + ((size + 8) & ~7), number + 1
            if position < end:  # one damaged body does not hide the entries after it
                header = decode_entry_header(read(position, ENTRY_HEADER_BYTES))
                if header is None or header.index != index:
                    raise damaged(segment.path, "the entry's header is damaged", position=position, index=index)
                earlier.add(index, position)
                position += occupied(header.size)
                index += 1
        with self._lock:
            if segment.points.first() == first:
                segment.points.prepend(earlier)

    def _up_to_end(self, position: int, size: int) -> bytes:
        return self.read(position, min(size, self._position - position)) if position < self._position else b""

    def _cached(self, position: int, size: int) -> bytes:
        segments = self._list
        number = segments.at_position(position)
        base = segments.positions[number]
        end = self._end_of(segments, number)
        block_number = (position - base) // BLOCK_BYTES
        start = base + block_number * BLOCK_BYTES
        wanted = min(position + size, start + BLOCK_BYTES, end)
        block = self._blocks.get((base, block_number), wanted - start)
        if block is None:
            limit = min(start + BLOCK_BYTES, end, self._written)
            if limit == self._written:  # it grows: what was read of it would be read again with the next entry
                start, limit = position, min(limit, max(wanted, position + TAIL_BYTES))
                block = self._from_file(segments.all[number], start, limit - start)
            else:
                block = self._from_file(segments.all[number], start, limit - start)
                self._blocks.put((base, block_number), block)
        self._recent = (start, start + len(block), block)
        piece = block[position - start : wanted - start]
        return piece if wanted == position + size else piece + self._cached(wanted, position + size - wanted)

    def _from_file(self, segment: Segment, position: int, size: int) -> bytes:
        try:
            data = self._files.get(segment.path).read_at(position - segment.base_position + SEGMENT_HEADER_BYTES, size)
        except OSError as failure:
            raise error(
                1501,
                f"cannot read {segment.path} at position {position}: {failure.strerror or failure}",
                next_step="Check the disk and the system's log",
            ) from failure
        if len(data) < size:
            raise damaged(segment.path, "the file is cut short", position=position + len(data))
        return data

    def _bytes(self, position: int, size: int) -> bytes:
        """Bytes without the cache, across segments, from the files and then from what is staged."""
        pieces: list[bytes] = []
        end = position + size
        while position < end:
            with self._lock:
                written = self._written
                staged = staged_bytes([*self._flushing, *self._staged], position, end) if position >= written else None
            if staged is None:
                segments = self._list
                number = segments.at_position(position)
                stop = min(end, written, self._end_of(segments, number))
                staged = self._from_file(segments.all[number], position, stop - position)
            pieces.append(staged)
            position += len(staged)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @staticmethod
    def _outside(what: str, first: int, last: int) -> OMSRuntimeException:
        return error(1418, f"{what} is outside the log, which has {first} to {last}")


def staged_bytes(groups: list[Group], position: int, end: int) -> bytes:
    """Bytes from what is staged, as far as the one group that holds `position` goes."""
    for group in groups:
        number = bisect_right(group.positions, position) - 1
        if number < 0 or position >= group.positions[-1] + len(group.buffers[-1]):
            continue
        pieces = []
        while position < end and number < len(group.buffers):
            skip = position - group.positions[number]
            piece = group.buffers[number][skip : skip + end - position]
            pieces.append(piece)
            position += len(piece)
            number += 1
        return b"".join(pieces)
    raise AssertionError(f"position {position} is neither written nor staged")
