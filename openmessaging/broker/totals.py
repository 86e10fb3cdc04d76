"""What the queues have stored and settled so far, and what waits: cheap enough to be looked at each second."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

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
    found: list[QueueTotals] = []
    for queue in queues:
        stored = sum(partition.visible for partition in queue.partitions)
        settled = lag = in_flight = 0
        for group in queue.groups.values():
            behind = group.lag()
            settled += stored - behind
            lag += behind
            in_flight += group.in_flight()
        messages = stored - sum(partition.start + partition.holes for partition in queue.partitions)
        delayed = sum(shelf.pending for shelf in queue.shelves.values())
        found.append(QueueTotals(queue.name, stored, messages, delayed, settled, lag, in_flight))
    return found
