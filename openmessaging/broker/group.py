"""A consumer group: its settings and a cursor per partition of its queue, lanes included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openmessaging.broker import ranges
from openmessaging.broker.cursor import Cursor
from openmessaging.broker.partition import Partition
from openmessaging.broker.priority import Turns
from openmessaging.filters import Condition, compile_condition
from openmessaging.model.dead_letter import queue_of
from openmessaging.model.spi import GroupConfig

if TYPE_CHECKING:
    from openmessaging.broker.queue import Queue

MAX_BACKOFF_MS = 366 * 86_400_000
"""Longest time a message may be put off: about a year."""


class Group:
    """A group of one queue. `cursors` are in order of the partitions' numbers."""

    __slots__ = ("by_partition", "config", "cursors", "expired", "id", "is_route", "name", "queue", "turn", "turns")

    def __init__(self, group_id: int, name: str, queue: Queue, config: GroupConfig, starts: list[int]) -> None:
        self.id = group_id
        self.name = name
        self.queue = queue
        self.config = config
        self.cursors = [Cursor(partition, start) for partition, start in zip(queue.partitions, starts, strict=True)]
        self.by_partition = {cursor.partition.id: cursor for cursor in self.cursors}
        self.expired = 0
        """Messages that expired before they were handed out."""
        self.is_route = False
        """Whether a route reads by it, and not consumers."""
        self.turn = 0  # the partition that is served first; soft state
        self.turns = Turns()
        """Whose turn it is among priorities; soft state."""

    def add_cursor(self, lane: Partition) -> None:
        """A lane came into being: the group starts at its beginning."""
        cursor = Cursor(lane, 0)
        self.cursors.append(cursor)
        self.by_partition[lane.id] = cursor

    def family(self, base: int) -> list[Cursor]:
        """The cursors of a partition and its lanes."""
        lanes = [lane.number for (of, _), lane in self.queue.lanes.items() if of == base]
        return [self.cursors[number] for number in (base, *lanes)]

    def forget_keys(self, base: int) -> None:
        """Drop what is known of the key order of a partition and its lanes: it is read again when next needed."""
        for cursor in self.family(base):
            cursor.keys = None

    def condition(self) -> Condition | None:
        """What a message must fulfil to be handed out: the queue's condition and the group's own; None without any."""
        own, common = self.config.filter, self.queue.config.get("filter")
        if common:
            return compile_condition(common, own) if own else compile_condition(common)
        return compile_condition(own) if own else None

    @property
    def dead_letter_queue(self) -> str:
        """Full name of the queue that gets what failed too often."""
        return queue_of(self.queue.name, self.name)

    def backoff_ms(self, attempt: int, drawn: float) -> int:
        """How long a message stays away after its `attempt`-th delivery; `drawn` is a random number from 0 to 1."""
        return min(int(self.config.backoff.delay(attempt, drawn) * 1000), MAX_BACKOFF_MS)

    def in_flight(self) -> int:
        """Messages in the hands of consumers."""
        return sum(ranges.size(lease.left) for cursor in self.cursors for lease in cursor.leases.values())

    def retrying(self) -> int:
        """Messages that were delivered before and wait for their next attempt."""
        return sum(span.end - span.start for cursor in self.cursors for span in cursor.waiting if span.attempt)

    def lag(self) -> int:
        """Messages not settled yet, those in flight included; not durable ones do not count."""
        fresh = sum(max(0, cursor.partition.visible - cursor.next) for cursor in self.cursors)
        touched = sum(end - start for cursor in self.cursors for start, end in cursor.unsettled())
        return fresh + touched
