"""The two things that are compared: a system's own client, and this library on the same system."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import openmessaging as oms
from openmessaging.testing.servers import Server

TOGETHER = 500
"""Messages that a consumer takes at once, and a bare producer sends at once."""


class Adapter(Protocol):
    """One way to use a system. Each system's module has one over its client: `bare(server)`."""

    async def open(self, queue: str) -> None:
        """Connect; the queue and a group on it are there afterwards."""
        ...

    async def produce(self, bodies: Sequence[bytes]) -> None:
        """Send all as fast as it goes; return when all are confirmed."""
        ...

    async def consume(self, count: int) -> None:
        """Take and acknowledge so many, at most `TOGETHER` at once; return when the acknowledgements are done."""
        ...

    async def send(self, body: bytes) -> None:
        """Send one; return when it is confirmed."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class Ours:
    """This library."""

    def __init__(self, server: Server, **attributes: Any) -> None:
        self._access_point = oms.connect(server.url, attributes)

    async def open(self, queue: str) -> None:
        self._queue = queue
        await self._access_point.startup()
        self._producer = self._access_point.create_producer()
        await self._producer.startup()
        self._consumer = self._access_point.create_pull_consumer(queue, group="bench", prefetch=TOGETHER)
        await self._consumer.startup()

    async def produce(self, bodies: Sequence[bytes]) -> None:
        create, send = self._producer.create_message, self._producer.send_async
        await asyncio.gather(*[asyncio.wrap_future(send(create(self._queue, body))) for body in bodies])

    async def consume(self, count: int) -> None:
        while count > 0:
            messages = await self._consumer.batch_receive(min(TOGETHER, count), timeout=10)
            assert messages, f"{count} messages are missing"
            await self._consumer.ack(messages)
            count -= len(messages)
        await self._consumer.flush()

    async def send(self, body: bytes) -> None:
        await self._producer.send(self._producer.create_message(self._queue, body))

    async def close(self) -> None:
        await self._consumer.shutdown()
        await self._producer.shutdown()
        await self._access_point.shutdown()
