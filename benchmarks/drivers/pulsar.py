"""pulsar-client as its manual shows it: `send_async` with the same batching, `receive` in a thread, `acknowledge`."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Sequence
from typing import Any

import pulsar

from openmessaging.testing.servers.pulsar import Pulsar

SERVER = Pulsar


class Bare:
    def __init__(self, server: Pulsar) -> None:
        quiet = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)
        self._web_port = server.web_port
        self._client = pulsar.Client(f"pulsar://127.0.0.1:{server.port}", logger=quiet)

    async def open(self, queue: str) -> None:
        await asyncio.to_thread(self._open, queue)

    def _open(self, queue: str) -> None:
        self._consumer = self._client.subscribe(
            queue, "bench", consumer_type=pulsar.ConsumerType.Shared, receiver_queue_size=200
        )
        # Queues of ours store once what a client sends again: so does this one.
        url = f"http://127.0.0.1:{self._web_port}/admin/v2/persistent/public/default/{queue}/deduplicationEnabled"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, b"true", headers, method="POST")):
            pass
        self._producer = self._client.create_producer(
            queue,
            batching_enabled=True,
            batching_max_publish_delay_ms=1,
            batching_type=pulsar.BatchingType.KeyBased,
            max_pending_messages=100_000,
        )

    async def produce(self, bodies: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._produce, bodies)

    def _produce(self, bodies: Sequence[bytes]) -> None:
        failed: list[Any] = []

        def told(result: Any, _: Any) -> None:
            if result != pulsar.Result.Ok:
                failed.append(result)

        for body in bodies:
            self._producer.send_async(body, told)
        self._producer.flush()
        assert not failed

    async def consume(self, count: int) -> None:
        await asyncio.to_thread(self._consume, count)

    def _consume(self, count: int) -> None:
        for _ in range(count):
            message = self._consumer.receive(10_000)
            message.data(), message.properties()
            self._consumer.acknowledge(message)

    async def send(self, body: bytes) -> None:
        done = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        self._producer.send_async(body, lambda result, _: loop.call_soon_threadsafe(done.set_result, result))
        assert await done == pulsar.Result.Ok

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


bare = Bare
