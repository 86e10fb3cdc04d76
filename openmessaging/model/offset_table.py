"""The newest offset of each key, in 24 bytes a slot: what a compaction and a reader of a table remember of keys.

Keys are kept as 128 bits of BLAKE2b. Two keys that share them would be taken for one: among ten million keys that has
a chance of one in 10^24, and nobody can find two on purpose. A dictionary of strings would take five times the memory.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from struct import Struct

_FIRST_SLOTS = 1_024
_split = Struct("<QQ").unpack


class OffsetTable:
    """A hash table with open addressing, at most two thirds full: 36 to 72 bytes a key while it doubles."""

    def __init__(self) -> None:
        self._clear(_FIRST_SLOTS)

    def _clear(self, slots: int) -> None:
        self._mask = slots - 1
        self._high = array("Q", bytes(8 * slots))
        self._low = array("Q", bytes(8 * slots))
        self._after = array("Q", bytes(8 * slots))  # offset + 1, 0 in a free slot
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, key: str, offset: int) -> None:
        """Note an offset of a key; the last one noted counts."""
        high, low = _split(blake2b(key.encode(), digest_size=16).digest())
        self._put(high, low, offset + 1)
        if self._count * 3 > self._mask * 2:
            self._grow()

    def get(self, key: str) -> int:
        """The offset noted last for a key, -1 for none."""
        high, low = _split(blake2b(key.encode(), digest_size=16).digest())
        return self._after[self._slot(high, low)] - 1

    def _slot(self, high: int, low: int) -> int:
        """Where a key stands, or would."""
        highs, lows, after, mask = self._high, self._low, self._after, self._mask
        slot = low & mask
        while after[slot] and (lows[slot] != low or highs[slot] != high):
            slot = (slot + 1) & mask
        return slot

    def _put(self, high: int, low: int, after: int) -> None:
        slot = self._slot(high, low)
        if not self._after[slot]:
            self._count += 1
            self._high[slot], self._low[slot] = high, low
        self._after[slot] = after

    def _grow(self) -> None:
        old = zip(self._high, self._low, self._after, strict=True)
        self._clear(2 * (self._mask + 1))
        for high, low, after in old:
            if after:
                self._put(high, low, after)
