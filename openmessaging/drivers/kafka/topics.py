"""Queues as topics: what is known of each, and making, changing and deleting them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from openmessaging.drivers.kafka.failures import told
from openmessaging.drivers.naming import Naming
from openmessaging.model.destination import DEFAULT_NAMESPACE, split_name
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.spi import Durability

NAMING = Naming(".")
_HIDDEN = "__"
"""Topics whose names begin so are Kafka's own."""
_LONGEST_NAME = 249
T = TypeVar("T")


class Topic(msgspec.Struct, frozen=True):
    """What has to be known of a queue to send to it."""

    native: str
    partitions: int
    durability: Durability
    compact: bool = False


class Topics:
    """The administration of topics. `timeout`: seconds for an answer; `partitions`: of those made at their first use
    (None: none are)."""

    def __init__(self, admin: AdminClient, timeout: float, partitions: int | None) -> None:
        self._admin = admin
        self._timeout = timeout
        self._partitions = partitions

    async def use(self, name: str, partitions: int | None = None) -> Topic:
        """What is known of a queue, made where it is missing and may be. Raises OMSDestinationException 1404."""
        count = partitions or self._partitions
        try:
            return await self.find(name)
        except OMSRuntimeException as failure:
            if failure.code != 1404 or count is None:
                raise
        try:
            await self.create(name, count, {})
        except OMSRuntimeException as failure:  # somebody else was quicker
            if failure.code != 1406:
                raise
        until = time.monotonic() + self._timeout
        while True:
            try:
                return await self.find(name)
            except OMSRuntimeException as failure:  # it takes a moment until all brokers know
                if failure.code != 1404 or time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    async def find(self, name: str) -> Topic:
        """What is known of a queue. Raises OMSDestinationException 1404."""
        native = native_name(name)
        options = {"request_timeout": self._timeout}
        described = self._admin.describe_topics(TopicCollection([native]), **options)[native]
        found = await awaited(described, name)
        try:
            config = await self.configuration(name)
        except Exception:  # without the right to read settings nothing is promised
            config = {}
        replicas = len(found.partitions[0].replicas)
        return Topic(
            native,
            len(found.partitions),
            _durability(config, replicas),
            "compact" in config.get("cleanup.policy", ""),
        )

    async def configuration(self, name: str) -> dict[str, str]:
        """Kafka's settings of a queue, those of the broker where it has none of its own."""
        resource = ConfigResource(ResourceType.TOPIC, native_name(name))
        entries = await awaited(self._admin.describe_configs([resource], request_timeout=self._timeout)[resource], name)
        return {each.name: each.value or "" for each in entries.values()}

    async def create(self, name: str, partitions: int, config: Mapping[str, Any]) -> None:
        """Make it. Raises 1406, 1418, OMSUnsupportException for a setting without a counterpart."""
        topic = NewTopic(native_name(name), partitions, -1, config=native_config(config))
        await awaited(self._admin.create_topics([topic], request_timeout=self._timeout)[topic.topic], name)

    async def update(self, name: str, config: Mapping[str, Any]) -> None:
        """Change settings. Raises 1404, 1418, OMSUnsupportException."""
        await self.find(name)
        resource = ConfigResource(ResourceType.TOPIC, native_name(name))
        for key, value in native_config(config).items():
            entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            resource.add_incremental_config(entry)
        if config:
            changed = self._admin.incremental_alter_configs([resource], request_timeout=self._timeout)
            await awaited(changed[resource], name)

    async def delete(self, name: str) -> None:
        """Delete it. Raises 1404."""
        native = native_name(name)
        await awaited(self._admin.delete_topics([native], request_timeout=self._timeout)[native], name)

    async def offsets(self, name: str, partitions: int) -> list[tuple[int, int]]:
        """(first, next) offset per partition."""
        native = native_name(name)
        first, last = await asyncio.gather(
            self.list_offsets([(TopicPartition(native, each), OffsetSpec.earliest()) for each in range(partitions)]),
            self.list_offsets([(TopicPartition(native, each), OffsetSpec.latest()) for each in range(partitions)]),
        )
        return list(zip(first, last, strict=True))

    async def list_offsets(self, wanted: Sequence[tuple[TopicPartition, Any]]) -> list[int]:
        """The offset of each; -1 where a time has none."""
        until = time.monotonic() + self._timeout
        while True:
            futures = self._admin.list_offsets(dict(wanted), request_timeout=self._timeout)
            try:
                found = await asyncio.gather(*[awaited(futures[each], each.topic) for each, _ in wanted])
                return [each.offset for each in found]
            except OMSRuntimeException as failure:  # a topic just made, or a broker just started
                if failure.code != 1503 or time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def purge(self, name: str) -> int:
        """Delete all records; returns how many there were at most (transactions leave marks of their own)."""
        topic = await self.find(name)
        spans = await self.offsets(name, topic.partitions)
        ends = [TopicPartition(topic.native, each, end) for each, (_, end) in enumerate(spans)]
        deleted = self._admin.delete_records(ends, request_timeout=self._timeout)
        await asyncio.gather(*[awaited(each, name) for each in deleted.values()])
        return sum(end - first for first, end in spans)

    async def names(self) -> list[str]:
        """Full names of all queues, sorted."""
        try:
            metadata = await asyncio.to_thread(self._admin.list_topics, timeout=self._timeout)
        except KafkaException as failure:
            raise told(failure) from failure
        found = [NAMING.full(native) for native in metadata.topics if not native.startswith(_HIDDEN)]
        return sorted(each[0] for each in found if each is not None and each[1] is None)

    async def namespaces(self) -> list[str]:
        """Namespaces that have queues, and the default one, sorted."""
        return sorted({DEFAULT_NAMESPACE, *(split_name(name)[0] for name in await self.names())})

    async def list(self, namespace: str) -> list[str]:
        """Full names of the queues of a namespace. Raises 1405 where there is none."""
        found = [name for name in await self.names() if split_name(name)[0] == namespace]
        if not found and namespace != DEFAULT_NAMESPACE:
            raise error(1405, f"namespace {namespace!r} has no queue", next_step="Create one in it")
        return found


