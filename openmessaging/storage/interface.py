"""The storage interface (OMOI, openmessaging-storage 0.1): one endless append-only sequence of entries.

An entry has an *index* (0, 1, 2 … without gaps) and a *position*, a virtual byte position that only grows. What
upstream leaves open is decided here: `append` stages and `flush` makes durable, so that one sync covers all entries
staged since the last; an empty store has `min_index` 0 and `max_index` -1; reads past the end and before the start
raise `OMSRuntimeException` 1418.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec


class AppendResult(msgspec.Struct, frozen=True, gc=False):
    """Where an entry was put (OMOI OMAppendResult)."""

    term: int
    index: int
    position: int
    size: int
    """Bytes of the whole entry, its header included."""
    body_position: int
    """Position of the first byte of the body."""


class StoredEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry as read back (OMOI OMEntry), with its body."""

    term: int
    index: int
    position: int
    size: int
    body: bytes
    body_position: int
    """Position of the first byte of the body; `Storage.read` takes positions inside it."""


class SegmentInfo(msgspec.Struct, frozen=True):
    """A piece of a log that can be given up as a whole."""

    base_index: int
    base_position: int
    size_bytes: int
    """Bytes of its entries."""
    path: str
    """File it lies in; empty in memory."""


class Storage(Protocol):
    """An append-only log of entries. `append`, `trim` and `close` are called under the owner's lock; `flush` by one
    thread at a time, while others append and read; reads from any thread."""

    def append(self, parts: Sequence[bytes], *, reserved: bool = False) -> AppendResult:
        """Stage one entry whose body is the parts one after the other; index and position are fixed at once.

        `reserved` entries (acknowledgements, housekeeping) may use the space that is kept back when the disk is full.
        Raises OMSRuntimeException 1501 when there is no space (the entry is not staged; space that returns clears it)
        and when the log is poisoned by a failed write or sync (read-only until reopened).
        """
        ...

    def flush(self, *, sync: bool = True) -> int:
        """Write what is staged, with `sync` make it durable; returns the index of the last entry written.

        An entry is readable from the moment `append` returned. Raises OMSRuntimeException 1501 once a write or sync
        has failed; the log is then poisoned.
        """
        ...

    def get(self, index: int) -> StoredEntry:
        """The entry at an index. Raises OMSRuntimeException 1418 outside the bounds, 1501 on damage (with position)."""
        ...

    def read(self, position: int, size: int) -> bytes:
        """Bytes of an entry from a position inside it: what an index of batches points to. Not checked by a CRC."""
        ...

    def entries(self, from_index: int) -> Iterator[StoredEntry]:
        """The entries from an index to the one that is last now. Raises as `get`, while iterating."""
        ...

    def segments(self) -> list[SegmentInfo]:
        """The pieces that `drop_before` can give up, oldest first; the last one grows."""
        ...

    def drop_before(self, index: int) -> int:
        """Give up whole segments whose entries are all below an index, never the last; returns how many."""
        ...

    def prepare(self) -> bool:
        """Make room ahead of need, on a thread that may wait for the disk; returns whether there is some."""
        ...

    on_backlog: Callable[[], None]
    """Called by `flush` when much was written that no sync has covered: a good moment for `write_back`."""

    def write_back(self) -> None:
        """Bring what was written to the disk, on a thread that may wait for it, beside appends and flushes. Promises
        nothing, but the next sync has less to do; when it fails, the log is poisoned as by a failed sync."""
        ...

    def min_index(self) -> int:
        """The first index that can be read; rises when segments are reclaimed."""
        ...

    def max_index(self) -> int:
        """The last index appended, -1 when nothing was."""
        ...

    def min_position(self) -> int:
        """The first position that can be read."""
        ...

    def max_position(self) -> int:
        """The position after the last entry appended."""
        ...

    def durable_index(self) -> int:
        """The last index that a sync has covered, -1 when none has."""
        ...

    def close(self) -> None:
        """Flush with sync and close. Safe to call twice."""
        ...
