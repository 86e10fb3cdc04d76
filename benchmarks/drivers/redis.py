"""redis-py as its manual shows it: pipelines of XADD, XREADGROUP with a count, one XACK for all."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis as Client

from benchmarks.drivers.adapter import TOGETHER
from openmessaging.testing.servers.redis import Redis

SERVER = Redis


class Bare:
    def __init__(self, server: Redis) -> None:
        self._client = Client(port=server.port)

    async def open(self, queue: str) -> None:
        self._queue = queue
        await self._client.xgroup_create(queue, "bench", "0", mkstream=True)

    async def produce(self, bodies: Sequence[bytes]) -> None:
        for begin in range(0, len(bodies), TOGETHER):
            pipeline = self._client.pipeline(transaction=False)
            for body in bodies[begin : begin + TOGETHER]:
                pipeline.xadd(self._queue, {"body": body})
            await pipeline.execute()

    async def consume(self, count: int) -> None:
        while count > 0:
            found = await self._client.xreadgroup("bench", "one", {self._queue: ">"}, min(TOGETHER, count), 10_000)
            ids = [entry for _, entries in found for entry, _ in entries]
            await self._client.xack(self._queue, "bench", *ids)
            count -= len(ids)

    async def send(self, body: bytes) -> None:
        await self._client.xadd(self._queue, {"body": body})

    async def close(self) -> None:
        await self._client.aclose()


bare = Bare
