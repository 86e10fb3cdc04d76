"""A partition: one sequence of messages of a queue, numbered by offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmessaging.broker.queue import Queue


class Partition:
    """Messages `start` to `end` (exclusive) can be read; those below `visible` are durable and may be handed out."""

    __slots__ = ("end", "id", "number", "queue", "start", "visible")

    def __init__(self, partition_id: int, number: int, queue: Queue, start: int = 0, end: int = 0) -> None:
        self.id = partition_id
        self.number = number
        self.queue = queue
        self.start = start
        self.end = end
        self.visible = end

    def consumed_before(self) -> int:
        """The offset below which every group has settled everything; `start` when there is no group."""
        groups = self.queue.groups.values()
        return min((group.cursors[self.number].floor() for group in groups), default=self.start)
