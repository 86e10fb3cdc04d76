"""A partition: one sequence of messages of a queue, numbered by offset.

A lane is a partition beside another one, for its messages of one priority; see `openmessaging.broker.priority`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openmessaging.model.headers import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from openmessaging.broker.queue import Queue


class Partition:
    """Messages `start` to `end` (exclusive) can be read; those below `visible` are durable and may be handed out.

    `base` is the number of the partition that a lane belongs to, or its own; `priority` is what its messages have.
    """

    __slots__ = (
        "base",
        "compacted",
        "end",
        "expiring",
        "first_index",
        "generation",
        "holes",
        "id",
        "indexed",
        "number",
        "priority",
        "queue",
        "start",
        "visible",
    )

    def __init__(
        self,
        partition_id: int,
        number: int,
        queue: Queue,
        start: int = 0,
        end: int = 0,
        *,
        base: int | None = None,
        priority: int = DEFAULT_PRIORITY,
    ) -> None:
        self.id = partition_id
        self.expiring = 0
        """Where the last messages that may expire end."""
        self.base = number if base is None else base
        self.priority = priority
        self.number = number
        self.queue = queue
        self.start = start
        self.end = end
        self.visible = end
        self.generation = 0
        """How often it was compacted."""
        self.compacted = 0
        """Below this offset the last compaction kept one message per key; offsets between may have none."""
        self.holes = 0
        """How many offsets from `start` on have none."""
        self.first_index = 0
        """What was kept lies in entries of the log from this one on."""
        self.indexed = 0
        """The generation that the index shows: behind `generation` only while that index could not be written."""

    def consumed_before(self) -> int:
        """The offset below which every group has settled everything; `start` when there is no group."""
        groups = self.queue.groups.values()
        return min((group.cursors[self.number].floor() for group in groups), default=self.start)

    def trim(self, start: int) -> None:
        """Messages below an offset are gone."""
        self.start = start
        if start >= self.compacted:
            self.holes = 0
