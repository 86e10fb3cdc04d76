"""The hall: who of the prepared messages waits there for a decision, and what was decided. State, see `prepared`."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

import msgspec

from openmessaging.broker.entry import Decide, Prepare
from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue

MAX_DECIDED = 4_096
"""Decisions that are remembered, so that the same again is no error and the opposite is one."""
_MAX_ROLLED_BACK = 1_000
"""Most messages that one tick rolls back."""


class Prepared(msgspec.Struct, array_like=True, gc=False):
    """A message that waits for the decision."""

    transaction_id: str
    offset: int
    """In the hall."""
    queue: str
    partition: int | None
    producer: str
    """Producer id: who may be asked."""
    prepared_ms: int
    next_ms: int
    """When the next check is due."""
    interval_ms: int
    limit: int
    expire_ms: int
    """When it is rolled back even if nobody was there to be asked."""
    directions: dict[str, Any]
    """What else its batch said to the broker."""
    checks: int = 0
    """How often it was asked."""

    @property
    def end_ms(self) -> int:
        """When it is rolled back, as things stand."""
        return min(self.next_ms, self.expire_ms) if self.checks >= self.limit else self.expire_ms


class Hall(Partition):
    """The hidden partition. What lies before the oldest undecided message may go."""

    __slots__ = ("first",)

    def __init__(self, partition_id: int, start: int, end: int) -> None:
        super().__init__(partition_id, 0, Queue(0, "", {}), start, end)
        self.first = end
        """The oldest that waits."""

    def consumed_before(self) -> int:
        """The offset below which all is decided."""
        return self.first


class PreparedMessages:
    """The state: who waits, what was decided. `hall` is made with the first prepared message."""

    def __init__(self) -> None:
        self.hall: Hall | None = None
        self.waiting: dict[str, Prepared] = {}
        """In order of preparation."""
        self.decided: dict[str, bool] = {}
        """Whether it was committed; the oldest first."""
        self._ends: list[tuple[int, str]] = []  # also of what is decided, or ends at another time now

    def open(self, partition_id: int, start: int = 0, end: int = 0) -> Hall:
        """Make the hall."""
        self.hall = Hall(partition_id, start, end)
        return self.hall

    def prepare(self, operation: Prepare, now_ms: int) -> None:
        """A message is prepared."""
        o = operation
        rest = (o.first_ms, o.interval_ms, o.limit, o.expire_ms, o.directions)
        self.add(Prepared(o.transaction_id, o.offset, o.queue, o.partition, o.producer, now_ms, *rest))

    def add(self, prepared: Prepared) -> None:
        """A message begins to wait."""
        self.waiting[prepared.transaction_id] = prepared
        self._remind(prepared)
        self._set_first()

    def checked(self, transaction_id: str, next_ms: int) -> None:
        """A check is handed out."""
        prepared = self.waiting.get(transaction_id)
        if prepared is not None:
            prepared.checks += 1
            prepared.next_ms = next_ms
            self._remind(prepared)

    def decide(self, transaction_id: str, committed: bool) -> None:
        """It waits no more."""
        if self.waiting.pop(transaction_id, None) is None:
            return
        self.decided[transaction_id] = committed
        if len(self.decided) > MAX_DECIDED:
            del self.decided[next(iter(self.decided))]
        self._set_first()

    def next_end(self) -> int | None:
        """When the next one is rolled back, in ms."""
        while self._ends:
            end_ms, transaction_id = self._ends[0]
            prepared = self.waiting.get(transaction_id)
            if prepared is not None and prepared.end_ms == end_ms:
                return end_ms
            heappop(self._ends)
        return None

    def overdue(self, now_ms: int) -> list[Decide]:
        """What has to be rolled back now."""
        if (self.next_end() or now_ms + 1) > now_ms:
            return []
        over = [each.transaction_id for each in self.waiting.values() if each.end_ms <= now_ms]
        return [Decide(transaction_id, False) for transaction_id in over[:_MAX_ROLLED_BACK]]

    def due(self, producer: str, now_ms: int, count: int) -> list[Prepared]:
        """Messages of a producer id whose check is due, the longest waiting first."""
        found = (
            each
            for each in self.waiting.values()
            if each.producer == producer and each.next_ms <= now_ms and each.checks < each.limit
        )
        return [each for each, _ in zip(found, range(count), strict=False)]

    def load(self, waiting: Iterable[Prepared], decided: Iterable[tuple[str, bool]]) -> None:
        """Take over what a snapshot holds."""
        for prepared in waiting:
            self.add(prepared)
        self.decided.update(decided)

    def _remind(self, prepared: Prepared) -> None:
        heappush(self._ends, (prepared.end_ms, prepared.transaction_id))

    def _set_first(self) -> None:
        if self.hall is not None:
            waiting = next(iter(self.waiting.values()), None)
            self.hall.first = self.hall.end if waiting is None else waiting.offset
