"""The driver SPI over JetStream. What NATS cannot do is not here, and refused; see `docs/how-to/nats.md`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.nats.connection import Connection
from openmessaging.drivers.nats.delays import Delays
from openmessaging.drivers.nats.groups import MARGIN, Group, Groups
from openmessaging.drivers.nats.puller import Puller
from openmessaging.drivers.nats.reading import Reader
from openmessaging.drivers.nats.sending import HEADER_ROOM, Sender
from openmessaging.drivers.nats.source import NatsSource
from openmessaging.drivers.nats.streams import NAMES, Stream, Streams, limits_of, settings_of
from openmessaging.drivers.partial import Outcome, PartialDriver, check_partition
from openmessaging.model import dead_letter
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Delivery,
    GroupInfo,
    OutgoingBatch,
    QueueInfo,
    Subscription,
    SubscriptionSpec,
)
from openmessaging.model.timing import DelayedInfo

_ALWAYS = frozenset(
    (
        Capability.LEASE,
        Capability.EXTEND_LEASE,
        Capability.NACK_DELAY,
        Capability.DEAD_LETTER,
        Capability.SEEK,
        Capability.BROWSE,
        Capability.BROADCAST,
        Capability.ADMIN,
    )
)


class NatsDriver(PartialDriver):
    """A server of NATS, over one connection at a time."""

    def __init__(
        self, connection: Connection, auto_create: bool, partitions: int, replicas: int, sync_always: bool
    ) -> None:
        super().__init__()
        self._connection = connection
        self._streams = Streams(connection, auto_create, partitions, replicas)
        self._sender = Sender(connection, self._streams, sync_always)
        self._groups = Groups(connection)
        self._reader = Reader(connection)
        self._delays = Delays(connection, self._reader)
        self._subscriptions: dict[tuple[str, str], list[ForeignSubscription]] = {}
        self.max_body_bytes = connection.client.max_payload - HEADER_ROOM
        version = connection.version
        newer = {Capability.EXPIRY: (2, 11), Capability.DELAY: (2, 12), Capability.RECALL: (2, 12)}
        self.capabilities = _ALWAYS | {each for each, since in newer.items() if version >= since}

    # ---- sending ---------------------------------------------------------------------------------------------------

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Store batches: whole, up to 1,000 messages of one queue together."""
        return await self._sender.put(batches)

    async def partition_count(self, destination: str) -> int:
        """Number of partitions."""
        return (await self._streams.get(destination)).partitions

    async def disconnect(self) -> None:
        """Hang up."""
        await self._connection.close()

    # ---- receiving -------------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group: a durable consumer, see `groups.py`."""
        check_spec(spec, broadcast=True)
        stream = await self._streams.get(spec.destination)
        group = await self._groups.enter(stream, spec)
        about = f"group {spec.group} of {spec.destination}"
        puller = Puller(self._connection, stream.native, group.consumer, about)
        await puller.open()

        async def leave() -> None:
            await self._quietly_delete(stream, spec.group)

        source = NatsSource(
            self._connection, stream, puller, group.config.invisible_time + MARGIN, leave if spec.broadcast else None
        )
        found = SubscriptionSpec(spec.destination, spec.group, group.config, spec.broadcast)
        return ForeignSubscription(source, found, self._bury, redelivers=True)

    async def _quietly_delete(self, stream: Stream, group: str) -> None:
        with contextlib.suppress(OMSRuntimeException):  # the server deletes it when nobody has used it for a minute
            await self._groups.delete(stream, group)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        await self._streams.get(queue)
        for record in records:
            headers = record.headers or {}
            record.headers = {name: value for name, value in headers.items() if name not in ("expireTime", "delayTime")}
        now_ms = max((each.headers or {}).get("bornTimestamp", 0) for each in records)
        (outcome,) = await self._sender.put([OutgoingBatch(queue, 0, encode_own(records, now_ms))])
        if isinstance(outcome, OMSRuntimeException):
            raise outcome

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset."""
        stream = await self._streams.get(destination)
        check_partition(stream.queue, partition, stream.partitions)
        return await self._reader.read(stream, partition, offset, max_messages, wait)

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The message before an offset."""
        stream = await self._streams.get(destination, create=False)
        check_partition(stream.queue, partition, stream.partitions)
        return await self._reader.read_before(stream, partition, offset)

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time."""
        stream, info = await self._streams.look_up(destination)
        found = await self._reader.find_time(stream, partition, timestamp_ms)
        return _ends(info)[1] if found is None else found

    # ---- queues ----------------------------------------------------------------------------------------------------

    async def create_namespace(self, name: str) -> None:
        """Make a namespace."""
        await self._streams.create_namespace(name)

    async def delete_namespace(self, name: str) -> None:
        """Delete a namespace without queues."""
        await self._streams.delete_namespace(name)

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        return await self._streams.namespaces()

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Make a stream."""
        await self._streams.create(name, partitions, config)

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change a stream's limits."""
        stream, info = await self._streams.look_up(name)
        wanted = info["config"] | limits_of(config)
        await self._connection.manage(name, f"STREAM.UPDATE.{stream.native}", wanted)

    async def delete_queue(self, name: str) -> None:
        """Delete a stream, and with it its groups."""
        self._streams.forget(name)
        await self._connection.manage(name, f"STREAM.DELETE.{NAMES.native(name)}")

    async def purge_queue(self, name: str) -> int:
        """Drop all messages."""
        stream, _ = await self._streams.look_up(name)
        purged = await self._connection.manage(name, f"STREAM.PURGE.{stream.native}")
        return int(purged.get("purged", 0))

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted."""
        return await self._streams.queues(namespace)

    async def describe_queue(self, name: str) -> QueueInfo:
        """A stream as a queue."""
        stream, info = await self._streams.look_up(name, subjects_filter=f"{NAMES.native(name)}.delayed.>")
        delayed = sum((info["state"].get("subjects") or {}).values()) if stream.ours else 0
        return QueueInfo(
            name=name,
            partitions=stream.partitions,
            messages=int(info["state"]["messages"]) - delayed,
            offsets=[_ends(info)] * stream.partitions,
            groups=[group.name for group in await self._groups.all(stream)],
            config=settings_of(info["config"]),
            delayed=delayed,
        )

    # ---- delays ----------------------------------------------------------------------------------------------------

    async def cancel_delayed(self, destination: str, message_id: str) -> bool:
        """Take a delayed message back."""
        return await self._delays.cancel((await self._streams.look_up(destination))[0], message_id)

    async def reschedule_delayed(self, destination: str, message_id: str, due_ms: int) -> bool:
        """Let a delayed message be due at another time."""
        return await self._delays.reschedule((await self._streams.look_up(destination))[0], message_id, due_ms)

    async def list_delayed(self, destination: str, maximum: int) -> list[DelayedInfo]:
        """Messages that are not due yet."""
        return await self._delays.list((await self._streams.look_up(destination))[0], maximum)

    # ---- groups ----------------------------------------------------------------------------------------------------

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue."""
        queues = [queue] if queue is not None else []
        if queue is None:
            for namespace in await self.list_namespaces():
                queues += await self._streams.queues(namespace)
        found: list[GroupInfo] = []
        for name in queues:
            stream, _ = await self._streams.look_up(name)
            found += [await self._info(stream, group) for group in await self._groups.all(stream)]
        return found

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """A group as the server sees it."""
        stream, _ = await self._streams.look_up(queue)
        return await self._info(stream, await self._groups.find(stream, group))

    async def _info(self, stream: Stream, group: Group) -> GroupInfo:
        in_flight = int(group.info.get("num_ack_pending", 0))
        lag = int(group.info.get("num_pending", 0)) + in_flight
        oldest: int | None = None
        if lag:
            found = [await self._reader.read(stream, each, group.floor, 1, 0.0) for each in range(stream.partitions)]
            oldest = min((each[0].store_ms for each in found if each), default=None)
        return GroupInfo(
            name=group.name,
            queue=stream.queue,
            lag=lag,
            in_flight=in_flight,
            retrying=0,
            floors=[group.floor] * stream.partitions,
            dead_letter_queue=dead_letter.queue_of(stream.queue, group.name),
            oldest_ms=oldest,
            config=group.config,
        )

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group: its consumers are made anew."""
        stream, info = await self._streams.look_up(queue)
        await self._groups.seek(stream, group, to, _ends(info))

    async def delete_group(self, queue: str, group: str) -> None:
        """Delete a group's consumers."""
        await self._groups.delete((await self._streams.look_up(queue))[0], group)


def _ends(info: dict[str, Any]) -> tuple[int, int]:
    """First and next offset of a stream."""
    state = info["state"]
    following = int(state["last_seq"]) + 1
    return (min(max(int(state["first_seq"]), 1), following), following)
