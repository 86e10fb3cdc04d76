"""From a requester straight into the hands of a service that waits: a request is stored and taken in one entry.

On the long way a message is appended, written, seen, looked up, leased by a second entry, read again, and settled by a
third. A request that a consumer waits for, and that must be handled at most once, needs none of that: its bytes are
here, and once taken it is done for the queue (`HandOver`). It is on its way when the entry is staged; what is written
later, `BULK` of them at once or within a second, is but the record of a request that nobody will handle again. A store
with `flush=always` does not do it: there a message is on disk before anybody sees it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from openmessaging.broker.cursor import Cursor
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import FORMAT, HEAD, PLACE, Entry, HandOver
from openmessaging.broker.group import Group
from openmessaging.model.batch import Batch
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import HANDED_OVER
from openmessaging.model.spi import Backoff, Delivery, GroupConfig, OutgoingBatch

if TYPE_CHECKING:
    from openmessaging.broker.runner import Runner

_PLAIN = GroupConfig()
BULK = 64
"""Handed over requests that are written at once. The thread of upkeep, which writes the last of them, would do it as
well, but two threads at work in one interpreter cost each request more than its share of the write."""
_encode = msgspec.msgpack.Encoder().encode


@lru_cache(maxsize=1_000)
def is_plain(config: GroupConfig) -> bool:
    """Whether a group takes all messages as they come: nothing in its settings that has to look at them."""
    plain = msgspec.structs.replace(
        config, start=_PLAIN.start, invisible_time=_PLAIN.invisible_time, backoff=Backoff(), broadcast=_PLAIN.broadcast
    )
    return plain == _PLAIN


def taker(engine: Engine, outgoing: OutgoingBatch) -> tuple[Group, Cursor] | None:
    """The one group of a batch's queue, and where it stands in the partition that the batch goes to, if it can be
    handed the batch at once.

    None where it has to go the long way: other groups want it too, something lies before it, it has a priority, the
    group has rules that must look at it, or there is no such queue or partition.
    """
    queue = engine.queues.get(outgoing.destination)
    if queue is None or len(queue.groups) != 1 or queue.lanes or queue.compact:
        return None
    if outgoing.priority is not None or outgoing.timing is not None:
        return None
    (group,) = queue.groups.values()
    number = queue.next_partition() if outgoing.partition is None else outgoing.partition
    if not 0 <= number < queue.count or queue.config.get("filter") or not is_plain(group.config):
        return None
    cursor = group.cursors[number]
    return None if cursor.next != cursor.partition.end or len(cursor.waiting) else (group, cursor)


def hand_over(runner: Runner, outgoing: OutgoingBatch) -> bool:
    """Store a batch and give it to a consumer that waits for it; False where nothing was done: send it then.

    Raises OMSRuntimeException 1501 when the disk is full or failed.
    """
    receivers = runner.receivers
    if runner.durable or not receivers.waiting:
        return False
    with runner.lock:
        found = taker(runner.engine, outgoing)
        if found is None or runner.closed or runner.committer.failure is not None:
            return False
        group, cursor = found
        receiver = receivers.pick(group.id)
        if receiver is None:
            return False
        now_ms, start, batch = runner.clock.now_ms(), cursor.next, outgoing.batch
        try:
            _stage(runner, group, cursor, batch, now_ms)
        except BaseException:
            receiver()  # he asks again
            raise
        data = batch.head + batch.payload
        number = cursor.partition.number
        receiver.hand(Delivery(outgoing.destination, number, start, now_ms, data, 0, batch.count, HANDED_OVER))
        runner.handed_over += 1
        lead = runner.handed_over >= BULK and runner.committer.claim_locked()
        if not lead:
            return True
        runner.handed_over = 0
    with suppress(OMSRuntimeException):  # this request is on its way: who comes next is told
        runner.committer.lead()
        runner.indexes.take_in()
    return True


def _stage(runner: Runner, group: Group, cursor: Cursor, batch: Batch, now_ms: int) -> None:
    """Append the entry and apply it. Same bytes as `entry.encode` makes, same state as `apply` comes to."""
    partition, start, count = cursor.partition, cursor.next, batch.count
    operations = _encode((HandOver(group.id, partition.id, start, start + count),))
    head = HEAD.pack(FORMAT, 1, len(operations), now_ms)
    place = PLACE.pack(partition.id, start, now_ms, 0)
    try:
        result = runner.storage.append((head, operations, place, batch.head, batch.payload))
        runner.engine.apply_send(partition, count, result.index)
        cursor.hand_out(start, start + count)
        position = result.body_position + len(operations) + (HEAD.size + PLACE.size)
        runner.indexes.add(partition.id, start, count, position, batch.size, now_ms)
    except BaseException as cause:
        runner.interrupted(cause)
        raise


def take_back(runner: Runner, group: Group, delivery: Delivery) -> None:
    """Put what was handed over to one who went away meanwhile back into its queue."""
    with runner.lock:
        partition_id = group.cursors[delivery.partition].partition.id
        if runner.engine.groups.get(group.id) is not group:
            return
        start, end = delivery.base_offset, delivery.base_offset + delivery.last
        runner.stage_locked(Entry(runner.clock.now_ms(), (HandOver(group.id, partition_id, start, end, back=True),)))
