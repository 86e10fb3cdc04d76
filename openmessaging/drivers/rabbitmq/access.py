"""The driver SPI over RabbitMQ: what a queue and a group are there is in `topology.py`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.partial import Outcome, PartialDriver
from openmessaging.drivers.rabbitmq.link import Link
from openmessaging.drivers.rabbitmq.messages import to_native
from openmessaging.drivers.rabbitmq.publisher import Post, Publisher
from openmessaging.drivers.rabbitmq.source import RabbitmqSource
from openmessaging.drivers.rabbitmq.topology import NAMES, QUORUM, Topology, native_group
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Durability,
    OutgoingBatch,
    Placement,
    QueueConfig,
    QueueInfo,
    SubscriptionSpec,
)

MAX_BODY_BYTES = 128 << 20
"""What RabbitMQ takes unless `max_message_size` says otherwise."""
BROADCAST_MS = 60_000
"""How long the queue of a broadcast consumer outlives its connection."""


class RabbitmqDriver(PartialDriver):
    """One connection: a channel that sends, and one per subscription."""

    capabilities = frozenset(
        (
            Capability.LEASE,
            Capability.EXTEND_LEASE,
            Capability.NACK_DELAY,
            Capability.DEAD_LETTER,
            Capability.BROADCAST,
            Capability.EXPIRY,
        )
    )
    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, link: Link, partitions: int | None) -> None:
        super().__init__()
        self._link = link
        self._partitions = partitions
        """Of queues made by their first use; None: such queues are not made."""
        self._topology = Topology(link)
        self._publisher = Publisher(link)
        self._counts: dict[str, int] = {}
        self._turns: dict[str, int] = {}

    async def disconnect(self) -> None:
        """Hang up."""
        await self._link.close()

    # ---- sending ---------------------------------------------------------------------------------------------------

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Publish all messages, wait for all confirms."""
        now_ms = time.time_ns() // 1_000_000
        outcomes: dict[int, Outcome] = {}
        posts: list[Post] = []
        owners: list[int] = []
        for at, batch in enumerate(batches):
            try:
                count = await self._count(batch.destination)
                partition = self._pick(batch.destination, batch.partition, count)
                made = self._posts(batch, partition, now_ms)
            except OMSRuntimeException as failure:
                outcomes[at] = failure
                continue
            posts += made
            owners += [at] * len(made)
            outcomes[at] = Placement(partition, -1, now_ms, Durability.FSYNC)
        for at, failed in zip(owners, await self._publisher.publish(posts), strict=True):
            if failed is not None:
                outcomes[at] = failed
                if failed.code == 1404:
                    self._counts.pop(batches[at].destination, None)
        return [outcomes[at] for at in range(len(batches))]

    def _posts(self, batch: OutgoingBatch, partition: int, now_ms: int) -> list[Post]:
        exchange, key = NAMES.native(batch.destination), str(partition)
        return [Post(exchange, key, to_native(record, now_ms), record.data) for record in unpacked(batch)]

    def _pick(self, name: str, partition: int | None, count: int) -> int:
        if partition is None:
            self._turns[name] = turn = self._turns.get(name, -1) + 1
            return turn % count
        if not 0 <= partition < count:
            step = f"Use 0 to {count - 1}"
            raise error(1418, f"{name} has no partition {partition}", next_step=step, field="partition")
        return partition

    def partition_count(self, destination: str) -> int | Awaitable[int]:
        """Number of partitions of a queue, made on first use where that is on."""
        return self._counts.get(destination) or self._count(destination)

    async def _count(self, name: str, make: bool = True) -> int:
        known = self._counts.get(name) or await self._topology.count(name)
        if known is None:
            if not make or self._partitions is None:
                raise error(1404, f"there is no queue {name}", next_step="Create it, or leave auto_create on")
            await self._topology.create(name, self._partitions)
            known = self._partitions
        self._counts[name] = known
        return known

    # ---- receiving -------------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> ForeignSubscription:
        """Join a group."""
        check_spec(spec, broadcast=True)
        start = spec.config.start
        if start not in ("earliest", "latest"):
            if not start.startswith(("offset:", "ts:")):
                raise error(
                    1418, f"start: {start!r} is no place", next_step="Use `earliest` or `latest`", field="start"
                )
            raise unsupported(f"start={start}", next_step="Use `earliest` or `latest`")
        name = spec.destination
        count = await self._count(name)
        ending = None
        if spec.broadcast:
            queues = [native_group(queue, spec.group) for queue in self._topology.queues(name, count)]
            await self._topology.bind(name, queues, {**QUORUM, "x-expires": BROADCAST_MS})
            ending = partial(self._drop, name, count, spec.group)
        else:
            queues = await self._topology.group(name, count, spec.group, start == "earliest")
        source = RabbitmqSource(self._link, self._publisher, self._topology, queues, ending)
        return ForeignSubscription(source, spec, self._bury, redelivers=False)

    async def _drop(self, name: str, count: int, group: str) -> None:
        await self._topology.drop_group(name, count, group)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        if await self._topology.count(queue) is None:
            await self._topology.create(queue, 1)
        now_ms = time.time_ns() // 1_000_000
        posts = []
        for record in records:
            headers = {name: value for name, value in (record.headers or {}).items() if name != "expireTime"}
            kept = Record(record.data, record.message_key, record.properties, headers)
            posts.append(Post(NAMES.native(queue), "0", to_native(kept, now_ms), record.data))
        for failure in await self._publisher.publish(posts):
            if failure is not None:
                raise failure

    # ---- queues and groups -----------------------------------------------------------------------------------------

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Make a queue. Raises 1406 when it is there; OMSUnsupportException for settings beyond the defaults."""
        wanted = {key: value for key, value in config.items() if value != getattr(QueueConfig(), key, None)}
        if wanted:
            raise unsupported(f"the setting {next(iter(wanted))}", next_step="Set a policy in RabbitMQ (rabbitmqctl)")
        if partitions < 1:
            raise error(1418, f"partitions: {partitions} is less than 1", next_step="Use 1 or more", field="partitions")
        if await self._topology.count(name) is not None:
            raise error(1406, f"queue {name} is there already", next_step="Use it, or delete it first")
        await self._topology.create(name, partitions)
        self._counts[name] = partitions

    async def delete_queue(self, name: str) -> None:
        """Delete a queue; its groups beside the first are not known here, and stay."""
        count = await self._count(name, make=False)
        self._counts.pop(name, None)
        await self._topology.delete(name, count)

    async def purge_queue(self, name: str) -> int:
        """Drop what the queue itself holds."""
        return await self._topology.purge(self._topology.queues(name, await self._count(name, make=False)))

    async def describe_queue(self, name: str) -> QueueInfo:
        """A queue; `messages` are those that the queue itself holds and nobody has in hand."""
        self._counts.pop(name, None)
        count = await self._count(name, make=False)
        ready = [await self._topology.ready(queue) or 0 for queue in self._topology.queues(name, count)]
        return QueueInfo(name, count, sum(ready), [(0, 0)] * count, [], {"retention": "consumed"})

    async def delete_group(self, queue: str, group: str) -> None:
        """Delete a group."""
        count = await self._count(queue, make=False)
        if not await self._topology.drop_group(queue, count, group):
            raise _no_group(queue, group)


def _no_group(queue: str, group: str) -> OMSRuntimeException:
    return error(1404, f"queue {queue} has no group {group}", next_step="Subscribe with it first")
