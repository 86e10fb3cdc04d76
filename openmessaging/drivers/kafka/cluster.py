"""The driver: what the SPI asks for, over Kafka's producer, consumers and administration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.kafka.atomic import AtomicSender
from openmessaging.drivers.kafka.failures import told
from openmessaging.drivers.kafka.groups import Groups
from openmessaging.drivers.kafka.reading import Reader
from openmessaging.drivers.kafka.sender import Sender
from openmessaging.drivers.kafka.source import KafkaSource
from openmessaging.drivers.kafka.topics import NAMING, Topic, Topics, config_of
from openmessaging.drivers.partial import PartialDriver, closed
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Delivery,
    Done,
    GroupInfo,
    OutgoingBatch,
    Placement,
    QueueInfo,
    SubscriptionSpec,
)

CONNECT_TIMEOUT = 5.0
"""Seconds within which a broker must answer."""
_MESSAGE_ROOM = 16_384
"""Bytes of a record that are for key, fields and Kafka's own."""
_LINGER_MS = 1
_SESSION = (6.0, 45.0)
"""Shortest and longest seconds after which a consumer that is silent loses its partitions; brokers allow 6 to 1800."""


class KafkaDriver(PartialDriver):
    """A cluster."""

    capabilities: frozenset[Capability] = frozenset(
        {
            Capability.KEY_ORDER,
            Capability.LEASE,
            Capability.EXTEND_LEASE,
            Capability.NACK_DELAY,
            Capability.DEAD_LETTER,
            Capability.SEEK,
            Capability.BROWSE,
            Capability.BROADCAST,
            Capability.ATOMIC_BATCH,
            Capability.ADMIN,
        }
    )

    def __init__(
        self,
        settings: dict[str, Any],
        admin: AdminClient,
        timeout: float,
        partitions: int | None,
        max_record_bytes: int,
    ) -> None:
        super().__init__()
        self.max_body_bytes = max_record_bytes - _MESSAGE_ROOM
        self._settings = settings
        self._timeout = timeout
        self._topics = Topics(admin, timeout, partitions)
        self._groups = Groups(admin, self._topics, timeout)
        producing = {
            "linger.ms": _LINGER_MS,
            "queue.buffering.max.messages": 0,
            **settings,
            "message.max.bytes": max_record_bytes,
            "enable.idempotence": True,
            "acks": "all",
        }
        self._sender = Sender({**producing, "topic.metadata.propagation.max.ms": 5_000}, self._missing)
        self._atomic = AtomicSender(producing)
        self._reader = Reader(settings)
        self._known: dict[str, Topic] = {}
        self._asked: dict[str, asyncio.Task[Topic]] = {}
        self._waiting: dict[str, list[tuple[OutgoingBatch, Done]]] = {}
        self._next: dict[str, int] = {}
        self._subscriptions: dict[KafkaSource, tuple[SubscriptionSpec, ForeignSubscription]] = {}

    @classmethod
    async def connect(cls, url: str, settings: dict[str, Any], timeout: float, partitions: int | None) -> KafkaDriver:
        """Open a cluster; `partitions`: of queues that are made at their first use.

        Raises OMSRuntimeException 10000 when no broker answers, 1401, 1418.
        """
        refusals: list[KafkaError] = []
        try:
            watched: dict[str, Any] = {**settings, "error_cb": refusals.append}
            admin = AdminClient(watched)
            cluster = await asyncio.to_thread(admin.list_topics, timeout=CONNECT_TIMEOUT)
        except KafkaException as cause:
            failure = cause.args[0]
            if failure.code() == KafkaError._INVALID_ARG:
                raise told(failure) from cause
            admin.poll(0)  # hear of refusals
            denied = [each for each in refusals if each.code() == KafkaError._AUTHENTICATION]
            if denied:
                raise told(denied[0]) from cause
            why = f" ({refusals[0].str()})" if refusals else ""
            step = "Check the address and that Kafka is there"
            raise error(10000, f"{url}: {failure.str()}{why}", next_step=step) from cause
        largest = await _largest_record(admin, next(iter(cluster.brokers)), timeout)
        return cls(settings, admin, timeout, partitions, largest)

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand a batch to Kafka's client; `done` is called in this loop."""
        topic = self._known.get(batch.destination)
        if self._closed:
            self._loop.call_soon(done, None, closed())
        elif topic is not None:
            self._sender.send(topic, self._partition(batch, topic), batch, done)
        else:
            self._waiting.setdefault(batch.destination, []).append((batch, done))
            self._ask(batch.destination)

    def soon(self, callback: Any) -> None:
        """At the end of this turn: Kafka's client collects what it gets."""
        self._loop.call_soon(callback)

    def _partition(self, batch: OutgoingBatch, topic: Topic) -> int:
        if batch.partition is not None:
            return batch.partition
        following = self._next[topic.native] = (self._next.get(topic.native, -1) + 1) % topic.partitions
        return following

    def _ask(self, name: str) -> asyncio.Task[Topic]:
        """Find out what is to be known of a queue; what is sent meanwhile waits in order."""
        task = self._asked.get(name)
        if task is None:
            task = self._asked[name] = self._loop.create_task(self._topics.use(name))
            task.add_done_callback(partial(self._answered, name))
        return task

    def _answered(self, name: str, found: asyncio.Task[Topic]) -> None:
        del self._asked[name]
        waiting = self._waiting.pop(name, [])
        failure = found.exception()
        if failure is None:
            self._known[name] = topic = found.result()
            for batch, done in waiting:
                self._sender.send(topic, self._partition(batch, topic), batch, done)
        else:
            for _, done in waiting:
                done(None, failure)

    async def _topic(self, name: str) -> Topic:
        known = self._known.get(name)
        return known if known is not None else await asyncio.shield(self._ask(name))

    def _missing(self, name: str) -> None:
        """A queue is not what it was: deleted, perhaps made again."""
        self._known.pop(name, None)

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none: what is more than one message goes in a transaction."""
        if len(batches) == 1 and batches[0].batch.count == 1:
            return await super().send(batches)
        if self._closed:
            raise closed()
        topics = [await self._topic(batch.destination) for batch in batches]
        addressed = [
            (topic, self._partition(batch, topic), batch) for topic, batch in zip(topics, batches, strict=True)
        ]
        return await self._atomic.send(addressed)

    async def partition_count(self, destination: str) -> int:
        """Number of partitions of a queue. Raises 1404."""
        return (await self._topic(destination)).partitions

    async def subscribe(self, spec: SubscriptionSpec) -> ForeignSubscription:
        """Join a consumer group. Raises 1404."""
        check_spec(spec, order=True, broadcast=True)
        topic = await self._topics.use(spec.destination)
        start = spec.config.start
        starts: dict[int, int] = {}
        if spec.broadcast:
            starts = await self._groups.places(spec.destination, start)
        elif start != "earliest" and not await self._groups.committed(spec.group, spec.destination):
            starts = await self._groups.places(spec.destination, start)
            places = [TopicPartition(topic.native, at, offset) for at, offset in starts.items()]
            try:
                await self._groups.commit(spec.group, places)
            except OMSRuntimeException as failure:
                if failure.code != 1400:  # it has consumers of this or another queue: each starts where we say
                    raise
        settings = self._consumer_settings(spec)
        source = KafkaSource(settings, topic.native, spec.config.order == "key", starts)
        subscription = ForeignSubscription(source, spec, self._bury, redelivers=False)
        source.on_lost = lambda: subscription.lose(lambda message: message.receipt.book.lost)
        source.on_closed = lambda: self._subscriptions.pop(source, None)
        self._subscriptions[source] = (spec, subscription)
        return subscription

    def _consumer_settings(self, spec: SubscriptionSpec) -> dict[str, Any]:
        session = int(min(max(spec.config.invisible_time, _SESSION[0]), _SESSION[1]) * 1000)
        return {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session,
            "heartbeat.interval.ms": min(session // 3, 3_000),
            "fetch.error.backoff.ms": 100,
            **self._settings,
            "group.id": None if spec.broadcast else NAMING.group(spec.group),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }

    async def _bury(self, queue: str, records: list[Record]) -> None:
        if queue not in self._known:
            self._known[queue] = await self._topics.use(queue, 1)
        await super().send([OutgoingBatch(queue, None, encode_own(records, time.time_ns() // 1_000_000))])

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset."""
        await self._check_partition(destination, partition)
        return await self._reader.read(destination, partition, offset, max_messages, wait)

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The message before an offset."""
        await self._check_partition(destination, partition)
        return await self._reader.read_before(destination, partition, offset)

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time, as Kafka's timestamps say it."""
        await self._check_partition(destination, partition)
        return await self._reader.find_time(destination, partition, timestamp_ms)

    async def _check_partition(self, destination: str, partition: int) -> None:
        if destination not in self._known:
            self._known[destination] = await self._topics.find(destination)
        count = self._known[destination].partitions
        if not 0 <= partition < count:
            step = f"It has {count}, numbered from 0"
            raise error(1418, f"partition {partition} of {destination!r} is not there", next_step=step)

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Make a topic."""
        await self._topics.create(name, partitions, config)
        self._known.pop(name, None)

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change settings of a topic."""
        await self._topics.update(name, config)
        self._known.pop(name, None)

    async def delete_queue(self, name: str) -> None:
        """Delete a topic."""
        await self._topics.delete(name)
        self._known.pop(name, None)

    async def purge_queue(self, name: str) -> int:
        """Delete all records of a topic."""
        return await self._topics.purge(name)

    async def list_queues(self, namespace: str) -> list[str]:
        """Topics whose names are those of queues."""
        return await self._topics.list(namespace)

    async def list_namespaces(self) -> list[str]:
        """Namespaces that have queues, and the default one."""
        return await self._topics.namespaces()

    async def describe_queue(self, name: str) -> QueueInfo:
        """What Kafka knows of a topic."""
        topic = await self._topics.find(name)
        offsets = await self._topics.offsets(name, topic.partitions)
        config = config_of(await self._topics.configuration(name))
        groups = [group.name for group in await self._groups.list(name)]
        messages = sum(following - first for first, following in offsets)
        return QueueInfo(name, topic.partitions, messages, offsets, groups, config)

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """Groups that have committed something."""
        return await self._groups.list(queue)

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """A group that has committed something."""
        return await self._groups.describe(queue, group)

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group: its consumers here, or, when it has none anywhere, what it has committed. Raises 1400 when it
        has consumers elsewhere."""
        places = await self._groups.places(queue, to)
        mine = [
            source
            for source, (spec, _) in self._subscriptions.items()
            if (spec.destination, spec.group, spec.broadcast) == (queue, group, False)
        ]
        if mine:
            await asyncio.gather(*[source.seek(places) for source in mine])
            return
        await self.describe_group(queue, group)
        native = (await self._topic(queue)).native
        await self._groups.commit(group, [TopicPartition(native, at, offset) for at, offset in places.items()])

    async def delete_group(self, queue: str, group: str) -> None:
        """Delete a group."""
        await self._groups.delete(queue, group)

    async def disconnect(self) -> None:
        """Let go: consumers leave their groups, what was sent arrives."""
        await asyncio.gather(*[subscription.close() for _, subscription in list(self._subscriptions.values())])
        if self._asked:
            await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._sender.close()
        await self._atomic.close()
        await self._reader.close()


async def _largest_record(admin: AdminClient, broker: int, timeout: float) -> int:
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    try:
        future = admin.describe_configs([resource], request_timeout=timeout)[resource]
        return int((await asyncio.wrap_future(future))["message.max.bytes"].value)
    except (KafkaException, KeyError):  # without the right to read settings: Kafka's default
        return 1_048_588
