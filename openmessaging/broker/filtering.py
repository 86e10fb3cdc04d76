"""Receiving for a group with a condition: what matches is handed out, what does not is settled on the way.

Decided here by looking at stored messages, a bounded number per receive; what was decided stands in the entry, so a
replay looks at none. A condition counts for all that is handed out from then on, retries included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from openmessaging.broker import ranges
from openmessaging.broker.entry import Entry, Lease, Select, Skip
from openmessaging.broker.lease import HeldLease
from openmessaging.filters import Condition

if TYPE_CHECKING:
    from typing import Any

    from openmessaging.broker.cursor import Cursor
    from openmessaging.broker.group import Group
    from openmessaging.broker.partition import Partition
    from openmessaging.broker.reception import Reception
    from openmessaging.broker.state import Contents, State

MAX_LOOKED = 4_000
"""Messages after which a receive looks at no further batch; the next one goes on from there."""
MAX_LOOKED_BYTES = 2 << 20
"""The same in bytes of batches."""


class Sieve:
    """A condition and how much of one receive's share of looking is left."""

    def __init__(self, contents: Contents, condition: Condition) -> None:
        self._contents = contents
        self._condition = condition
        self._messages = MAX_LOOKED
        self._bytes = MAX_LOOKED_BYTES

    @property
    def open(self) -> bool:
        """Whether there may be more looking."""
        return self._messages > 0 and self._bytes > 0

    def look(self, partition: Partition, start: int, end: int, wanted: int) -> tuple[list[int], int]:
        """Bounds of the matches from `start` on, at most so many, and the offset before which all was looked at."""
        bounds: list[int] = []
        at = start
        while at < end and wanted > 0 and self.open:
            offsets, stop, size = self._contents.matching(partition, at, end, self._condition)
            if len(offsets) > wanted:
                offsets = offsets[:wanted]
                stop = offsets[-1] + 1
            self._messages -= stop - at
            self._bytes -= size
            wanted -= len(offsets)
            _extend(bounds, offsets)
            at = stop
        return bounds, at

    def misses(self, partition: Partition, start: int, end: int) -> set[int]:
        """The offsets in `[start, end)` that do not match."""
        found = set(range(start, end))
        while start < end:
            offsets, start, _ = self._contents.matching(partition, start, end, self._condition)
            found.difference_update(offsets)
        return found


def serve(reception: Reception, cursors: Iterable[Cursor], sieve: Sieve) -> None:
    """Add to a reception what matches, and settle what does not; for groups without key order."""
    cursors = list(cursors)
    for cursor in cursors:
        if reception.open and len(cursor.waiting):
            for span in cursor.waiting.due(reception.now_ms, reception.messages):
                lease_matching(reception, cursor, sieve, span.start, span.end, span.attempt)
    for cursor in cursors:
        if not (reception.open and sieve.open and cursor.next < cursor.partition.visible):
            continue
        if cursor.next < cursor.partition.expiring:  # what matches may have expired: piece by piece
            lease_matching(reception, cursor, sieve, cursor.next, cursor.partition.visible, 0)
        else:
            found, reached = sieve.look(cursor.partition, cursor.next, cursor.partition.visible, reception.messages)
            reception.select(cursor, reached, found)


def lease_matching(reception: Reception, cursor: Cursor, sieve: Sieve, start: int, end: int, deliveries: int) -> None:
    """Hand out what matches of messages in nobody's hands, and settle what does not."""
    if not (reception.open and sieve.open):
        return
    found, reached = sieve.look(cursor.partition, start, end, reception.messages)
    misses: list[tuple[int, int]] = []
    at = start
    for first, last in [*ranges.pairs(found), (reached, reached)]:
        if at < first:
            misses.append((at, first))
        reception.lease(cursor, first, last, deliveries)
        at = last
    reception.skip(cursor, misses)


def settle_missed(reception: Reception) -> None:
    """Settle what key order came across and passed over."""
    for cursor in reception.group.cursors:
        if cursor.keys is not None and cursor.keys.missed:
            reception.skip(cursor, ranges.from_offsets(list(cursor.keys.missed)))


def _extend(bounds: list[int], offsets: Sequence[int]) -> None:
    for offset in offsets:
        if bounds and bounds[-1] == offset:
            bounds[-1] = offset + 1
        else:
            bounds += (offset, offset + 1)


def leases(entry: Entry) -> list[Lease]:
    """What an entry hands out, each a piece without a gap."""
    found: list[Lease] = []
    for operation in entry.operations:
        if isinstance(operation, Lease):
            found.append(operation)
        elif isinstance(operation, Select):
            found += [
                Lease(
                    operation.lease_id, operation.group_id, operation.partition_id, start, end, 1, operation.deadline_ms
                )
                for start, end in ranges.pairs(operation.found)
            ]
    return found


def apply_select(state: State, operation: Select, _: int) -> None:
    """Move a group past what was looked at, with a lease on what matched."""
    group = state.groups[operation.group_id]
    cursor = group.by_partition[operation.partition_id]
    cursor.next = operation.end
    if operation.lease_id:
        state.next_lease_id = operation.lease_id + 1
        if group.turns.decided is not None:
            group.turns.happened(*group.turns.decided)
        found = list(operation.found)
        state.add_lease(
            HeldLease(operation.lease_id, group, cursor, found, 1, operation.deadline_ms, operation.outside)
        )


def apply_skip(state: State, operation: Skip, _: int) -> None:
    """Settle messages that nobody holds."""
    group = state.groups[operation.group_id]
    cursor = group.by_partition[operation.partition_id]
    for start, end in operation.ranges:
        cursor.skip(start, end)
        if cursor.keys is not None:
            cursor.keys.skipped(start, end)
    state.woken.add(group.id)


def changed(state: State, group: Group, settings: dict[str, Any]) -> None:
    """After a change of settings: what key order knows was seen through the old condition."""
    if "filter" in settings:
        for cursor in group.cursors:  # lanes share what they know
            cursor.keys = None
        state.woken.add(group.id)
