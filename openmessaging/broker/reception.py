"""One receive in the making: which messages are leased, and which turn out to have expired or to be gone."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.broker import expiry
from openmessaging.broker.cursor import Cursor
from openmessaging.broker.entry import AnyOperation, Expire, Lease, Settle
from openmessaging.broker.group import Group
from openmessaging.broker.state import Contents

Bound = Callable[[int, int, int], int]
"""Given partition id, start and end: where a lease from start has to end (start: nothing more now)."""


class Reception:
    """Leases of one receive, in the making."""

    __slots__ = (
        "_bound",
        "_config",
        "_contents",
        "_group_id",
        "_lease_id",
        "_passed",
        "messages",
        "now_ms",
        "open",
        "operations",
    )

    def __init__(
        self, lease_id: int, group: Group, now_ms: int, messages: int, bound: Bound, contents: Contents
    ) -> None:
        self.operations: list[AnyOperation] = []
        self.messages = messages  # how many are still wanted
        self.now_ms = now_ms
        self.open = messages > 0
        self._lease_id = lease_id
        self._group_id = group.id
        self._config = group.config
        self._bound = bound
        self._contents = contents
        self._passed = 0  # runs of expired messages: no more in one entry than it can take

    def lease(self, cursor: Cursor, start: int, end: int, deliveries: int) -> None:
        """Hand out what is wanted of `[start, end)`, in as many leases as the bounds ask for."""
        partition_id = cursor.partition.id
        deadline_ms = self.now_ms + int(self._config.invisible_time * 1000)
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
                    self.operations.append(Expire(self._group_id, partition_id, start, stop))
                    start = stop
                    self._passed += 1
                    self.open = self._passed < expiry.AT_ONCE
                    continue
            operation = Lease(self._lease_id, self._group_id, partition_id, start, stop, deliveries + 1, deadline_ms)
            self.operations.append(operation)
            if holes:  # what is gone is settled as it is leased
                holes = [(first, min(last, stop)) for first, last in holes if first < stop]
                self.operations.append(Settle(self._lease_id, holes))
            self._lease_id += 1
            self.messages -= stop - start - sum(last - first for first, last in holes)
            self.open = self.messages > 0
            start = stop
