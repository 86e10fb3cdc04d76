"""The log in memory: the same interface, nothing kept; for `oms:memory:` and for tests."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.storage.interface import AppendResult, SegmentInfo, StoredEntry
from openmessaging.storage.segment.format import ENTRY_HEADER_BYTES, MAX_ENTRY_BYTES

_CHUNK_ENTRIES = 4096


class _Chunk:
    """Entries in a row: what is dropped together."""

    __slots__ = ("bodies", "index", "position", "positions", "terms")

    def __init__(self, index: int, position: int) -> None:
        self.index = index
        self.position = position
        self.bodies: list[bytes] = []
        self.positions: list[int] = []
        self.terms: list[int] = []


class MemoryLog:
    """A `Storage` whose entries live in memory. `durable_index` is the last one that a flush with sync covered."""

    def __init__(self) -> None:
        self.term = 0
        """Term of the entries appended from now on."""
        self._lock = threading.Lock()
        self._chunks = [_Chunk(0, 0)]
        self._next_index = 0
        self._position = 0
        self._durable = -1
        self.on_backlog: Callable[[], None] = self.write_back
        """Never called."""

    def append(self, parts: Sequence[bytes], *, reserved: bool = False) -> AppendResult:
        """Add one entry, see `Storage.append`. Raises OMSRuntimeException 1413 beyond 64 MiB. Memory has no reserve."""
        del reserved
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(body) > MAX_ENTRY_BYTES:
            raise error(1413, f"an entry of {len(body)} bytes exceeds the limit of {MAX_ENTRY_BYTES} bytes")
        with self._lock:
            index, position = self._next_index, self._position
            chunk = self._chunks[-1]
            if len(chunk.bodies) == _CHUNK_ENTRIES:
                chunk = _Chunk(index, position)
                self._chunks = [*self._chunks, chunk]
            chunk.positions.append(position)
            chunk.terms.append(self.term)
            chunk.bodies.append(body)
            self._position = position + ENTRY_HEADER_BYTES + len(body)
            self._next_index = index + 1
        start = position + ENTRY_HEADER_BYTES
        return AppendResult(self.term, index, position, ENTRY_HEADER_BYTES + len(body), start)

    def flush(self, *, sync: bool = True) -> int:
        """Nothing to write; with `sync` all entries count as durable."""
        last = self._next_index - 1
        if sync:
            self._durable = last
        return last

    def prepare(self) -> bool:
        """Nothing to prepare."""
        return True

    def write_back(self) -> None:
        """Nothing to write."""

    def get(self, index: int) -> StoredEntry:
        """The entry at an index. Raises OMSRuntimeException 1418 outside the bounds."""
        if not self.min_index() <= index < self._next_index:
            raise self._outside(f"index {index}", self.min_index(), self._next_index - 1)
        chunks = self._chunks
        chunk = chunks[bisect_right(chunks, index, key=_index_of) - 1]
        number = index - chunk.index
        position, body = chunk.positions[number], chunk.bodies[number]
        size = ENTRY_HEADER_BYTES + len(body)
        return StoredEntry(chunk.terms[number], index, position, size, body, position + ENTRY_HEADER_BYTES)

    def entries(self, from_index: int) -> Iterator[StoredEntry]:
        """The entries from an index to the last appended. Raises OMSRuntimeException 1418 when it was dropped."""
        if from_index < self.min_index():
            raise self._outside(f"index {from_index}", self.min_index(), self._next_index - 1)
        for index in range(from_index, self._next_index):
            yield self.get(index)

    def read(self, position: int, size: int) -> bytes:
        """Bytes of the body of one entry. Raises OMSRuntimeException 1418 outside of it."""
        chunks = self._chunks
        number = bisect_right(chunks, position, key=_position_of) - 1
        if number >= 0 and self._next_index > 0:
            chunk = chunks[number]
            entry = bisect_right(chunk.positions, position) - 1
            body, start = chunk.bodies[entry], position - chunk.positions[entry] - ENTRY_HEADER_BYTES
            if start >= 0 and size >= 0 and start + size <= len(body):
                return body if size == len(body) else body[start : start + size]
        raise self._outside(f"positions {position} to {position + size}", self.min_position(), self._position)

    def min_index(self) -> int:
        """The first index that can be read."""
        return self._chunks[0].index

    def max_index(self) -> int:
        """The last index appended, -1 when nothing was."""
        return self._next_index - 1

    def min_position(self) -> int:
        """The first position that can be read."""
        return self._chunks[0].position

    def max_position(self) -> int:
        """The position after the last entry."""
        return self._position

    def durable_index(self) -> int:
        """The last index that a flush with sync covered, -1 when none has."""
        return self._durable

    def segments(self) -> list[SegmentInfo]:
        """The chunks, oldest first."""
        chunks = self._chunks
        ends = [*[chunk.position for chunk in chunks[1:]], self._position]
        return [
            SegmentInfo(chunk.index, chunk.position, end - chunk.position, "")
            for chunk, end in zip(chunks, ends, strict=True)
        ]

    def drop_before(self, index: int) -> int:
        """Forget whole chunks (4096 entries) whose entries are all below `index`, never the last; returns how many."""
        with self._lock:
            keep = max(bisect_right(self._chunks, index, key=_index_of) - 1, 0)
            self._chunks = self._chunks[keep:]
        return keep

    def close(self) -> None:
        """Nothing to close."""

    @staticmethod
    def _outside(what: str, first: int, last: int) -> OMSRuntimeException:
        return error(1418, f"{what} is outside the log, which has {first} to {last}")


def _index_of(chunk: _Chunk) -> int:
    return chunk.index


def _position_of(chunk: _Chunk) -> int:
    return chunk.position
