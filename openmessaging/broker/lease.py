"""A lease: messages in the hands of a consumer until a deadline. With the offset it is the receipt of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openmessaging.broker import ranges
from openmessaging.model.errors import error

if TYPE_CHECKING:
    from openmessaging.broker.cursor import Cursor
    from openmessaging.broker.group import Group


class HeldLease:
    """Contiguous messages of one partition, handed out together for the `attempt`-th time; `left` is what the holder
    has not given back yet, as bounds (see `ranges`)."""

    __slots__ = ("attempt", "cursor", "deadline_ms", "group", "id", "left", "outside")

    def __init__(
        self,
        lease_id: int,
        group: Group,
        cursor: Cursor,
        left: list[int],
        attempt: int,
        deadline_ms: int,
        outside: bool = False,
    ) -> None:
        self.id = lease_id
        self.group = group
        self.cursor = cursor
        self.left = left
        self.attempt = attempt
        self.deadline_ms = deadline_ms
        self.outside = outside
        """Whether another process has it than the one that holds the store."""

    def take(self, wanted: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
        """Remove ranges (None: all) from what is left; returns what was really there."""
        left = self.left
        if wanted is None:
            taken = ranges.pairs(left)
            left.clear()
            return taken
        taken = []
        for start, end in wanted:
            if left and left[0] == start and end < left[1]:  # in order, one by one
                left[0] = end
                taken.append((start, end))
            else:
                taken += ranges.subtract(left, start, end)
        return taken


def held_ranges(lease: HeldLease, offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Offsets as ranges, checked against what the lease still holds. Raises 1418."""
    left = lease.left
    spans = ranges.from_offsets(offsets)
    for start, end in spans:
        if not ranges.holds(left, start, end):
            text = f"lease {lease.id} does not hold the offsets {start} to {end - 1} any more, or never did"
            raise error(1418, text, next_step="Acknowledge each message once", field="receipt")
    return spans
