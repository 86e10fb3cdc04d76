"""How the operations that have to do with time change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openmessaging.broker.shelf import Shelf

if TYPE_CHECKING:
    from openmessaging.broker.state import State
    from openmessaging.broker.timed import CreateShelf, DropSchedule, Expire, Expiring, Leave, Occur, PutSchedule


def create_shelf(state: State, operation: CreateShelf, _: int) -> None:
    """A queue's partition gets a place for its delayed messages."""
    state.next_partition_id = max(state.next_partition_id, operation.partition_id + 1)
    queue = next((each for each in state.queues.values() if each.id == operation.queue_id), None)
    if queue is not None:
        state.add_shelf(queue, operation.number, operation.partition_id)


def leave(state: State, operation: Leave, _: int) -> None:
    """Messages of a shelf wait no more."""
    shelf = state.partitions.get(operation.partition_id)
    if isinstance(shelf, Shelf):
        for offset in operation.offsets:
            shelf.leave(offset)


def expiring(state: State, operation: Expiring, _: int) -> None:
    """A partition may hold messages that expire up to an offset."""
    partition = state.partitions.get(operation.partition_id)
    if partition is not None:
        partition.expiring = max(partition.expiring, operation.end)


def expire(state: State, operation: Expire, _: int) -> None:
    """Messages are settled for a group and counted, without having been handed out."""
    group = state.groups[operation.group_id]
    cursor = group.by_partition[operation.partition_id]
    cursor.hand_out(operation.start, operation.end)
    group.expired += operation.end - operation.start
    if cursor.keys is not None:
        cursor.keys.handed_out(operation.start, operation.end)
        cursor.keys.settled(operation.start, operation.end)
        state.woken.add(group.id)  # the next of a key may have stepped forward


def put_schedule(state: State, operation: PutSchedule, _: int) -> None:
    """A schedule comes into being, or takes the place of another."""
    state.timetable.put(operation.schedule)


def occur(state: State, operation: Occur, _: int) -> None:
    """A schedule goes on."""
    found = state.timetable.by_name.get(operation.name)
    if found is not None:
        next_ms, sent, left_out_ms = operation.next_ms, operation.sent, operation.left_out_ms
        state.timetable.put(msgspec.structs.replace(found, next_ms=next_ms, sent=sent, left_out_ms=left_out_ms))


def drop_schedule(state: State, operation: DropSchedule, _: int) -> None:
    """A schedule goes."""
    state.timetable.drop(operation.name)
