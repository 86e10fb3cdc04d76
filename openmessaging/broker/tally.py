"""What leaves no trace in the state: how many messages each group was handed, settled, and gave up."""

from __future__ import annotations

from collections import defaultdict

from openmessaging.broker import ranges
from openmessaging.broker.entry import CreateQueue, Entry, Lease, Settle
from openmessaging.broker.state import State


class Count:
    """Messages of one group since the tally began."""

    __slots__ = ("acknowledged", "dead", "received", "redelivered")

    def __init__(self) -> None:
        self.received = 0
        """Handed out, each time anew."""
        self.redelivered = 0
        """Of those, handed out before."""
        self.acknowledged = 0
        self.dead = 0
        """Become dead letters."""


class Tally:
    """Counts by the id of the group. Called under the runner's lock, once per entry that is no plain send."""

    def __init__(self) -> None:
        self.by_group: defaultdict[int, Count] = defaultdict(Count)

    def applying(self, state: State, entry: Entry) -> None:
        """An entry is about to be applied."""
        for operation in entry.operations:
            kind = type(operation)
            if kind is Lease:
                assert isinstance(operation, Lease)
                count = self.by_group[operation.group_id]
                count.received += operation.end - operation.start
                if operation.attempt > 1:
                    count.redelivered += operation.end - operation.start
            elif kind is Settle:
                assert isinstance(operation, Settle)
                self._settled(state, entry, operation)

    def _settled(self, state: State, entry: Entry, operation: Settle) -> None:
        lease = state.leases.get(operation.lease_id)
        if lease is None:
            return
        spans = operation.ranges
        messages = ranges.size(lease.left) if spans is None else sum(end - start for start, end in spans)
        count = self.by_group[lease.group.id]
        if entry.placed and lease.group.dead_letter_queue in _queues(state, entry):
            count.dead += messages
        else:
            count.acknowledged += messages


def _queues(state: State, entry: Entry) -> set[str]:
    """Names of the queues that an entry puts messages into."""
    found = {operation.name for operation in entry.operations if isinstance(operation, CreateQueue)}
    known = (state.partitions.get(placed.partition_id) for placed in entry.placed)
    return found | {partition.queue.name for partition in known if partition is not None}
