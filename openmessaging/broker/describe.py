"""Queues and groups as `describe` shows them."""

from __future__ import annotations

from openmessaging.broker.cursor import Cursor
from openmessaging.broker.group import Group
from openmessaging.broker.queue import Queue
from openmessaging.broker.state import Contents
from openmessaging.model.spi import GroupInfo, QueueInfo


def describe_queue(queue: Queue) -> QueueInfo:
    """A queue; messages that are not durable yet do not count."""
    offsets = [(partition.start, partition.visible) for partition in queue.partitions]
    messages = sum(end - start for start, end in offsets) - sum(partition.holes for partition in queue.partitions)
    lanes = [(lane.base, lane.priority) for lane in queue.partitions[queue.count :]]
    delayed = sum(shelf.pending for shelf in queue.shelves.values())
    expired = sum(group.expired for group in queue.groups.values())
    return QueueInfo(
        queue.name, queue.count, messages, offsets, sorted(queue.groups), dict(queue.config), lanes, delayed, expired
    )


def _gone(cursor: Cursor, contents: Contents) -> int:
    """How many of the offsets that a group has not settled have no message any more. Of a group that stands in what was
    compacted, the batches from there on are read: a few microseconds each."""
    partition = cursor.partition
    floor = cursor.floor()
    if floor >= partition.compacted:
        return 0
    if floor <= partition.start and cursor.next <= partition.start:
        return partition.holes
    found = 0
    for start, end in [*cursor.unsettled(), (cursor.next, partition.compacted)]:
        if start < min(end, partition.compacted):
            _, holes = contents.live(partition.id, start, min(end, partition.compacted), end - start)
            found += sum(last - first for first, last in holes)
    return found


def describe_group(group: Group, contents: Contents) -> GroupInfo:
    """A group, with the age of its oldest message that is not settled read from the contents."""
    floors = [cursor.floor() for cursor in group.cursors]
    behind = [
        (cursor.partition.id, floor)
        for cursor, floor in zip(group.cursors, floors, strict=True)
        if floor < cursor.partition.visible
    ]
    oldest = min((contents.store_ms(partition_id, floor) for partition_id, floor in behind), default=None)
    return GroupInfo(
        group.name,
        group.queue.name,
        group.lag() - sum(_gone(cursor, contents) for cursor in group.cursors),
        group.in_flight(),
        group.retrying(),
        floors,
        group.dead_letter_queue,
        oldest,
        group.config,
        group.expired,
    )
