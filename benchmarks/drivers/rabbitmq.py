"""aio-pika as its manual shows it: a durable quorum queue, publisher confirms, a consumer with a prefetch that
acknowledges each message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aio_pika

from benchmarks.drivers.adapter import TOGETHER
from openmessaging.testing.servers.rabbitmq import Rabbitmq

SERVER = Rabbitmq
WINDOW = 1000


class Bare:
    def __init__(self, server: Rabbitmq) -> None:
        self._url = f"amqp://guest:guest@127.0.0.1:{server.port}/"

    async def open(self, queue: str) -> None:
        self._connection = await aio_pika.connect(self._url)
        self._sending = await self._connection.channel()
        self._receiving = await self._connection.channel()
        await self._receiving.set_qos(prefetch_count=TOGETHER)
        self._queue: Any = await self._receiving.declare_queue(
            queue, durable=True, arguments={"x-queue-type": "quorum"}
        )

    async def produce(self, bodies: Sequence[bytes]) -> None:
        for begin in range(0, len(bodies), WINDOW):
            await asyncio.gather(*map(self.send, bodies[begin : begin + WINDOW]))

    async def consume(self, count: int) -> None:
        async with self._queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                count -= 1
                if not count:
                    break

    async def send(self, body: bytes) -> None:
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._sending.default_exchange.publish(message, routing_key=self._queue.name)

    async def close(self) -> None:
        await self._connection.close()


bare = Bare
