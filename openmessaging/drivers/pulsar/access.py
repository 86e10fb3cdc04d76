"""The driver SPI over Pulsar. What it cannot do is not here, and refused; see `docs/how-to/pulsar.md`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import pulsar

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.partial import Outcome, PartialDriver, check_partition, closed
from openmessaging.drivers.pulsar.groups import Groups
from openmessaging.drivers.pulsar.link import Address, Link
from openmessaging.drivers.pulsar.reading import Reading
from openmessaging.drivers.pulsar.records import offset_at
from openmessaging.drivers.pulsar.sending import Sender
from openmessaging.drivers.pulsar.source import PulsarSource
from openmessaging.drivers.pulsar.topics import NAMING, Topics
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Delivery,
    Durability,
    GroupInfo,
    OutgoingBatch,
    QueueInfo,
    Subscription,
    SubscriptionSpec,
)

_ROOM = 64 << 10
"""Left of the largest message for its fields."""
_PREFETCH = 50
"""Messages that a consumer's client asks for before they are wanted; nobody else has them meanwhile."""


class PulsarDriver(PartialDriver):
    """A cluster of Pulsar."""

    capabilities = frozenset(
        {
            Capability.KEY_ORDER,
            Capability.LEASE,
            Capability.EXTEND_LEASE,
            Capability.NACK_DELAY,
            Capability.DEAD_LETTER,
            Capability.SEEK,
            Capability.BROWSE,
            Capability.BROADCAST,
            Capability.ADMIN,
            Capability.DELAY,
        }
    )
    max_body_bytes = (5 << 20) - _ROOM

    def __init__(self, link: Link, default_partitions: int, durability: Durability) -> None:
        super().__init__()
        self._link = link
        self._topics = Topics(link, default_partitions)
        self._sender = Sender(link, self._topics, durability)
        self._groups = Groups(link, self._topics)
        self._reading = Reading(link)

    # ---- sending ---------------------------------------------------------------------------------------------------

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Store batches, each by itself."""
        return await self._sender.put(batches)

    async def partition_count(self, destination: str) -> int:
        """Number of partitions."""
        return await self._topics.partitions(destination)

    async def disconnect(self) -> None:
        """Hang up."""
        await self._link.close()

    # ---- receiving -------------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group. Raises 1404, 1418 for another order than the group has."""
        check_spec(spec, order=True, broadcast=True)
        if self._closed:
            raise closed()
        topics = await self._topics.names(spec.destination)
        config = await self._groups.join(spec)
        by_key = config.order == "key"
        consumer = await self._link.call(
            self._link.client.subscribe,
            topics if len(topics) > 1 else topics[0],
            NAMING.group(spec.group),
            consumer_type=pulsar.ConsumerType.KeyShared if by_key else pulsar.ConsumerType.Shared,
            receiver_queue_size=_PREFETCH,
            negative_ack_redelivery_delay_ms=1,
            batch_index_ack_enabled=True,
            initial_position=pulsar.InitialPosition.Earliest,
        )

        async def leave() -> None:
            await self._link.call(consumer.close)
            await self._groups.delete(spec.destination, spec.group)

        source = PulsarSource(consumer, by_key, leave if spec.broadcast else None)
        found = msgspec.structs.replace(spec, config=config)
        return ForeignSubscription(source, found, self._bury, redelivers=False)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        for record in records:
            headers = record.headers or {}
            record.headers = {name: value for name, value in headers.items() if name not in ("expireTime", "delayTime")}
        batch = encode_own(records, time.time_ns() // 1_000_000)
        (outcome,) = await self._sender.put([OutgoingBatch(queue, 0, batch)])
        if isinstance(outcome, OMSRuntimeException):
            raise outcome

    # ---- reading ---------------------------------------------------------------------------------------------------

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset."""
        topic = await self._topic(destination, partition)
        return await self._reading.read(destination, topic, partition, offset, max_messages, wait)

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The message before an offset."""
        topic = await self._topic(destination, partition)
        inside = await self._link.admin("GET", f"{self._topics.admin(destination, partition)}/internalStats")
        return await self._reading.read_before(destination, topic, partition, offset, _entries(inside))

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time."""
        topic = await self._topic(destination, partition)
        found = await self._reading.find_time(topic, timestamp_ms)
        if found is not None:
            return found
        return _ends(await self._link.admin("GET", f"{self._topics.admin(destination, partition)}/internalStats"))[1]

    async def _topic(self, queue: str, partition: int) -> str:
        topics = await self._topics.names(queue)
        check_partition(queue, partition, len(topics))
        return topics[partition]

    # ---- queues ----------------------------------------------------------------------------------------------------

    async def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        try:
            await self._link.admin("PUT", f"namespaces/{quote(self._topics.space(name))}", {})
        except OMSRuntimeException as failure:
            if failure.code != 1406:
                raise
            raise error(1407, f"the namespace {name} is there", next_step="Use another name") from failure

    async def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        queues = await self._topics.queues(name)
        if queues:
            step = "Delete them first"
            raise error(1400, f"the namespace {name} has {len(queues)} queues", next_step=step)
        await self._link.admin("DELETE", f"namespaces/{quote(self._topics.space(name))}")

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        return await self._topics.namespaces()

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Make a partitioned topic. Raises 1405, 1406."""
        await self._topics.create(name, partitions, config)

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change how long it keeps messages. Raises 1404."""
        await self._topics.partitions(name, create=False)
        await self._topics.configure(name, config)

    async def delete_queue(self, name: str) -> None:
        """Delete a topic with its subscriptions. Raises 1404."""
        topics = await self._topics.names(name, create=False)
        await self._sender.drop(topics)
        await self._reading.drop(topics)
        await self._topics.delete(name)

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted. Raises 1405."""
        return await self._topics.queues(namespace)

    async def describe_queue(self, name: str) -> QueueInfo:
        """A topic as a queue: what it calls messages are entries, which hold one or more. Raises 1404."""
        partitions = await self._topics.partitions(name, create=False)
        inside = [
            await self._link.admin("GET", f"{self._topics.admin(name, number)}/internalStats")
            for number in range(partitions)
        ]
        return QueueInfo(
            name=name,
            partitions=partitions,
            messages=sum(each["numberOfEntries"] for each in inside),
            offsets=[_ends(each) for each in inside],
            groups=[group.name for group in await self._groups.list(name)],
            config=await self._topics.config(name),
        )

    # ---- groups ----------------------------------------------------------------------------------------------------

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue."""
        queues = [queue] if queue is not None else []
        if queue is None:
            for namespace in await self._topics.namespaces():
                queues += await self._topics.queues(namespace)
        return [info for name in queues for info in await self._groups.list(name)]

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        return await self._groups.describe(queue, group)

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group; its consumers connect anew. Raises 1404, 1418."""
        await self._topics.partitions(queue, create=False)
        await self._groups.seek(queue, group, to)

    async def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        await self._groups.delete(queue, group)


def _entries(inside: dict[str, Any]) -> list[tuple[int, int]]:
    """Ledgers of a topic that hold something, each with the number of its entries."""
    ledger, _, entry = inside["lastConfirmedEntry"].partition(":")
    held = {each["ledgerId"]: each["entries"] for each in inside["ledgers"]}
    held[int(ledger)] = max(held.get(int(ledger), 0), int(entry) + 1)  # the one that is written says 0
    return sorted((number, entries) for number, entries in held.items() if entries)


def _ends(inside: dict[str, Any]) -> tuple[int, int]:
    """First and next offset of a topic."""
    ledger, _, entry = inside["lastConfirmedEntry"].partition(":")
    following = offset_at(int(ledger), int(entry) + 1) or 0
    ledgers = inside["ledgers"]
    first = offset_at(ledgers[0]["ledgerId"], 0) if ledgers else following
    return (min(first or 0, following), following)


async def open_driver(address: Address, default_partitions: int, durability: Durability) -> PulsarDriver:
    """Connect once, and look whether somebody answers. Raises OMSRuntimeException 10000, 1401."""
    link = Link(address)
    try:
        await link.admin("GET", f"namespaces/{quote(address.tenant)}")
        await link.call(link.client.get_topic_partitions, f"persistent://{address.tenant}/default/__oms")
    except OMSRuntimeException as failure:
        await link.close()
        if failure.code in (1401, 1403):
            raise
        step = "Check the URL and the attribute admin, and that the brokers run"
        raise error(10000, f"pulsar://{address.brokers}: {failure.reason}", next_step=step) from failure
    return PulsarDriver(link, default_partitions, durability)
