"""The hard state as bytes: one byte of format version, then MessagePack. Same state, same bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from openmessaging.broker import route
from openmessaging.broker.copy import Copy
from openmessaging.broker.group import Group
from openmessaging.broker.hall import Prepared
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.once import Named, Place
from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue
from openmessaging.broker.schedule import Schedule
from openmessaging.broker.state import State
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import GroupConfig

FORMAT = 1


class _Cursor(msgspec.Struct, array_like=True, gc=False):
    next: int
    waiting: list[tuple[int, int, int, int]]
    """(start, end, deliveries, visible ms)"""


class _Group(msgspec.Struct, array_like=True, gc=False):
    id: int
    name: str
    config: dict[str, Any]
    cursors: list[_Cursor]


class _Queue(msgspec.Struct, array_like=True, gc=False):
    id: int
    name: str
    config: dict[str, Any]
    partitions: list[tuple[int, int, int]]
    """(id, start, end)"""
    groups: list[_Group]
    lanes: list[tuple[int, int]] = []
    """(base number, priority) of the last of the partitions: those that are lanes."""


class _Lease(msgspec.Struct, array_like=True, gc=False):
    id: int
    group_id: int
    partition_id: int
    attempt: int
    deadline_ms: int
    left: list[int]
    outside: bool = False


class _Shelf(msgspec.Struct, array_like=True, gc=False):
    queue: str
    number: int
    id: int
    start: int
    end: int
    dumped: tuple[int, int, list[tuple[int, bytes]]]


class _Time(msgspec.Struct, array_like=True, gc=False):
    """What has to do with time; absent in older snapshots."""

    shelves: list[_Shelf]
    expiring: list[tuple[int, int]]
    """(partition id, where the last messages that may expire end)"""
    expired: list[tuple[int, int]]
    """(group id, how many messages expired)"""
    schedules: list[Schedule] = []


class _Transactions(msgspec.Struct, array_like=True, gc=False):
    """Prepared messages, and what was stored already; absent in older snapshots."""

    hall: tuple[int, int, int] | None
    """(id, start, end)"""
    waiting: list[Prepared]
    decided: list[tuple[str, bool]]
    producers: list[tuple[str, Named]]
    keys: list[tuple[str, list[tuple[str, Place]]]]


class _Compaction(msgspec.Struct, array_like=True, gc=False):
    partition_id: int
    generation: int
    compacted: int
    holes: int
    first_index: int


class _State(msgspec.Struct, array_like=True, gc=False):
    counters: tuple[int, int, int, int]
    namespaces: list[str]
    queues: list[_Queue]
    leases: list[_Lease]
    time: _Time | None = None
    transactions: _Transactions | None = None
    compactions: list[_Compaction] = []
    copies: list[Copy] = []
    routes: list[route.Dumped] = []


def dump(state: State) -> bytes:
    """The hard state of a broker as bytes."""
    queues = sorted(state.queues.values(), key=lambda queue: queue.id)
    leases = sorted(state.leases.values(), key=lambda lease: lease.id)
    compacted = [partition for _, partition in sorted(state.partitions.items()) if partition.generation]
    return bytes((FORMAT,)) + msgspec.msgpack.encode(
        _State(
            (state.next_queue_id, state.next_partition_id, state.next_group_id, state.next_lease_id),
            sorted(state.namespaces),
            [_dump_queue(queue) for queue in queues],
            [
                _Lease(x.id, x.group.id, x.cursor.partition.id, x.attempt, x.deadline_ms, x.left, x.outside)
                for x in leases
            ],
            _dump_time(state, queues),
            _dump_transactions(state),
            [_Compaction(x.id, x.generation, x.compacted, x.holes, x.first_index) for x in compacted],
            [copy for _, copy in sorted(state.copies.items())],
            route.dump(state.routes),
        )
    )


def _dump_time(state: State, queues: list[Queue]) -> _Time:
    shelves = [(queue.name, number, shelf) for queue in queues for number, shelf in sorted(queue.shelves.items())]
    partitions = [partition for queue in queues for partition in queue.partitions]
    groups = [group for queue in queues for group in queue.groups.values()]
    return _Time(
        [_Shelf(name, number, each.id, each.start, each.end, each.dump()) for name, number, each in shelves],
        sorted((each.id, each.expiring) for each in partitions if each.expiring),
        sorted((each.id, each.expired) for each in groups if each.expired),
        [schedule for _, schedule in sorted(state.timetable.by_name.items())],
    )


def _load_time(state: State, time: _Time) -> None:
    for shelf in time.shelves:
        made = state.add_shelf(state.queues[shelf.queue], shelf.number, shelf.id, shelf.start, shelf.end)
        made.load(shelf.dumped)
    for partition_id, end in time.expiring:
        state.partitions[partition_id].expiring = end
    for group_id, count in time.expired:
        state.groups[group_id].expired = count
    for schedule in time.schedules:
        state.timetable.put(schedule)


def _dump_transactions(state: State) -> _Transactions:
    prepared, hall = state.prepared, state.prepared.hall
    place = None if hall is None else (hall.id, hall.start, hall.end)
    return _Transactions(
        place,
        list(prepared.waiting.values()),
        list(prepared.decided.items()),
        list(state.once.producers.items()),
        [(queue, list(keys.items())) for queue, keys in sorted(state.once.keys.items())],
    )


def _dump_queue(queue: Queue) -> _Queue:
    groups = sorted(queue.groups.values(), key=lambda group: group.id)
    partitions = [(partition.id, partition.start, partition.end) for partition in queue.partitions]
    lanes = [(partition.base, partition.priority) for partition in queue.partitions[queue.count :]]
    return _Queue(queue.id, queue.name, queue.config, partitions, [_dump_group(group) for group in groups], lanes)


def _dump_group(group: Group) -> _Group:
    cursors = [
        _Cursor(cursor.next, [(span.start, span.end, span.attempt, span.visible_ms) for span in cursor.waiting])
        for cursor in group.cursors
    ]
    return _Group(group.id, group.name, msgspec.to_builtins(group.config), cursors)


def load(state: State, data: bytes) -> None:
    """Replace a state by one that `dump` wrote; everything in it counts as durable.

    Raises OMSRuntimeException 1101 for a newer format, 1501 for damaged bytes; the state is then unchanged.
    """
    if data and data[0] > FORMAT:
        raise OMSRuntimeException(1101, f"snapshot format {data[0]} is not known", next_step="Upgrade openmessaging")
    try:
        stored = msgspec.msgpack.decode(memoryview(data)[1:], type=_State)
    except msgspec.DecodeError as cause:
        raise OMSRuntimeException(1501, f"damaged snapshot: {cause}", next_step="Run `oms store verify`") from cause
    state.clear()
    state.next_queue_id, state.next_partition_id, state.next_group_id, state.next_lease_id = stored.counters
    state.namespaces = set(stored.namespaces)
    for stored_queue in stored.queues:
        _load_queue(state, stored_queue)
    if stored.time is not None:
        _load_time(state, stored.time)
    state.copies = {copy.name: copy for copy in stored.copies}
    route.load(state, stored.routes)
    for compaction in stored.compactions:
        partition = state.partitions[compaction.partition_id]
        partition.generation = partition.indexed = compaction.generation
        partition.compacted, partition.holes = compaction.compacted, compaction.holes
        partition.first_index = compaction.first_index
    for x in stored.leases:
        group = state.groups[x.group_id]
        cursor = group.by_partition[x.partition_id]
        state.add_lease(HeldLease(x.id, group, cursor, x.left, x.attempt, x.deadline_ms, x.outside))
    if stored.transactions is not None:
        if stored.transactions.hall is not None:
            state.open_hall(*stored.transactions.hall)
        state.prepared.load(stored.transactions.waiting, stored.transactions.decided)
        state.once.producers.update(stored.transactions.producers)
        state.once.keys.update((queue, dict(keys)) for queue, keys in stored.transactions.keys)


def _load_queue(state: State, stored: _Queue) -> None:
    queue = Queue(stored.id, stored.name, stored.config)
    count = len(stored.partitions) - len(stored.lanes)
    state.add_queue(
        queue, [Partition(x[0], number, queue, x[1], x[2]) for number, x in enumerate(stored.partitions[:count])]
    )
    for number, (base, priority) in enumerate(stored.lanes, count):
        partition_id, start, end = stored.partitions[number]
        state.add_lane(Partition(partition_id, number, queue, start, end, base=base, priority=priority))
    for x in stored.groups:
        config = msgspec.convert(x.config, GroupConfig)
        group = Group(x.id, x.name, queue, config, [cursor.next for cursor in x.cursors])
        state.add_group(group)
        for cursor, stored_cursor in zip(group.cursors, x.cursors, strict=True):
            for start, end, attempt, visible_ms in stored_cursor.waiting:
                cursor.waiting.add(start, end, attempt, visible_ms)
                state.wake_at(visible_ms, group.id, 0)
