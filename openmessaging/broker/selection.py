"""Operations of groups with a condition: see `filtering`."""

from __future__ import annotations

from openmessaging.broker.operation import Operation


class Select(Operation, tag=40, frozen=True):
    """Messages that a group had not touched were looked at, from its place to `end` (exclusive): those in `found`
    (bounds, see `ranges`) match its condition and are handed out, the others are settled. `lease_id` 0: none match."""

    lease_id: int
    group_id: int
    partition_id: int
    end: int
    found: list[int]
    deadline_ms: int
    outside: bool = False
    """As in `Lease`."""


class Skip(Operation, tag=41, frozen=True):
    """Messages in no consumer's hands that do not match a group's condition are settled; `ranges` are [start, end)."""

    group_id: int
    partition_id: int
    ranges: list[tuple[int, int]]
