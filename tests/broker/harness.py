"""An engine with a log and stored messages in memory: what the runner does, without threads, disk or clock."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from openmessaging.broker.draft import Limits
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry, Lease, Settle, decode, encode
from openmessaging.broker.group import Group
from openmessaging.broker.partition import Partition
from openmessaging.filters import Condition
from openmessaging.model import batch as batches
from openmessaging.model.batch import with_own
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch
from openmessaging.model.timing import expires_ms

QUEUE = "default://orders"
SHARED = {"bornHost": "here"}


class StoredInMemory:
    """`Contents` over decoded batches; refuses what an engine must not ask for."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.places: dict[tuple[int, int], tuple[Any, dict[str, Any], Record, int, int]] = {}
        self.bytes: dict[tuple[int, int], bytes] = {}
        self.broken = False

    def add(self, entry: Entry) -> None:
        for placed, batch in zip(entry.placed, entry.batches, strict=True):
            header, shared, records = batches.decode(batch.head + batch.payload)
            for i, record in enumerate(records):
                place = (header, shared, record, i, placed.store_ms)
                self.places[placed.partition_id, placed.base_offset + i] = place
                self.bytes[placed.partition_id, placed.base_offset + i] = batch.head + batch.payload

    def _get(self, partition_id: int, offset: int) -> tuple[Any, dict[str, Any], Record, int, int]:
        if self.broken:
            raise OMSRuntimeException(1501, "damaged")
        partition = self.engine.partitions[partition_id]
        assert partition.start <= offset < partition.visible
        return self.places[partition_id, offset]

    def keys(self, partition_id: int, start: int, end: int) -> list[str | None]:
        return [self._get(partition_id, offset)[2].message_key for offset in range(start, end)]

    def matching(self, partition: Partition, start: int, end: int, condition: Condition) -> tuple[list[int], int, int]:
        stop = min(end, start + 5)  # as if batches had at most five messages
        records = [(offset, self._get(partition.id, offset)[2]) for offset in range(start, stop)]
        return [offset for offset, record in records if condition.matches(record.properties)], stop, 100

    def message(self, partition_id: int, offset: int) -> tuple[Any, dict[str, Any], Record, int]:
        return self._get(partition_id, offset)[:4]

    def stored(self, partition_id: int, offset: int) -> bytes:
        self._get(partition_id, offset)
        return self.bytes[partition_id, offset]

    def expiries(self, partition_id: int, start: int, end: int) -> list[int]:
        owned = [with_own(*self.message(partition_id, offset)).headers or {} for offset in range(start, end)]
        return [expires_ms(headers["bornTimestamp"], headers) for headers in owned]

    def store_ms(self, partition_id: int, offset: int) -> int:
        return self._get(partition_id, offset)[4]


class Broker:
    """Decide, append, apply, in one call each; `now` is the time in ms."""

    def __init__(self, limits: Limits | None = None, *, sync: bool = True) -> None:
        self.contents = StoredInMemory()
        self.limits = limits = limits or Limits()
        self.engine = self.contents.engine = Engine(self.contents, random.Random(7), limits)
        self.log: list[bytes] = []
        self.now = 1_000
        self.sync = sync
        self.sequence = 0

    def do(self, entry: Entry) -> Entry:
        self.log.append(b"".join(encode(entry)[0]))
        self.contents.add(entry)
        self.engine.apply(entry, len(self.log) - 1)
        if self.sync:
            self.engine.set_durable(len(self.log) - 1)
        return entry

    def batch(self, *messages: str | Record) -> batches.Batch:
        records = [Record(m.encode()) if isinstance(m, str) else m for m in messages]
        self.sequence += len(records)
        shared = batches.encode_shared(SHARED)
        first = self.sequence - len(records)
        return batches.encode(records, shared=shared, born_ms=self.now, producer_id=9, first_sequence=first)

    def send(
        self, *messages: str | Record, queue: str = QUEUE, partition: int | None = None, priority: int | None = None
    ) -> Entry:
        outgoing = OutgoingBatch(queue, partition, self.batch(*messages), priority)
        return self.do(self.engine.decide_send(self.now, [outgoing]))

    def coloured(self, colours: str, keys: str = "", **named: Any) -> Entry:
        """A message per character, which is its property `color`, with the key of the same place (`-`: none)."""
        pairs = zip(colours, keys.ljust(len(colours), "-"), strict=True)
        return self.send(*[Record(b"", None if k == "-" else k, {"color": c}) for c, k in pairs], **named)

    def keyed(self, keys: str, queue: str = QUEUE, partition: int | None = None, priority: int | None = None) -> Entry:
        """A message per character, `-` for no key."""
        records = [Record(b"", None if key == "-" else key) for key in keys]
        return self.send(*records, queue=queue, partition=partition, priority=priority)

    def join(self, name: str = "g", queue: str = QUEUE, **settings: Any) -> Group:
        self.do(self.engine.decide_create_group(self.now, queue, name, config(**settings)))
        return self.engine.group(queue, name)

    def receive(self, group: Group, count: int = 100, bound: Any = None) -> list[Lease]:
        entry = self.engine.decide_receive(self.now, group, count, bound or (lambda _, __, end: end))
        if entry.operations:
            self.do(entry)
        return list(entry.operations)

    def ack(self, group: Group, lease_id: int, offsets: Sequence[int] | None = None) -> Settle:
        settle = self.engine.decide_ack(group.id, lease_id, offsets)
        self.do(Entry(self.now, (settle,)))
        return settle

    def nack(
        self, group: Group, lease_id: int, offsets: Sequence[int] | None = None, delay: float | None = None
    ) -> Entry:
        return self.do(self.engine.decide_nack(self.now, group.id, lease_id, offsets, delay, "no good"))

    def release(self, group: Group, lease_id: int, offsets: Sequence[int] | None = None) -> Entry:
        return self.do(self.engine.decide_release(self.now, group.id, lease_id, offsets))

    def tick(self) -> Entry | None:
        entry = self.engine.tick(self.now)
        return self.do(entry) if entry is not None else None

    def replayed(self) -> Engine:
        """A new engine that read the log."""
        engine = Engine(self.contents, random.Random(1), self.limits)
        for index, body in enumerate(self.log):
            engine.apply(decode(body)[0], index)
        return engine

    def restart(self) -> None:
        """Go on with a new engine from the snapshot, as after a crash and recovery."""
        state = self.engine.snapshot()
        self.engine = self.contents.engine = Engine(self.contents, random.Random(3), self.limits)
        self.engine.restore(state)
        self.engine.set_durable(len(self.log) - 1)


def config(**settings: Any) -> GroupConfig:
    """Settings with `max_delivery` and `jitter` given flat, and no jitter unless asked for."""
    backoff = {name: settings.pop(name) for name in Backoff.__struct_fields__ if name in settings}
    return GroupConfig(**settings, backoff=Backoff(**{"jitter": 0.0, **backoff}))


def offsets(leases: list[Lease]) -> list[int]:
    return [offset for lease in leases for offset in range(lease.start, lease.end)]


def code_of(call: Any, *arguments: Any, **named: Any) -> int:
    """The code of the error that a call raises."""
    with pytest.raises(OMSRuntimeException) as caught:
        call(*arguments, **named)
    assert caught.value.reason
    return caught.value.code
