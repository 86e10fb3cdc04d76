"""The streaming consumer: walks a partition both ways. Read-only; no group, the caller keeps the position.

Source: OMSI 0.3.1. `previous` after `next` gives the same message; `has_next` turns true when more arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.spi import Delivery
from openmessaging.runtime.aio.lifecycle import Service
from openmessaging.runtime.aio.primitives import Driver
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.streams import split_position, split_stream, stream_name

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

READ_MESSAGES = 500
"""Messages read at once when walking forward."""


class StreamingConsumer(Service):
    """Makes iterators. Create it with `access_point.create_streaming_consumer`."""

    _kind = "streaming consumer"

    def __init__(self, access_point: AccessPoint) -> None:
        super().__init__()
        self._access_point = access_point

    async def list_streams(self, queue: str) -> list[str]:
        """Names of a queue's streams, one per partition and lane. Raises OMSDestinationException 1404."""
        self._require_started()
        driver = await self._access_point.get_driver()
        info = await driver.describe_queue(self._access_point.full(queue))
        return [stream_name(info.name, partition) for partition in range(len(info.offsets))]

    async def seek(self, stream: str, position: str) -> StreamingIterator:
        """An iterator whose `next` is the first message at or after a position, `offset:<n>` or `ts:<ms>`; a position
        outside the stream is moved to its nearer end.

        Raises OMSRuntimeException 1418 for a wrong stream or position; OMSDestinationException 1404.
        """
        kind, number = split_position(position)
        iterator, first, following = await self._at_beginning(stream)
        if kind == "ts":
            driver = await self._access_point.get_driver()
            number = await driver.find_time(iterator.queue, iterator.partition, number)
        iterator.offset = min(max(number, first), following)
        return iterator

    async def seek_to_beginning(self, stream: str) -> StreamingIterator:
        """An iterator before the first message. Raises as `seek`."""
        return (await self._at_beginning(stream))[0]

    async def seek_to_end(self, stream: str) -> StreamingIterator:
        """An iterator behind the last message. Raises as `seek`."""
        iterator, _, following = await self._at_beginning(stream)
        iterator.offset = following
        return iterator

    async def _at_beginning(self, stream: str) -> tuple[StreamingIterator, int, int]:
        self._require_started()
        driver = await self._access_point.get_driver()
        queue, partition = split_stream(stream)
        info = await driver.describe_queue(self._access_point.full(queue))
        if partition >= len(info.offsets):
            step = f"The queue has {len(info.offsets)} streams, numbered from 0"
            raise error(1418, f"there is no stream {stream!r}", next_step=step, field="stream")
        first, following = info.offsets[partition]
        return StreamingIterator(driver, info.name, partition, first), first, following

    async def _open(self) -> None:
        await self._access_point.get_driver()
        self._access_point.attach(self)

    async def _close(self) -> None:
        self._access_point.detach(self)


class StreamingIterator:
    """A place between two messages of a stream."""

    def __init__(self, driver: Driver, queue: str, partition: int, offset: int) -> None:
        self.queue = queue
        """Full name."""
        self.partition = partition
        """The partition that is walked."""
        self.offset = offset
        """Messages from this offset on are ahead, the others behind."""
        self._driver = driver
        self._near: list[Message] = []
        """Neighbours in the order of their offsets, without a gap between them that holds a message."""
        self._at = 0
        """How many of them are behind; valid for the place `_placed`."""
        self._placed = -1

    async def has_next(self) -> bool:
        """Whether there is a message ahead now; may turn true when more arrive."""
        return await self._ahead() is not None

    async def has_previous(self) -> bool:
        """Whether there is a message behind."""
        return await self._behind() is not None

    async def next(self) -> Message:
        """The message ahead, and step over it. Raises OMSRuntimeException 1414 at the end."""
        message, self.offset = await self._next()
        self._at += 1
        self._placed = self.offset
        return message

    async def previous(self) -> Message:
        """The message behind, and step back over it. Raises OMSRuntimeException 1414 at the beginning."""
        message, self.offset = await self._previous()
        self._at -= 1
        self._placed = self.offset
        return message

    async def next_position(self) -> str:
        """The position of what `next` would give, as `seek` takes it. Raises as `next`."""
        return f"offset:{(await self._next())[1] - 1}"

    async def previous_position(self) -> str:
        """The position of what `previous` would give, as `seek` takes it. Raises as `previous`."""
        return f"offset:{(await self._previous())[1]}"

    async def _next(self) -> tuple[Message, int]:
        message = await self._ahead()
        if message is None:
            raise error(1414, "the stream ends here", next_step="Ask has_next() first")
        return message, _offset(message) + 1

    async def _previous(self) -> tuple[Message, int]:
        message = await self._behind()
        if message is None:
            raise error(1414, "the stream begins here", next_step="Ask has_previous() first")
        return message, _offset(message)

    async def _ahead(self) -> Message | None:
        if self._placed != self.offset or self._at >= len(self._near):
            read = self._driver.read
            self._keep(await read(self.queue, self.partition, self.offset, READ_MESSAGES, 0.0))
            self._at = sum([_offset(message) < self.offset for message in self._near])
        return self._near[self._at] if self._at < len(self._near) else None

    async def _behind(self) -> Message | None:
        if self._placed != self.offset or self._at <= 0:
            delivery = await self._driver.read_before(self.queue, self.partition, self.offset)
            self._keep([] if delivery is None else [delivery])
            self._near = [message for message in self._near if _offset(message) < self.offset]
            self._at = len(self._near)
        return self._near[self._at - 1] if self._at > 0 else None

    def _keep(self, deliveries: list[Delivery]) -> None:
        self._near = []
        for delivery in deliveries:
            origin = DeliveryOrigin(delivery)
            self._near += [
                Message(record, self.queue, origin, place)
                for place, record in enumerate(origin.members, delivery.first)
            ]
        self._placed = self.offset


def _offset(message: Message) -> int:
    offset = message.offset
    assert offset is not None
    return offset
