"""The broker's state and how each operation of the log changes it.

Hard state (what `snapshot` writes) depends on the log alone: same entries, same state. Soft state (which messages are
durable, whom to wake, heaps of deadlines, key order) serves decisions only, and is rebuilt.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappush
from typing import Any

import msgspec

from openmessaging.broker import copy, filtering, route
from openmessaging.broker import entry as ops
from openmessaging.broker import timed_state as timed
from openmessaging.broker.cursor import Cursor
from openmessaging.broker.entry import Entry
from openmessaging.broker.group import Group
from openmessaging.broker.hall import Hall, PreparedMessages
from openmessaging.broker.key_order import KeyOrder
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.once import Once
from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue
from openmessaging.broker.schedule import Timetable
from openmessaging.broker.shelf import Shelf
from openmessaging.broker.stored import Contents as Contents
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.spi import GroupConfig

_SLACK = 1_000
"""Deadlines of leases that are gone, tolerated before their heap is built anew."""


class State:
    """Queues, groups and leases. Read it freely; only `apply` and its kin change it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Go back to the state before the first entry."""
        self.namespaces: set[str] = {DEFAULT_NAMESPACE}
        self.queues: dict[str, Queue] = {}
        """By full name."""
        self.partitions: dict[int, Partition] = {}
        self.groups: dict[int, Group] = {}
        self.leases: dict[int, HeldLease] = {}
        self.next_queue_id = self.next_partition_id = self.next_group_id = self.next_lease_id = 1
        self.copies: dict[str, copy.Copy] = {}
        """By name."""
        self.woken: set[int] = set()
        """Ids of groups that may have got something to receive; whoever wakes receivers takes them out."""
        self.grown: set[int] = set()
        """Ids of partitions with newly visible messages; whoever wakes readers takes them out."""
        self.durable = -1
        self.prepared = PreparedMessages()
        self.once = Once()
        self.timetable = Timetable()
        self.routes = route.StoredRoutes()
        self._queues_by_id: dict[int, Queue] = {}
        self._pending: deque[tuple[int, Partition, int]] = deque()  # (index, partition, end) not durable yet
        self._seen_later: int | None = None  # index of the entry being applied, when its messages are not visible yet
        self._following: deque[tuple[int, HeldLease, KeyOrder, list[tuple[int, int]]]] = deque()  # (index, …, settled)
        self._deadlines: list[tuple[int, int]] = []  # (ms, lease id), also of leases that are gone
        self._wakes: list[tuple[int, int]] = []  # (ms, group id): a retry becomes due

    def apply(self, entry: Entry, index: int) -> None:
        """Change the state by the entry at an index of the log. Never fails on an entry decided on this state."""
        self._seen_later = index if entry.placed and index > self.durable else None
        for operation in entry.operations:
            _APPLY[type(operation)](self, operation, entry.now_ms)
        for placed in entry.placed:
            partition = self.partitions.get(placed.partition_id)
            # A batch that does not lie at the end is a copy made by reclaim: nothing new.
            if partition is not None and placed.base_offset == partition.end:
                self.apply_send(partition, placed.count, index)

    def apply_send(self, partition: Partition, count: int, index: int) -> None:
        """Append `count` messages by the entry at an index: what `apply` does for a plain send, without the entry."""
        partition.end += count
        if index <= self.durable:
            partition.visible = partition.end
        else:
            self._pending.append((index, partition, partition.end))

    def set_durable(self, index: int) -> None:
        """Entries up to an index are safe: their messages may be handed out. Before a replay, call it with the last
        index of the log."""
        self.durable = index
        pending = self._pending
        while pending and pending[0][0] <= index:
            _, partition, end = pending.popleft()
            partition.visible = end
            self.grown.add(partition.id)
            for group in partition.queue.groups.values():
                self.woken.add(group.id)
        while self._following and self._following[0][0] <= index:
            _, lease, keys, taken = self._following.popleft()
            if lease.cursor.keys is keys:  # else it was read again since, after a seek for example
                self._step_forward(lease, keys, taken)

    def _step_forward(self, lease: HeldLease, keys: KeyOrder, taken: list[tuple[int, int]]) -> None:
        """Let the next messages of the keys of settled ones go out."""
        for start, end in taken:
            keys.settled(start, end)
        self.woken.add(lease.group.id)

    def _create_namespace(self, operation: ops.CreateNamespace, _: int) -> None:
        self.namespaces.add(operation.name)

    def _delete_namespace(self, operation: ops.DeleteNamespace, _: int) -> None:
        self.namespaces.discard(operation.name)

    def _create_queue(self, operation: ops.CreateQueue, _: int) -> None:
        queue = Queue(operation.queue_id, operation.name, dict(operation.config))
        first = operation.first_partition_id
        self.add_queue(queue, [Partition(first + i, i, queue) for i in range(operation.partitions)])
        self.next_queue_id = max(self.next_queue_id, operation.queue_id + 1)
        self.next_partition_id = max(self.next_partition_id, first + operation.partitions)

    def add_queue(self, queue: Queue, partitions: list[Partition]) -> None:
        """Put a queue with its partitions in."""
        queue.partitions = partitions
        queue.count = len(partitions)
        self.partitions.update((partition.id, partition) for partition in partitions)
        self.queues[queue.name] = queue
        self._queues_by_id[queue.id] = queue

    def _create_lane(self, operation: ops.CreateLane, _: int) -> None:
        queue = self._queues_by_id.get(operation.queue_id)
        if queue is not None:
            lane = Partition(
                operation.partition_id, len(queue.partitions), queue, base=operation.base, priority=operation.priority
            )
            self.add_lane(lane)
            for group in queue.groups.values():
                group.add_cursor(lane)
            self.next_partition_id = max(self.next_partition_id, lane.id + 1)

    def add_lane(self, lane: Partition) -> None:
        """Put a lane in."""
        lane.queue.add_lane(lane)
        self.partitions[lane.id] = lane

    def add_shelf(self, queue: Queue, number: int, shelf_id: int, start: int = 0, end: int = 0) -> Shelf:
        """Put a shelf in."""
        hidden = Queue(queue.id, queue.name, {})  # no groups: nobody is woken, and what left may go
        shelf = queue.shelves[number] = Shelf(shelf_id, number, hidden, start, end)
        self.partitions[shelf_id] = shelf
        return shelf

    def is_waiting(self, shelf: int, offset: int) -> bool:
        """Whether a delayed message still waits, by the id of its shelf."""
        found = self.partitions.get(shelf)
        return isinstance(found, Shelf) and found.is_pending(offset)

    def any_waiting(self, shelf: int, start: int, end: int) -> bool:
        """Whether one of the delayed messages `[start, end)` of a shelf still waits."""
        found = self.partitions.get(shelf)
        return isinstance(found, Shelf) and found.pending_in(start, end) > 0

    def _update_queue(self, operation: ops.UpdateQueue, _: int) -> None:
        if (queue := self._queues_by_id.get(operation.queue_id)) is not None:
            queue.configure({**queue.config, **operation.config})
            for group in queue.groups.values():
                filtering.changed(self, group, operation.config)

    def _delete_queue(self, operation: ops.DeleteQueue, _: int) -> None:
        queue = self._queues_by_id.pop(operation.queue_id, None)
        if queue is None:
            return
        del self.queues[queue.name]
        self.once.forget_queue(queue.name)
        for partition in (*queue.partitions, *queue.shelves.values()):
            del self.partitions[partition.id]
        for group in list(queue.groups.values()):
            self._remove_group(group)

    def _create_group(self, operation: ops.CreateGroup, _: int) -> None:
        queue = self._queues_by_id.get(operation.queue_id)
        if queue is not None:
            config = msgspec.convert(operation.config, GroupConfig)
            self.add_group(Group(operation.group_id, operation.name, queue, config, operation.starts))
            self.next_group_id = max(self.next_group_id, operation.group_id + 1)

    def add_group(self, group: Group) -> None:
        """Put a group in."""
        group.queue.groups[group.name] = group
        self.groups[group.id] = group

    def _update_group(self, operation: ops.UpdateGroup, _: int) -> None:
        if (group := self.groups.get(operation.group_id)) is not None:
            group.config = merged(group.config, operation.config)
            filtering.changed(self, group, operation.config)

    def _delete_group(self, operation: ops.DeleteGroup, _: int) -> None:
        if (group := self.groups.get(operation.group_id)) is not None:
            self._remove_group(group)

    def _remove_group(self, group: Group) -> None:
        del self.groups[group.id]
        del group.queue.groups[group.name]
        self.woken.add(group.id)  # who waits for it learns that it is gone
        for cursor in group.cursors:
            for lease_id in cursor.leases:
                del self.leases[lease_id]

    def _lease(self, operation: ops.Lease, _: int) -> None:
        lease_id = operation.lease_id
        self.next_lease_id = lease_id + 1
        group = self.groups[operation.group_id]
        cursor = group.by_partition[operation.partition_id]
        if group.turns.decided is not None:
            group.turns.happened(*group.turns.decided)
        start, end = operation.start, operation.end
        cursor.hand_out(start, end)
        if cursor.keys is not None:
            cursor.keys.handed_out(start, end)
        attempt, deadline_ms = operation.attempt, operation.deadline_ms
        self.add_lease(HeldLease(lease_id, group, cursor, [start, end], attempt, deadline_ms, operation.outside))

    def _hand_over(self, operation: ops.HandOver, _: int) -> None:
        group = self.groups.get(operation.group_id)
        cursor = group.by_partition.get(operation.partition_id) if group is not None else None
        if cursor is not None:
            cursor.hand_out(operation.start, operation.end)

    def add_lease(self, lease: HeldLease) -> None:
        """Put a lease in."""
        self.leases[lease.id] = lease.cursor.leases[lease.id] = lease
        self._remind(lease)

    def _remind(self, lease: HeldLease) -> None:
        heappush(self._deadlines, (lease.deadline_ms, lease.id))
        if len(self._deadlines) > 2 * len(self.leases) + _SLACK:
            self._deadlines = [(held.deadline_ms, held.id) for held in self.leases.values()]
            heapify(self._deadlines)

    def _settle(self, operation: ops.Settle, _: int) -> None:
        lease = self.leases.get(operation.lease_id)
        if lease is None:
            return
        taken = lease.take(operation.ranges)
        keys = lease.cursor.keys
        if keys is not None and self._seen_later is None:
            self._step_forward(lease, keys, taken)
        elif keys is not None and self._seen_later is not None:  # the next of a key is to find what was sent with it
            self._following.append((self._seen_later, lease, keys, taken))
        if not lease.left:
            self._end_lease(lease)

    def _end_lease(self, lease: HeldLease) -> None:
        del self.leases[lease.id]
        del lease.cursor.leases[lease.id]

    def _retry(self, operation: ops.Retry, now_ms: int) -> None:
        lease = self.leases.get(operation.lease_id)
        if lease is not None:
            deliveries = lease.attempt if operation.counted else lease.attempt - 1
            self._give_back(lease, operation.ranges, deliveries, operation.visible_ms)
            self.wake_at(operation.visible_ms, lease.group.id, now_ms)

    def _give_back(
        self, lease: HeldLease, wanted: list[tuple[int, int]] | None, deliveries: int, visible_ms: int
    ) -> None:
        cursor = lease.cursor
        for start, end in lease.take(wanted):
            cursor.waiting.add(start, end, deliveries, visible_ms)
            if cursor.keys is not None and cursor.keys.returned(start, end, visible_ms):
                self.woken.add(lease.group.id)  # the same key may go on in another lane
        if not lease.left:
            self._end_lease(lease)

    def wake_at(self, due_ms: int, group_id: int, now_ms: int) -> None:
        """See to it that a group is woken at a time."""
        if due_ms <= now_ms:
            self.woken.add(group_id)
        else:
            heappush(self._wakes, (due_ms, group_id))

    def _extend(self, operation: ops.Extend, _: int) -> None:
        if (lease := self.leases.get(operation.lease_id)) is not None:
            lease.deadline_ms = operation.deadline_ms
            self._remind(lease)

    def _release_all(self, operation: ops.ReleaseAll, _: int) -> None:
        for lease in list(self.leases.values()):
            if not (lease.outside and operation.keep_outside):
                self._give_back(lease, None, lease.attempt, 0)
                self.woken.add(lease.group.id)

    def _seek(self, operation: ops.Seek, _: int) -> None:
        group = self.groups.get(operation.group_id)
        if group is None:
            return
        old = group.by_partition[operation.partition_id]
        for lease_id in old.leases:
            del self.leases[lease_id]
        new = Cursor(old.partition, operation.offset)
        group.by_partition[operation.partition_id] = group.cursors[old.partition.number] = new
        group.forget_keys(new.partition.base)
        self.woken.add(group.id)
        if group.is_route and group.id in self.routes.by_group:  # what it reads again is no duplicate
            self.routes.by_group[group.id].seen.clear()

    def open_hall(self, partition_id: int, start: int = 0, end: int = 0) -> Hall:
        """Put the hidden partition for prepared messages in."""
        hall = self.partitions[partition_id] = self.prepared.open(partition_id, start, end)
        self.next_partition_id = max(self.next_partition_id, partition_id + 1)
        return hall

    def _trim(self, operation: ops.Trim, _: int) -> None:
        partition = self.partitions.get(operation.partition_id)
        if partition is None or operation.start <= partition.start:
            return
        start = operation.start
        partition.trim(start)
        for group in partition.queue.groups.values():
            cursor = group.by_partition[partition.id]
            if start <= cursor.floor():
                continue  # all of it is settled
            group.forget_keys(partition.base)
            cursor.next = max(cursor.next, start)
            cursor.waiting.remove(0, start)
            for lease in list(cursor.leases.values()):
                lease.take([(0, start)])
                if not lease.left:
                    self._end_lease(lease)

    def _generation(self, _: ops.Generation, __: int) -> None:
        pass

    def _compact(self, operation: ops.Compact, _: int) -> None:
        if (partition := self.partitions.get(operation.partition_id)) is not None:
            partition.generation, partition.compacted = operation.number, operation.end
            partition.holes, partition.first_index = operation.holes, operation.first_index


def merged(config: GroupConfig, changes: dict[str, Any]) -> GroupConfig:
    """Settings with some replaced. Raises msgspec.ValidationError for a wrong type."""
    return msgspec.convert({**msgspec.to_builtins(config), **changes}, GroupConfig)


_APPLY: dict[type[ops.Operation], Any] = {
    ops.CreateNamespace: State._create_namespace,
    ops.DeleteNamespace: State._delete_namespace,
    ops.CreateQueue: State._create_queue,
    ops.UpdateQueue: State._update_queue,
    ops.DeleteQueue: State._delete_queue,
    ops.CreateGroup: State._create_group,
    ops.UpdateGroup: State._update_group,
    ops.DeleteGroup: State._delete_group,
    ops.Lease: State._lease,
    ops.Settle: State._settle,
    ops.Retry: State._retry,
    ops.Extend: State._extend,
    ops.ReleaseAll: State._release_all,
    ops.Seek: State._seek,
    ops.Trim: State._trim,
    ops.CreateLane: State._create_lane,
    ops.CreateShelf: timed.create_shelf,
    ops.Leave: timed.leave,
    ops.OpenProducer: lambda state, operation, _: state.once.open(operation),
    ops.Remember: lambda state, operation, now_ms: state.once.remember(operation, now_ms),
    ops.Expiring: timed.expiring,
    ops.Expire: timed.expire,
    ops.PutSchedule: timed.put_schedule,
    ops.Occur: timed.occur,
    ops.DropSchedule: timed.drop_schedule,
    ops.OpenHall: lambda state, operation, _: state.open_hall(operation.partition_id),
    ops.Prepare: lambda state, operation, now_ms: state.prepared.prepare(operation, now_ms),
    ops.Checked: lambda state, operation, _: state.prepared.checked(operation.transaction_id, operation.next_ms),
    ops.Decide: lambda state, operation, _: state.prepared.decide(operation.transaction_id, operation.committed),
    ops.Generation: State._generation,
    ops.Compact: State._compact,
    ops.CreateCopy: copy.apply_create,
    ops.AdvanceCopy: copy.apply_advance,
    ops.EndCopy: copy.apply_end,
    ops.Select: filtering.apply_select,
    ops.Skip: filtering.apply_skip,
    ops.HandOver: State._hand_over,
    ops.CreateRoute: route.apply_create,
    ops.DeleteRoute: route.apply_delete,
    ops.Routed: route.apply_routed,
}
