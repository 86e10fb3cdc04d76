"""Sets of offsets as sorted bounds: `[0, 5, 9, 10]` holds 0 to 4 and 9. Memory grows with the gaps, not the offsets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Range = tuple[int, int]
"""`[start, end)`."""


def holds(bounds: list[int], start: int, end: int) -> bool:
    """Whether all of `[start, end)` is in the set."""
    at = bisect_right(bounds, start)
    return at & 1 == 1 and end <= bounds[at]


def subtract(bounds: list[int], start: int, end: int) -> list[Range]:
    """Take `[start, end)` out of the set, in place; returns what was really taken."""
    left = bisect_left(bounds, start)
    right = bisect_right(bounds, end)
    before = [start] if left & 1 else []
    after = [end] if right & 1 else []
    taken = before + bounds[left:right] + after
    bounds[left:right] = before + after
    return [(taken[i], taken[i + 1]) for i in range(0, len(taken), 2) if taken[i] < taken[i + 1]]


def pairs(bounds: list[int]) -> list[Range]:
    """The set as ranges."""
    return list(zip(bounds[::2], bounds[1::2], strict=True))


def size(bounds: list[int]) -> int:
    """How many offsets the set holds."""
    return sum(bounds[1::2]) - sum(bounds[::2])


def from_offsets(offsets: Sequence[int]) -> list[Range]:
    """Offsets in any order, twice allowed, as ranges that do not touch."""
    if len(offsets) == 1:
        return [(offsets[0], offsets[0] + 1)]
    ordered = sorted(set(offsets))
    if ordered and ordered[-1] - ordered[0] + 1 == len(ordered):
        return [(ordered[0], ordered[-1] + 1)]
    found: list[Range] = []
    for offset in ordered:
        if found and found[-1][1] == offset:
            found[-1] = (found[-1][0], offset + 1)
        else:
            found.append((offset, offset + 1))
    return found
