"""The target of a mirror: messages are stored under the ids that they have, in their order, and once where that can be.

With UNIQUE a named producer's numbers are the source's offsets, so a message and how far the mirror is are stored in
one step. Else what was stored since the position was written down is read back after a failure, and left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from openmessaging.mirror.taking import Taken, begin_at, taken
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.headers import DEFAULT_PRIORITY
from openmessaging.model.message import Record, body_too_large, partition_of_key
from openmessaging.model.spi import Capability, Driver, OutgoingBatch
from openmessaging.model.timing import NEVER, Timing, expires_ms
from openmessaging.model.unique import ProducerEpoch, Unique

BATCH_BYTES = 1 << 20
PATIENCE = 60.0
"""Seconds for which a target that cannot be reached is tried again."""
SKEW_MS = 10_000
"""How far the target's clock may be from this machine's."""
READ_MESSAGES = 1_000

Way = tuple[int, int | None]
"""Partition and priority of the messages of a batch."""


class Writer:
    """Writes one queue. `like_source`: whether it has the same partitions as the source."""

    def __init__(self, driver: Driver, queue: str, partitions: int, like_source: bool) -> None:
        self._driver = driver
        self._queue = queue
        self._partitions = partitions
        self._like_source = like_source
        self._priority = Capability.PRIORITY in driver.capabilities
        self._expiry = Capability.EXPIRY in driver.capabilities

    async def write(
        self, messages: Sequence[Taken], producer: ProducerEpoch | None = None, since_ms: int | None = None
    ) -> None:
        """Store messages; returns when they are durable. `producer`: numbers them; `since_ms`: what is in the target
        since then is left out. Tries again for `PATIENCE` seconds when the target cannot be reached.

        Raises OMSMessageFormatException 1413 for a body that the target does not take, and what the driver raises.
        """
        begin, delay = time.time(), 0.1
        left = messages
        while True:
            if since_ms is not None:
                there = await self.stored_since(since_ms - SKEW_MS)
                left = [each for each in messages if each.message_id not in there]
            try:
                if left:
                    await self._store(left, producer)
                return
            except OMSRuntimeException as failure:
                if not (failure.retryable or failure.indefinite) or time.time() - begin > PATIENCE:
                    raise
            if producer is None and since_ms is None:
                since_ms = int(begin * 1000)
            await asyncio.sleep(delay)
            delay = min(2 * delay, 2.0)

    async def _store(self, messages: Sequence[Taken], producer: ProducerEpoch | None) -> None:
        batches = self.batches(messages)
        if producer is None:
            await self._driver.send(batches)
            return
        last = messages[-1].offset
        assert last is not None
        number = last - len(messages) + 1
        for batch in batches:
            batch.unique = Unique(producer.name, producer.epoch, number)
            number += batch.batch.count
        await self._driver.commit(batches, ())

    def batches(self, messages: Sequence[Taken]) -> list[OutgoingBatch]:
        """Messages as batches: those of a partition in their order."""
        ways: dict[Way, list[Record]] = {}
        for each in messages:
            if len(each.record.data) > self._driver.max_body_bytes:
                where = f"{self._queue}, partition {each.partition}, offset {each.offset}"
                raise body_too_large(len(each.record.data), self._driver.max_body_bytes).located(where)
            ways.setdefault(self._way(each), []).append(each.record)
        now_ms = time.time_ns() // 1_000_000
        found: list[OutgoingBatch] = []
        for (partition, priority), records in ways.items():
            for part in _parts(records):
                timing = Timing(None, True) if self._expiry and any(map(_expires, part)) else None
                found.append(OutgoingBatch(self._queue, partition, encode_own(part, now_ms), priority, timing))
        return found

    def _way(self, message: Taken) -> Way:
        key = message.record.message_key
        if self._like_source:
            partition = message.partition
        elif key is not None:
            partition = partition_of_key(key, self._partitions)
        else:
            partition = message.partition % self._partitions
        priority = (message.record.headers or {}).get("priority") if self._priority else None
        return partition, None if priority == DEFAULT_PRIORITY else priority

    async def stored_since(self, since_ms: int) -> set[str]:
        """Ids of the messages that the target stored since a time; none where it cannot be read."""
        found: set[str] = set()
        if Capability.BROWSE not in self._driver.capabilities:
            return found
        info = await self._driver.describe_queue(self._queue)
        for number, (first, end) in enumerate(info.offsets):
            try:
                at = await begin_at(self._driver, info, number, f"ts:{since_ms}")
            except OMSUnsupportException:
                at = first
            while at < end:
                deliveries = await self._driver.read(self._queue, number, at, READ_MESSAGES)
                if not deliveries:
                    break
                messages = taken(deliveries)
                found.update(each.message_id for each in messages)
                at = max([at + 1, *(each.offset + 1 for each in messages if each.offset is not None)])
        return found


def _parts(records: Sequence[Record]) -> list[list[Record]]:
    """Records as lists of about a megabyte."""
    found: list[list[Record]] = [[]]
    size = 0
    for record in records:
        if found[-1] and size + len(record.data) > BATCH_BYTES:
            found.append([])
            size = 0
        found[-1].append(record)
        size += len(record.data)
    return found


def _expires(record: Record) -> bool:
    headers = record.headers or {}
    return expires_ms(headers.get("bornTimestamp") or 0, headers) != NEVER
