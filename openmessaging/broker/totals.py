"""What the queues have stored and settled so far, and what waits: cheap enough to be looked at each second."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from openmessaging.broker import ranges
from openmessaging.broker.queue import Queue


class QueueTotals(msgspec.Struct, frozen=True, gc=False):
    """The numbers of a queue. Messages that expired or were compacted away are counted as if they were there: exact
    numbers are those of `describe`."""

    name: str
    """Full name."""
    stored: int
    """Messages stored since it was created."""
    messages: int
    """Messages that can still be read."""
    delayed: int
    """Messages that are not due yet."""
    settled: int
    """Of them, those that its groups have settled, once for each group."""
    lag: int
    """Messages that its groups have not settled, once for each group, those in flight included."""
    in_flight: int
    """Messages in the hands of consumers."""


def totals(queues: Iterable[Queue]) -> list[QueueTotals]:
    """The numbers of each queue; the time it takes goes by groups, leases and gaps, not by messages."""
    return list(map(_totals, queues))


def _totals(queue: Queue) -> QueueTotals:
    stored = gone = settled = lag = in_flight = 0
    for partition in queue.partitions:
        stored += partition.visible
        gone += partition.start + partition.holes
    for group in queue.groups.values():
        behind = 0
        for cursor in group.cursors:  # `Group.lag` and `in_flight` in one go, without sorting what they add up
            if cursor.partition.visible > cursor.next:
                behind += cursor.partition.visible - cursor.next
            if cursor.waiting:
                behind += sum(span.end - span.start for span in cursor.waiting)
            if cursor.leases:
                held = sum(ranges.size(lease.left) for lease in cursor.leases.values())
                behind += held
                in_flight += held
        settled += stored - behind
        lag += behind
    delayed = sum(shelf.pending for shelf in queue.shelves.values()) if queue.shelves else 0
    return QueueTotals(queue.name, stored, stored - gone, delayed, settled, lag, in_flight)
