"""Going back and looking inside: seek, peek, browse. What a driver can read is enough for all of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.replay import CopyInfo
from openmessaging.model.spi import Capability, QueueInfo
from openmessaging.runtime.aio.primitives import Driver, sleep
from openmessaging.runtime.aio.redrive import Redrive, letters
from openmessaging.runtime.aio.walking import before, between
from openmessaging.runtime.choice import Where, choice
from openmessaging.runtime.positions import (
    READ_MESSAGES,
    Position,
    as_text,
    end_of,
    messages_of,
    no_position,
    partitions_of,
    per_partition,
    placed_by_key,
    split_key,
)
from openmessaging.runtime.required import require
from openmessaging.runtime.result import RedriveReport

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

PEEK_BYTES = 8 << 20
COPY_MESSAGES = 10_000
MAX_REDRIVES = 3
"""Times that a message may be sent back from the dead letters, unless the call says more."""


class Replay:
    """The part of the resource manager that looks at messages and goes back to them."""

    _access_point: AccessPoint

    async def seek_group(self, queue: str, group: str, to: Position) -> None:
        """Move a group; its leases in what moves end, so that an `ack` of what was received before fails with 1418.

        Args:
            queue: bare or full name.
            group: the consumer group.
            to: `earliest`, `latest`, `offset:<n>` in every partition; `ts:<ms>` or a datetime: the first message stored
                at or after it; `key:<k>` or `last-key:<k>`: the first or last message of a key (its partition moves,
                the others stay); or an offset for each partition that shall move.

        A key is looked for in the messages that are stored now, beginning with the partition that producers choose for
        it: measured, 1.7 million a second in batches of 500; sent one by one, 100,000 forwards and 60,000 backwards
        (`last-key`).

        Raises OMSDestinationException 1404 when missing, OMSRuntimeException 1418 for any other text and for a key
        that no message has.
        """
        driver = await self._access_point.get_driver()
        name = self._access_point.full(queue)
        if isinstance(to, str | datetime):
            text = as_text(to)
            key = split_key(text)
            if key is None:
                await driver.seek_group(name, group, text)
                return
            info = await driver.describe_queue(name)
            await driver.seek_group(name, group, await _at_key(driver, info, *key))
            return
        await driver.seek_group(name, group, per_partition(to, await driver.describe_queue(name)))

    async def peek(self, queue: str, group: str, max_messages: int = 10) -> list[Message]:
        """The messages that the group's next receive would get, without taking them; fewer when they are large.

        Raises OMSDestinationException 1404 when missing; OMSUnsupportException where the system cannot do it.
        """
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.PEEK)
        name = self._access_point.full(queue)
        return messages_of(await driver.peek(name, group, max_messages, PEEK_BYTES))

    async def browse(
        self,
        queue: str,
        start: Position = "earliest",
        end: Position = "latest",
        *,
        key: str | None = None,
        partition: int | None = None,
    ) -> AsyncIterator[Message]:
        """Messages as they are stored, leaving groups alone, one partition after the other, each in order.

        Args:
            queue: bare or full name.
            start: the first message, as `seek_group` takes it.
            end: where to stop, that position excluded; `latest`: what is stored when it begins.
            key: only messages of this key; all between are read.
            partition: only this one.

        Raises OMSDestinationException 1404; OMSRuntimeException 1418 for a wrong position or partition.
        """
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.BROWSE)
        info = await driver.describe_queue(self._access_point.full(queue))
        starts = await resolve(driver, info, start)
        ends = await resolve(driver, info, end)
        if partition is not None and not 0 <= partition < len(info.offsets):
            step = f"Use 0 to {len(info.offsets) - 1}"
            raise error(1418, f"{info.name} has no partition {partition}", next_step=step, field="partition")
        for number in range(len(info.offsets)) if partition is None else (partition,):
            offset = starts[number]
            while offset < ends[number]:
                wanted = min(ends[number] - offset, READ_MESSAGES)
                deliveries = await driver.read(info.name, number, offset, wanted)
                if not deliveries:
                    break
                offset = end_of(deliveries)
                for message in messages_of(deliveries):
                    if (message.offset or 0) < ends[number] and (key is None or message.message_key == key):
                        yield message
                await sleep(0)

    async def copy_queue(
        self,
        source: str,
        target: str,
        start: Position = "earliest",
        end: Position = "latest",
        *,
        name: str | None = None,
        progress: Callable[[CopyInfo], object] | None = None,
    ) -> CopyInfo:
        """Copy messages to another queue, with their keys, properties, ids and order; groups are left alone.

        A copy that was cut off, by a crash too, goes on where it was when it is called again with the same name, or
        without a name for the same queues: nothing is left out and nothing doubled. Its bounds are those it began with.
        A copy with a name is remembered when it is complete, and not made again; see `list_copies` and `end_copy`.

        Args:
            source: the queue to copy from.
            target: the queue to copy to, created when missing.
            start: the first message, as `seek_group` takes it.
            end: where to stop, that position excluded; `latest`: what is stored when it begins.
            name: of the copy.
            progress: called after each batch.

        Raises OMSDestinationException 1404; OMSRuntimeException 1418 for a wrong position, a name that is another
        copy's, and a message without key for a compacted queue; OMSUnsupportException.
        """
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.COPY)
        info = await driver.describe_queue(self._access_point.full(source))
        full_target = self._access_point.full(target)
        starts = await resolve(driver, info, start)
        bounds = list(zip(starts, await resolve(driver, info, end), strict=True))
        called = name or f"{info.name} to {full_target}"
        copy = await driver.begin_copy(called, info.name, full_target, bounds, name is not None)
        while True:
            if copy.left or name is None:
                copy = await driver.advance_copy(called, COPY_MESSAGES)
            if progress is not None:
                progress(copy)
            if not copy.left:
                return copy

    async def list_copies(self) -> list[CopyInfo]:
        """Copies under way, and those with a name that are complete."""
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.COPY)
        return await driver.list_copies()

    async def end_copy(self, name: str) -> None:
        """Give a copy up where it is, or forget one that is complete. Raises OMSDestinationException 1404."""
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.COPY)
        await driver.end_copy(name)

    async def dead_letters(self, queue: str, group: str) -> list[Message]:
        """The dead letters of a group that were not sent back, the oldest first, at most 100,000.

        Raises OMSDestinationException 1404 for a missing queue or group.
        """
        driver = await self._access_point.get_driver()
        require(driver.capabilities, Capability.REDRIVE)
        return await letters(driver, self._access_point.full(queue), group)

    async def redrive(
        self,
        queue: str,
        group: str,
        *,
        to: str | None = None,
        where: Where = None,
        rate: float | None = None,
        limit: int | None = None,
        max_redrives: int = MAX_REDRIVES,
        progress: Callable[[int], object] | None = None,
    ) -> RedriveReport:
        """Send dead letters back, each with its leaving the dead letters in one step: a crash loses and doubles none.

        They keep message id, key, body and properties, and lose what said why they were dead; the property
        `dead-letter.redrives` counts how often. One that cannot go back stays and stops nothing.

        Args:
            queue: the queue whose group they are of.
            group: the consumer group.
            to: send them to this queue instead of the one each came from.
            where: only those it chooses: an SQL condition, a function of the message, or values that properties (`key`:
                the message key) must have.
            rate: at most so many a second.
            limit: at most so many, the oldest ones.
            max_redrives: one that was sent back so often before stays.
            progress: called with how many more were sent back.

        Raises OMSDestinationException 1404 for a queue that is missing; OMSRuntimeException 1418 (field `filter`) for a
        condition that cannot be read, 1404 or 1405 for a target that is missing; OMSUnsupportException.
        """
        driver = await self._access_point.get_driver()
        target = None if to is None else self._access_point.full(to)
        job = Redrive(driver, target, choice(where), rate, sys.maxsize if limit is None else limit, max_redrives)
        return await job.run(self._access_point.full(queue), group, progress)


async def resolve(driver: Driver, info: QueueInfo, position: Position) -> list[int]:
    """A position as an offset per partition, between the ends; a partition that a mapping or key leaves out begins at
    its first message. Raises OMSRuntimeException 1418."""
    if isinstance(position, str | datetime):
        text = as_text(position)
        if text == "earliest":
            return [first for first, _ in info.offsets]
        if text == "latest":
            return [following for _, following in info.offsets]
        key = split_key(text)
        kind, _, number = text.partition(":")
        if key is not None:
            found = await _at_key(driver, info, *key)
        elif kind == "ts" and number.isascii() and number.isdigit():
            found = [await driver.find_time(info.name, each, int(number)) for each in range(len(info.offsets))]
        elif kind == "offset" and number.isascii() and number.isdigit():
            found = [int(number)] * len(info.offsets)
        else:
            raise no_position(text)
    else:
        found = per_partition(position, info)
    return [
        min(max(first if offset is None else offset, first), following)
        for offset, (first, following) in zip(found, info.offsets, strict=True)
    ]


async def _at_key(driver: Driver, info: QueueInfo, key: str, last: bool) -> list[int | None]:
    """Where the first or last message of a key lies. Raises OMSRuntimeException 1418 when there is none."""
    for partition in partitions_of(key, info):
        find = _last_of_key if last else _first_of_key
        offset = await find(driver, info, partition, key)
        if offset is not None:
            return placed_by_key(offset, partition, info)
    text = f"no message of {info.name} has the key {key!r}"
    raise error(1418, text, next_step="Give another key, or a time", field="position")


async def _first_of_key(driver: Driver, info: QueueInfo, partition: int, key: str) -> int | None:
    async for messages in between(driver, info.name, partition, *info.offsets[partition]):
        for message in messages:
            if message.message_key == key:
                return message.offset
    return None


async def _last_of_key(driver: Driver, info: QueueInfo, partition: int, key: str) -> int | None:
    async for messages in before(driver, info.name, partition, info.offsets[partition][1]):
        for message in messages:
            if message.message_key == key:
                return message.offset
    return None
