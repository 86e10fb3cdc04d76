"""Reading a segment from front to back: the one loop that recovery, replay, verify and dump share."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator

from openmessaging.storage.segment.format import (
    ENTRY,
    ENTRY_HEADER_BYTES,
    ENTRY_MAGIC,
    ENTRY_MARK,
    LAG_UNKNOWN,
    crc_extend,
    decode_entry_header,
    occupied,
)

CHUNK_BYTES = 1 << 20
POINT_ENTRIES = 256
POINT_BYTES = 64 * 1024

Read = Callable[[int, int], bytes]
"""Reads (position, size), shorter where the bytes end."""
Walked = tuple[int, int, int, int, int, bytes, int]
"""Position, size, lag, index, term, then the chunk that holds the entry and where in it the entry begins."""


def walk(read: Read, position: int, index: int, seed: int) -> Iterator[Walked]:
    """Yield whole, checked entries from a position on, as long as their indexes follow one another without a gap.

    Stops at the first bytes that are not such an entry, be it the end, a torn entry or damage: recovery tells which.
    """
    unpack = ENTRY.unpack_from
    want = CHUNK_BYTES
    while True:
        chunk = read(position, want)
        end = len(chunk)
        at = 0
        while end - at >= ENTRY_HEADER_BYTES:
            crc, size, magic, _, kind_lag, found, term = unpack(chunk, at)
            after = at + ((size + 8) & ~7)
            if after > end:
                break
            # the CRC covers the size check and the kind: comparing it is comparing them
            if magic != ENTRY_MAGIC or found != index or crc_extend(seed, chunk[at + 4 : after]) != crc:
                return
            yield position, size, kind_lag & LAG_UNKNOWN, index, term, chunk, at
            position += after - at
            at = after
            index += 1
        if end < want and at == 0:
            return
        header = decode_entry_header(chunk, at)
        if header is None and end - at >= ENTRY_HEADER_BYTES:
            return
        need = occupied(header.size) if header else 0
        if at == 0 and need <= end:  # read again and still not whole: nothing more can come
            return
        want = max(CHUNK_BYTES, need)


def hop(read: Read, position: int, index: int, target: int) -> int:
    """The position of entry `target`, by following the sizes from entry `index`; -1 when the headers do not lead there.

    Does not check CRCs: whoever reads the entry does.
    """
    while index < target:
        header = decode_entry_header(read(position, ENTRY_HEADER_BYTES))
        if header is None or header.index != index:
            return -1
        position += occupied(header.size)
        index += 1
    return position


def find_entries(data: bytes, seed: int, after_index: int) -> Iterator[tuple[int, int, int]]:
    """Search bytes that do not begin with an entry for whole entries with a larger index: yields (at, index, lag)."""
    at = data.find(ENTRY_MARK, 8)
    while at >= 0:
        start = at - 8
        if start % 8 == 0:
            header = decode_entry_header(data, start)
            if header is not None and header.index > after_index:
                end = start + occupied(header.size)
                if end <= len(data) and crc_extend(seed, data[start + 4 : end]) == header.crc:
                    yield start, header.index, header.lag
                    at = end - 1
        at = data.find(ENTRY_MARK, at + 1)


class Points:
    """A sparse map from index to position: one point per 256 entries or 64 KiB, whichever comes first.

    `before` may be called by any thread at any time, the others under a lock.
    """

    __slots__ = ("_map", "next_index", "next_position")

    def __init__(self) -> None:
        self._map = (array("Q"), array("Q"))
        self.next_index = 0
        self.next_position = 0

    def add(self, index: int, position: int) -> None:
        """Note where an entry is; call it when `index` or `position` reached the next one wanted."""
        indexes, positions = self._map
        positions.append(position)
        indexes.append(index)
        self.next_index = index + POINT_ENTRIES
        self.next_position = position + POINT_BYTES

    def before(self, index: int) -> tuple[int, int] | None:
        """The nearest point (index, position) at or before an index, None when there is none."""
        indexes, positions = self._map
        nearest = bisect_right(indexes, index) - 1
        return (indexes[nearest], positions[nearest]) if nearest >= 0 else None

    def first(self) -> int | None:
        """The position of the first point, None when there is none."""
        positions = self._map[1]
        return positions[0] if positions else None

    def prepend(self, earlier: Points) -> None:
        """Put the points of what comes before the first in front of it."""
        (indexes, positions), (own_indexes, own_positions) = earlier._map, self._map
        self._map = (indexes + own_indexes, positions + own_positions)

    def __len__(self) -> int:
        return len(self._map[0])
