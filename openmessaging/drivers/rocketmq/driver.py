"""The driver SPI over a proxy of RocketMQ. What is not here is refused; see `docs/how-to/rocketmq.md`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.partial import Outcome, PartialDriver
from openmessaging.drivers.rocketmq.codec import to_native
from openmessaging.drivers.rocketmq.proxy import Proxy
from openmessaging.drivers.rocketmq.source import SHORTEST_LEASE, RocketmqSource
from openmessaging.drivers.rocketmq.topics import NAMES, Topics
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Capability, Durability, OutgoingBatch, Placement, Subscription, SubscriptionSpec

MAX_BODY_BYTES = 4 << 20
_TOGETHER_BYTES = 2 << 20
"""Bytes of one call, about; a broker takes 4 MiB."""
_CLIENT = "oms-producer"


class RocketmqDriver(PartialDriver):
    """Proxies of RocketMQ, over one channel."""

    capabilities = frozenset((Capability.LEASE, Capability.EXTEND_LEASE, Capability.NACK_DELAY, Capability.DEAD_LETTER))
    max_body_bytes = MAX_BODY_BYTES - (64 << 10)

    def __init__(self, proxy: Proxy, name_server: tuple[str, int] | None, sync_flush: bool) -> None:
        super().__init__()
        self._proxy = proxy
        self._topics = Topics(proxy, name_server)
        self._durability = Durability.FSYNC if sync_flush else Durability.MEMORY

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Store batches, those of a queue in their order."""
        queues: dict[str, list[int]] = {}
        for place, batch in enumerate(batches):
            queues.setdefault(batch.destination, []).append(place)
        outcomes: dict[int, Outcome] = {}

        async def store(places: list[int]) -> None:
            for place in places:
                try:
                    outcomes[place] = await self._store(batches[place])
                except OMSRuntimeException as failure:
                    outcomes[place] = failure

        await asyncio.gather(*map(store, queues.values()))
        return [outcomes[place] for place in range(len(batches))]

    async def _store(self, batch: OutgoingBatch) -> Placement:
        queues = await self._topics.queues(batch.destination)
        topic = NAMES.native(batch.destination)
        messages = [to_native(self._proxy.types, topic, record) for record in unpacked(batch)]
        offsets: list[int] = []
        part: list[Any] = []
        size = 0
        for message in messages:
            if part and size + message.ByteSize() > _TOGETHER_BYTES:
                offsets.append(await self._send(batch.destination, part))
                part, size = [], 0
            part.append(message)
            size += message.ByteSize()
        offsets.append(await self._send(batch.destination, part))
        base = offsets[0] if len(queues) == 1 and len(offsets) == 1 else -1
        return Placement(0, base, time.time_ns() // 1_000_000, self._durability)

    async def _send(self, queue: str, messages: list[Any]) -> int:
        """Store messages with one call, whole; the offset of the first."""
        request = self._proxy.calls.SendMessageRequest(messages=messages)
        try:
            answer = await self._proxy.persist(queue, lambda: self._proxy.call("SendMessage", _CLIENT, request))
        except OMSRuntimeException:
            self._topics.forget(queue)
            raise
        return int(answer.entries[0].offset)

    async def partition_count(self, destination: str) -> int:
        """Always 1: the proxy chooses among a topic's message queues."""
        await self._topics.queues(destination)
        return 1

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group, which the broker makes when it is missing."""
        check_spec(spec)
        if spec.config.invisible_time < SHORTEST_LEASE:
            what = f"invisible_time: {spec.config.invisible_time:g} s is less than RocketMQ's {SHORTEST_LEASE:g} s"
            raise error(1418, what, next_step="Give more", field="invisible_time")
        (queue, *_) = await self._topics.queues(spec.destination)
        topic, group = NAMES.native(spec.destination), NAMES.group(spec.group)
        source = RocketmqSource(self._proxy, topic, group, queue, spec.config.invisible_time)
        await self._proxy.persist(spec.destination, source.introduce)
        return ForeignSubscription(source, spec, self._bury, redelivers=True)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        now_ms = time.time_ns() // 1_000_000
        (outcome,) = await self.put([OutgoingBatch(queue, 0, encode_own(records, now_ms))])
        if isinstance(outcome, OMSRuntimeException):
            raise outcome

    async def disconnect(self) -> None:
        """Hang up."""
        await self._proxy.close()
