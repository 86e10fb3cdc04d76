"""Consumer groups as Kafka has them: one id for all queues, an offset and a text per partition."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from openmessaging.drivers.kafka.book import read_text
from openmessaging.drivers.kafka.topics import NAMING, Topics, awaited, native_name
from openmessaging.model.dead_letter import queue_of
from openmessaging.model.destination import split_name
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import GroupConfig, GroupInfo

BROADCAST = "oms-broadcast-"
"""Groups of one consumer; they keep no offsets."""


class Groups:
    """The administration of groups."""

    def __init__(self, admin: AdminClient, topics: Topics, timeout: float) -> None:
        self._admin = admin
        self._topics = topics
        self._timeout = timeout

    async def committed(self, group: str, queue: str | None = None) -> list[TopicPartition]:
        """What a group has committed, of a queue or of all; the empty list for one that is not there."""
        native = NAMING.group(group)
        request = [ConsumerGroupTopicPartitions(native)]
        answer = self._admin.list_consumer_group_offsets(request, request_timeout=self._timeout)[native]
        try:
            found = await awaited(answer, f"group {group}")
        except OMSRuntimeException as failure:
            if failure.code == 1404:
                return []
            raise
        wanted = native_name(queue) if queue else None
        kept = [each for each in found.topic_partitions or [] if each.offset >= 0]
        return [each for each in kept if wanted is None or each.topic == wanted]

    async def commit(self, group: str, places: Sequence[TopicPartition]) -> None:
        """Set offsets of a group without members. Raises 1400 where it has some."""
        native = NAMING.group(group)
        request = [ConsumerGroupTopicPartitions(native, list(places))]
        answer = self._admin.alter_consumer_group_offsets(request, request_timeout=self._timeout)[native]
        try:
            found = await awaited(answer, f"group {group}")
        except OMSRuntimeException as failure:
            if failure.code in (1418, 1400):
                step = "Stop them first: Kafka moves only groups without consumers"
                raise error(1400, f"group {group!r} has consumers", next_step=step) from failure
            raise
        for each in found.topic_partitions or []:
            if each.error is not None:
                step = "Stop its consumers first: Kafka moves only groups without"
                raise error(1400, f"group {group!r}: {each.error.str()}", next_step=step)

    async def places(self, queue: str, to: str | Sequence[int | None]) -> dict[int, int]:
        """The offset per partition that a position means. Raises 1418 for one that is none."""
        topic = await self._topics.find(queue)
        spans = await self._topics.offsets(queue, topic.partitions)
        if not isinstance(to, str):
            return {at: _within(offset, spans[at]) for at, offset in enumerate(to) if offset is not None}
        kind, _, number = to.partition(":")
        if to in ("earliest", "latest"):
            return {at: span[to == "latest"] for at, span in enumerate(spans)}
        try:
            value = int(number)
        except ValueError:
            kind = ""
        if kind == "offset":
            return {at: _within(value, span) for at, span in enumerate(spans)}
        if kind != "ts":
            step = "Give `earliest`, `latest`, `offset:<n>` or `ts:<ms>`"
            raise error(1418, f"{to!r} is no position", next_step=step, field="position")
        wanted = [
            (TopicPartition(topic.native, at), OffsetSpec.for_timestamp(max(value, 0))) for at in range(len(spans))
        ]
        found = await self._topics.list_offsets(wanted)
        return {at: offset if offset >= 0 else spans[at][1] for at, offset in enumerate(found)}

    async def names(self) -> list[str]:
        """All groups, as Kafka names them."""
        found = await awaited(self._admin.list_consumer_groups(request_timeout=self._timeout), "groups")
        return sorted(each.group_id for each in found.valid if not each.group_id.startswith(BROADCAST))

    async def list(self, queue: str | None) -> list[GroupInfo]:
        """All groups with offsets, one per queue that they read."""
        infos: list[GroupInfo] = []
        names = [name for each in await self.names() if (name := _plain(each)) is not None]
        committed = await asyncio.gather(*[self.committed(name, queue) for name in names])
        for name, places in zip(names, committed, strict=True):
            for native in sorted({each.topic for each in places}):
                full = NAMING.full(native)
                if full is not None and full[1] is None:
                    infos.append(await self._info(full[0], name, places))
        return infos

    async def describe(self, queue: str, group: str) -> GroupInfo:
        """One group. Raises 1404."""
        await self._topics.find(queue)
        places = await self.committed(group, queue)
        if not places:
            step = "Ask which groups there are; one that has settled nothing yet is not known"
            raise error(1404, f"group {group!r} of {queue!r} is not there", next_step=step)
        return await self._info(queue, group, places)

    async def _info(self, queue: str, group: str, places: Sequence[TopicPartition]) -> GroupInfo:
        topic = await self._topics.find(queue)
        spans = await self._topics.offsets(queue, topic.partitions)
        floors = [first for first, _ in spans]
        lag = sum(end - first for first, end in spans)
        retrying = 0
        for each in places:
            if each.topic == topic.native and each.partition < len(spans):
                first, end = spans[each.partition]
                floors[each.partition] = floor = min(max(each.offset, first), end)
                _, settled, attempts = read_text(each.offset, each.metadata)
                lag -= floor - first + len([offset for offset in settled if floor <= offset < end])
                retrying += len(attempts)
        return GroupInfo(
            group,
            queue,
            max(lag, 0),
            in_flight=0,
            retrying=retrying,
            floors=floors,
            dead_letter_queue=queue_of(queue, group),
            oldest_ms=None,
            config=GroupConfig(),
        )

    async def delete(self, queue: str, group: str) -> None:
        """Delete a group. Raises 1404; 1400 where it has consumers, or offsets of other queues, which Kafka's client
        deletes only together."""
        await self.describe(queue, group)
        others = {each.topic for each in await self.committed(group)} - {native_name(queue)}
        if others:
            step = "Delete it with Kafka's own tools, which can leave the others"
            raise error(1400, f"group {group!r} also reads {', '.join(sorted(others))}", next_step=step)
        native = NAMING.group(group)
        await awaited(self._admin.delete_consumer_groups([native], request_timeout=self._timeout)[native], group)


def _plain(native: str) -> str | None:
    """The group that an id of Kafka stands for; None for ids that no group of ours has."""
    found = NAMING.full(native)
    if found is None:
        return None
    name = split_name(found[0])[1]
    return name if NAMING.group(name) == native else None


def _within(offset: int, span: tuple[int, int]) -> int:
    return min(max(offset, span[0]), span[1])
