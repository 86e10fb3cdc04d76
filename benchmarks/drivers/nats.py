"""nats-py as its manual shows it: `publish_async` with acknowledgements of the server, `fetch`, an ack per message, and
an answer asked for with the last one of each fetch. The server syncs every write (`sync_interval: always`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import nats as client
from nats.js.client import JetStreamContext

from benchmarks.drivers.adapter import TOGETHER
from openmessaging.testing.servers.nats import Nats

SERVER = Nats


class Bare:
    def __init__(self, server: Nats) -> None:
        self._url = f"nats://127.0.0.1:{server.port}"

    async def open(self, queue: str) -> None:
        self._queue = queue
        self._client = await client.connect(self._url)
        self._stream: JetStreamContext = self._client.jetstream()
        await self._stream.add_stream(name=queue, subjects=[queue])
        self._subscription = await self._stream.pull_subscribe(queue, durable="bench")

    async def produce(self, bodies: Sequence[bytes]) -> None:
        publish = self._stream.publish_async
        await asyncio.gather(*[await publish(self._queue, body) for body in bodies])

    async def consume(self, count: int) -> None:
        while count > 0:
            messages = await self._subscription.fetch(min(TOGETHER, count), timeout=10)
            for message in messages[:-1]:
                await message.ack()
            await messages[-1].ack_sync()
            count -= len(messages)

    async def send(self, body: bytes) -> None:
        await self._stream.publish(self._queue, body)

    async def close(self) -> None:
        await self._client.close()


bare = Bare
