"""Sends: a producer for each partition that is used; all messages of a `put` go off together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

import pulsar

from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.partial import Outcome
from openmessaging.drivers.pulsar.link import Link, translated
from openmessaging.drivers.pulsar.records import offset_of, to_message
from openmessaging.drivers.pulsar.topics import Topics
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Durability, OutgoingBatch, Placement

_GATHER_MS = 1
"""How long a client waits for more before it sends an entry."""
SEND_WITHIN = 120.0
"""Seconds for which the client sends again over a new connection, before a send fails."""
_PENDING = 100_000


class _Batch:
    """A batch on its way: what the client says of its messages, in threads of its own, in any order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, messages: int) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.failure: Any = None
        self._loop = loop
        self._messages = messages
        self._offsets: list[int | None] = []
        self._numbers = count(1)

    @property
    def base_offset(self) -> int:
        """Offset of the first message, if the others follow it: they do within an entry."""
        known = [offset for offset in self._offsets if offset is not None]
        together = len(known) == self._messages and max(known) - min(known) == self._messages - 1
        return min(known) if together else -1

    def told(self, result: Any, message_id: Any) -> None:
        """The client's callback."""
        if result == pulsar.Result.Ok:
            self._offsets.append(offset_of(message_id))
        else:
            self.failure = self.failure or result
        if next(self._numbers) == self._messages:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Sender:
    """The producers."""

    def __init__(self, link: Link, topics: Topics, durability: Durability) -> None:
        self._link = link
        self._topics = topics
        self._durability = durability
        self._loop = asyncio.get_running_loop()
        self._producers: dict[str, Any] = {}
        self._opening = asyncio.Lock()
        self._turn: dict[str, int] = {}

    async def put(self, batches: Sequence[OutgoingBatch]) -> list[Outcome]:
        """Store batches, each by itself."""
        started = [await self._start(outgoing) for outgoing in batches]
        return [each if isinstance(each, OMSRuntimeException) else await self._finished(*each) for each in started]

    async def _start(self, outgoing: OutgoingBatch) -> OMSRuntimeException | tuple[OutgoingBatch, str, int, _Batch]:
        try:
            names = await self._topics.names(outgoing.destination)
            partition = outgoing.partition
            if partition is None:
                partition = self._turn[outgoing.destination] = (self._turn.get(outgoing.destination, -1) + 1) % len(
                    names
                )
            if not 0 <= partition < len(names):
                return error(1418, f"{outgoing.destination} has no partition {partition}", field="partition")
            producer = await self._producer(names[partition])
        except OMSRuntimeException as failure:
            return failure
        records = unpacked(outgoing)
        batch = _Batch(self._loop, len(records))
        self._hand_over(producer, records, batch)
        return outgoing, names[partition], partition, batch

    def _hand_over(self, producer: Any, records: Sequence[Record], batch: _Batch) -> None:
        for record in records:
            message = to_message(record)
            try:
                producer.send_async(message.pop("content"), batch.told, **message)
            except pulsar.PulsarException as failure:
                batch.told(failure, None)

    async def _finished(self, outgoing: OutgoingBatch, topic: str, partition: int, batch: _Batch) -> Outcome:
        await batch.done
        if batch.failure is not None:
            told = translated(batch.failure)
            if told.code in (1404, 1503):  # it may be another topic by now, or the producer of one that is gone
                self._topics.forget(outgoing.destination)
                await self.drop([topic])
            return told
        return Placement(partition, batch.base_offset, time.time_ns() // 1_000_000, self._durability)

    async def _producer(self, topic: str) -> Any:
        found = self._producers.get(topic)
        if found is not None:
            return found
        async with self._opening:
            if topic not in self._producers:
                self._producers[topic] = await self._link.call(
                    self._link.client.create_producer,
                    topic,
                    send_timeout_millis=int(SEND_WITHIN * 1000),
                    max_pending_messages=_PENDING,
                    batching_enabled=True,
                    batching_max_publish_delay_ms=_GATHER_MS,
                    # An entry goes to one consumer of a group: with order per key, its messages must be of one key.
                    batching_type=pulsar.BatchingType.KeyBased,
                )
        return self._producers[topic]

    async def drop(self, topics: Sequence[str]) -> None:
        """Let go of the producers of topics that are no more."""
        for topic in topics:
            producer = self._producers.pop(topic, None)
            if producer is not None:
                with contextlib.suppress(OMSRuntimeException):
                    await self._link.call(producer.close)
