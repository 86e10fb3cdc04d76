"""Timers in memory: the messages of a batch, or some that were read from a file.

Next stop of a timer: `timer_index.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.storage.timer_file import Timer


class Chunk:
    """Timers of one shelf in memory, for the offsets from `base` on; sorted when the first of them is looked at."""

    __slots__ = ("_offsets", "at", "base", "dues", "first_ms", "shelf")

    def __init__(self, shelf: int, base: int, dues: Sequence[int]) -> None:
        self.shelf = shelf
        self.base = base
        self.dues = dues
        self.first_ms = min(dues)
        self.at = 0
        self._offsets: Sequence[int] | None = None

    @classmethod
    def of(cls, shelf: int, dues: Sequence[int], offsets: Sequence[int]) -> Chunk:
        """Timers of one shelf, sorted by their times."""
        chunk = cls(shelf, 0, dues)
        chunk._offsets = offsets
        return chunk

    def timer(self) -> Timer | None:
        """The timer at `at`; None past the last."""
        at = self.at
        if at >= len(self.dues):
            return None
        if self._offsets is None:
            order = sorted(range(len(self.dues)), key=self.dues.__getitem__)
            self._offsets = [self.base + place for place in order]
            self.dues = [self.dues[place] for place in order]
        return self.dues[at], self.shelf, self._offsets[at]

    @property
    def next_ms(self) -> int:
        """When the timer at `at` is due; there must be one."""
        return self.first_ms if self._offsets is None else self.dues[self.at]

    def first(self) -> Timer | None:
        """As `timer`, and nothing is sorted for it."""
        if self._offsets is not None:
            return self.timer()
        return self.first_ms, self.shelf, self.base + self.dues.index(self.first_ms)

    def rest(self) -> tuple[Sequence[int], Sequence[int]]:
        """Due times and offsets from `at` on."""
        if self._offsets is None:
            return self.dues, range(self.base, self.base + len(self.dues))
        return self.dues[self.at :], self._offsets[self.at :]
