"""Was a batch stored already? For a client that sends it again because its connection broke before the answer came.

Nothing is remembered for it: every batch carries its producer's id, number and time of birth in its header, and those
of one queue stored since the first attempt are looked through. That costs a read per batch of an outage, and nothing
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from openmessaging.broker.partition import Partition
from openmessaging.broker.runner import Runner
from openmessaging.model.batch import HEADER, BatchHeader, parse_header
from openmessaging.model.spi import Durability, OutgoingBatch, Placement
from openmessaging.storage.index import IndexEntry


def find_sent(runner: Runner, outgoing: OutgoingBatch, since_ms: int) -> Placement | None:
    """Where a batch was stored at `since_ms` or later, as durable as any send; None when it was not.

    Raises OMSRuntimeException 1501 when the log failed.
    """
    header = parse_header(outgoing.batch.head + outgoing.batch.payload)
    with runner.lock:
        runner.tick_locked()
        queue = runner.engine.queues.get(outgoing.destination)
        partitions = [] if queue is None else [*queue.partitions, *queue.shelves.values()]
    for partition in partitions:
        for entry in _stored_since(runner, partition, since_ms):
            if _is(header, runner.storage.read(entry.position, HEADER.size)):
                if runner.durability is Durability.FSYNC:
                    runner.flush()
                return Placement(partition.number, entry.base_offset, entry.timestamp_ms, runner.durability)
    return None


def _stored_since(runner: Runner, partition: Partition, since_ms: int) -> Iterator[IndexEntry]:
    at = partition.end
    while (entry := runner.indexes.before(partition.id, at)) is not None and entry.timestamp_ms >= since_ms:
        yield entry
        at = entry.base_offset


def _is(header: BatchHeader, stored: bytes) -> bool:
    """Whether a stored batch begins like this one. Compressed or thinned since or not: who and which stays."""
    _, _, _, _, _, count, born_ms, _, producer_id, epoch, first = HEADER.unpack(stored)
    mine = header.count, header.born_ms, header.producer_id, header.producer_epoch, header.first_sequence
    return mine == (count, born_ms, producer_id, epoch, first)
