"""A shelf: the delayed messages of one partition, in a hidden partition of its own that no group reads.

A message waits here from its send until it is fired into the partition it is meant for, cancelled, or moved. Which
ones are still pending is kept as a bit each, in pieces that are dropped when nothing in them is pending: about 1.2 MB
for ten million pending messages, whatever the order in which they leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from openmessaging.broker.partition import Partition

if TYPE_CHECKING:
    from openmessaging.broker.queue import Queue

PIECE = 8192
"""Offsets whose bits lie together."""
_ALL_DONE = b"\xff" * (PIECE >> 3)


class Shelf(Partition):
    """Delayed messages for the partition of the same number; `floor` is the lowest pending offset, or `end`."""

    __slots__ = ("_done", "_done_count", "floor")

    def __init__(self, partition_id: int, number: int, queue: Queue, start: int = 0, end: int = 0) -> None:
        super().__init__(partition_id, number, queue, start, end)
        self.floor = start
        self._done: dict[int, bytearray | None] = {}
        """By piece, the bits of what is not pending any more; None: the whole piece."""
        self._done_count = 0
        """How many are done from `floor` on."""

    @property
    def pending(self) -> int:
        """Messages that wait."""
        return self.end - self.floor - self._done_count

    def is_pending(self, offset: int) -> bool:
        """Whether the message at an offset still waits."""
        if not self.floor <= offset < self.end:
            return False
        number, bit = divmod(offset, PIECE)
        if number not in self._done:
            return True
        piece = self._done[number]
        return piece is not None and not piece[bit >> 3] >> (bit & 7) & 1

    def pending_in(self, start: int, end: int) -> int:
        """How many of `[start, end)` still wait."""
        start, end = max(start, self.floor), min(end, self.end)
        count = 0
        while start < end:
            number, bit = divmod(start, PIECE)
            stop = min(end, (number + 1) * PIECE)
            size = stop - start
            piece = self._done.get(number, b"")
            if piece is not None:
                bits = int.from_bytes(piece, "little") >> bit & (1 << size) - 1
                count += size - bits.bit_count()
            start = stop
        return count

    def waiting(self) -> Iterator[int]:
        """The offsets that wait, in order. Nothing may change meanwhile."""
        at = self.floor
        while at < self.end:
            number, bit = divmod(at, PIECE)
            stop = min(self.end, (number + 1) * PIECE)
            piece = self._done.get(number, b"")
            if piece is not None:
                bits = int.from_bytes(piece, "little") >> bit
                yield from (offset for offset in range(at, stop) if not bits >> (offset - at) & 1)
            at = stop

    def leave(self, offset: int) -> None:
        """The message at an offset waits no more; again is no error."""
        if not self.is_pending(offset):
            return
        number, bit = divmod(offset, PIECE)
        piece = self._done.get(number)
        if piece is None:
            piece = self._done[number] = bytearray(PIECE >> 3)
        piece[bit >> 3] |= 1 << (bit & 7)
        self._done_count += 1
        if offset == self.floor:
            self._rise()
        elif piece == _ALL_DONE:
            self._done[number] = None

    def trim(self, start: int) -> None:
        """Messages below an offset are gone."""
        self.start = start
        if start > self.floor:
            self._done_count -= (start - self.floor) - self.pending_in(self.floor, start)
            for number in range(self.floor // PIECE, start // PIECE):
                self._done.pop(number, None)
            self.floor = start
            self._rise()

    def consumed_before(self) -> int:
        """The offset below which nothing waits."""
        return self.floor

    def _rise(self) -> None:
        """Move the floor to the next offset that waits."""
        while self.floor < self.end and not self.is_pending(self.floor):
            number, bit = divmod(self.floor, PIECE)
            stop = min(self.end, (number + 1) * PIECE)
            piece = self._done[number]
            if piece is None:
                step = stop - self.floor
            else:
                bits = ~(int.from_bytes(piece, "little") >> bit)
                step = min((bits & -bits).bit_length() - 1, stop - self.floor)
            self._done_count -= step
            self.floor += step
            if self.floor % PIECE == 0:
                self._done.pop(number, None)

    def dump(self) -> tuple[int, int, list[tuple[int, bytes]]]:
        """The floor, how many are done from there on, and the bits by piece (none: all of it) for a snapshot."""
        pieces = [(number, bytes(piece or b"")) for number, piece in sorted(self._done.items())]
        return self.floor, self._done_count, pieces

    def load(self, dumped: tuple[int, int, list[tuple[int, bytes]]]) -> None:
        """Take up what `dump` gave."""
        self.floor, self._done_count, pieces = dumped
        self._done = {number: bytearray(piece) if piece else None for number, piece in pieces}
