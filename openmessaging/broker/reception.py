"""One receive in the making: what is leased, and what turns out not to match, to have expired or to be gone."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.broker import expiry, ranges
from openmessaging.broker.cursor import Cursor
from openmessaging.broker.entry import AnyOperation, Expire, Lease, Select, Settle, Skip
from openmessaging.broker.filtering import Sieve
from openmessaging.broker.group import Group
from openmessaging.broker.state import Contents

Bound = Callable[[int, int, int], int]
"""Given partition id, start and end: where a lease from start has to end (start: nothing more now)."""


class Reception:
    """What one receive hands out, in the making: `operations` on the state, as long as `messages` are wanted."""

    __slots__ = (
        "_bound",
        "_contents",
        "_lease_id",
        "_lifetime_ms",
        "_passed",
        "group",
        "messages",
        "now_ms",
        "open",
        "operations",
        "outside",
        "sieve",
    )

    def __init__(
        self,
        lease_id: int,
        group: Group,
        now_ms: int,
        messages: int,
        bound: Bound,
        contents: Contents,
        outside: bool = False,
    ) -> None:
        self.operations: list[AnyOperation] = []
        self.messages = messages  # how many are still wanted
        self.now_ms = now_ms
        self.open = messages > 0
        self._lease_id = lease_id
        self.group = group
        self.outside = outside
        """Whether they go to another process than the one that holds the store."""
        self.sieve: Sieve | None = None
        """The condition that messages must fulfil."""
        self._lifetime_ms = int(group.config.invisible_time * 1000)
        self._bound = bound
        self._contents = contents
        self._passed = 0  # runs of expired messages: no more in one entry than it can take

    def lease(self, cursor: Cursor, start: int, end: int, deliveries: int) -> None:
        """Hand out what is wanted of `[start, end)`, in as many leases as the bounds ask for."""
        partition_id = cursor.partition.id
        deadline_ms = self.now_ms + self._lifetime_ms
        while self.open and start < end:
            holes: list[tuple[int, int]] = []
            if start < cursor.partition.compacted:
                stop, holes = self._contents.live(partition_id, start, end, self.messages)
            else:
                stop = min(end, start + self.messages)
            stop = self._bound(partition_id, start, stop)
            if stop <= start:
                self.open = False
                return
            if cursor.partition.compacted <= start < cursor.partition.expiring:
                stop, expired = expiry.first_run(self._contents, partition_id, start, stop, self.now_ms)
                if expired:
                    self.operations.append(Expire(self.group.id, partition_id, start, stop))
                    start = stop
                    self._passed += 1
                    self.open = self._passed < expiry.AT_ONCE
                    continue
            operation = Lease(
                self._lease_id, self.group.id, partition_id, start, stop, deliveries + 1, deadline_ms, self.outside
            )
            self.operations.append(operation)
            if holes:  # what is gone is settled as it is leased
                holes = [(first, min(last, stop)) for first, last in holes if first < stop]
                self.operations.append(Settle(self._lease_id, holes))
            self._lease_id += 1
            self.messages -= stop - start - sum(last - first for first, last in holes)
            self.open = self.messages > 0
            start = stop

    def select(self, cursor: Cursor, reached: int, found: list[int]) -> None:
        """Hand out what was found (bounds) among the untouched messages up to `reached`, in one lease, and settle the
        others; what the bound does not let go out is left for the next time, and what lies behind it."""
        kept: list[int] = []
        for start, end in ranges.pairs(found):
            stop = self._room(cursor.partition.id, start, end)
            if stop > start:
                kept += (start, stop)
            if stop < end:
                reached = stop
                self.open = False
                break
        if reached == cursor.next:
            return
        lease_id = self._lease_id if kept else 0
        deadline_ms = self.now_ms + self._lifetime_ms
        partition_id = cursor.partition.id
        select = Select(lease_id, self.group.id, partition_id, reached, kept, deadline_ms, self.outside)
        self.operations.append(select)
        if kept:
            self._lease_id += 1
            self.messages -= ranges.size(kept)
            self.open = self.open and self.messages > 0

    def skip(self, cursor: Cursor, spans: list[tuple[int, int]]) -> None:
        """Settle messages that nobody holds, without handing them out."""
        if spans:
            self.operations.append(Skip(self.group.id, cursor.partition.id, spans))

    def _room(self, partition_id: int, start: int, end: int) -> int:
        while start < end:
            stop = self._bound(partition_id, start, end)
            if stop <= start:
                break
            start = stop
        return start
