"""Where a group stands in a partition.

Every message below `next` is in exactly one of three places: in flight (`leases`), waiting (`waiting`), or settled,
which is not stored at all. Messages from `next` on were never touched.
"""

from __future__ import annotations

from openmessaging.broker import ranges
from openmessaging.broker.key_order import KeyOrder
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.partition import Partition
from openmessaging.broker.waiting import Waiting


class Cursor:
    """One group's place in one partition; `keys` is soft state of a group with key order, built when first needed."""

    __slots__ = ("keys", "leases", "next", "partition", "waiting")

    def __init__(self, partition: Partition, start: int) -> None:
        self.partition = partition
        self.next = start
        self.waiting = Waiting()
        self.leases: dict[int, HeldLease] = {}
        self.keys: KeyOrder | None = None

    def floor(self) -> int:
        """The offset below which everything is settled."""
        waits = self.waiting.first()
        return min(
            self.next if waits is None else waits,
            min((lease.left[0] for lease in self.leases.values()), default=self.next),
        )

    def unsettled(self) -> list[tuple[int, int]]:
        """Ranges below `next` that are in flight or waiting, in order of offset."""
        found = [(span.start, span.end) for span in self.waiting]
        for lease in self.leases.values():
            found += ranges.pairs(lease.left)
        return sorted(found)

    def hand_out(self, start: int, end: int) -> None:
        """Move messages from waiting or untouched to in flight; untouched ones that are passed over begin to wait."""
        if start < self.next:
            self.waiting.remove(start, end)
            return
        if start > self.next:
            self.waiting.add(self.next, start, 0, 0)
        self.next = end

    def skip(self, start: int, end: int) -> None:
        """Settle messages that are waiting or untouched without handing them out."""
        self.waiting.remove(start, end)
        if end > self.next:
            self.hand_out(max(start, self.next), end)