def native_name(name: str) -> str:
    """The topic of a queue. Raises OMSRuntimeException 1418 for a name that is too long for Kafka."""
    native = NAMING.native(name)
    if len(native) > _LONGEST_NAME:
        raise error(1418, f"topic {native!r} has over {_LONGEST_NAME} characters", next_step="Use a shorter name")
    return native


def native_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a queue as those of a topic. Raises OMSUnsupportException for one that Kafka has not."""
    given: dict[str, str] = {}
    for name, value in config.items():
        if value is None:
            continue
        match name:
            case "retention" if value == "keep":
                given.setdefault("retention.ms", "-1")
            case "retention_age":
                given["retention.ms"] = str(int(value * 1000))
            case "retention_bytes":
                given["retention.bytes"] = str(value)
            case "compact":
                given["cleanup.policy"] = "compact" if value else "delete"
            case "tombstone_age":
                given["delete.retention.ms"] = str(int(value * 1000))
            case _:
                raise unsupported(f"{name}={value!r}", next_step="Kafka keeps by age and size, or the newest of a key")
    return given


def config_of(native: Mapping[str, str]) -> dict[str, Any]:
    """Settings of a topic as those of a queue."""
    age, size = int(native.get("retention.ms") or -1), int(native.get("retention.bytes") or -1)
    compact = "compact" in native.get("cleanup.policy", "")
    return {
        "retention": "keep",
        "retention_age": None if age < 0 or compact else age / 1000,
        "retention_bytes": None if size < 0 else size,
        "compact": compact,
        "tombstone_age": int(native.get("delete.retention.ms") or 86_400_000) / 1000,
    }


def _durability(config: Mapping[str, str], replicas: int) -> Durability:
    """What is true of a message that was acknowledged by all replicas in sync."""
    if config.get("flush.messages") != "1":
        return Durability.MEMORY
    in_sync = int(config.get("min.insync.replicas") or 1)
    return Durability.QUORUM if replicas > 1 and in_sync > replicas // 2 else Durability.FSYNC


async def awaited(future: Future[T], what: str) -> T:
    """What Kafka's administration answers. Raises OMSRuntimeException."""
    try:
        return await asyncio.wrap_future(future)
    except KafkaException as failure:
        raise told(failure, what) from failure
