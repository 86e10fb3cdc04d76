"""`oms serve` as one more peer of the scripts that measure what people would use instead.

    python -m benchmarks.peer_oms PEERS [their options: --only W1,W2 --uvloop …]

PEERS is the directory of those scripts; the workloads, the timing and the rows are theirs (`common.py`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openmessaging as oms

if __name__ == "__main__":  # a child that answers requests has it in its path already
    sys.path.insert(0, sys.argv.pop(1))
import common

BATCH = 500


def start(flush: str) -> Any:
    """A server with a flush mode, as a context manager."""

    def command(folder: Path, port: int) -> list[str]:
        program = [sys.executable, "-m", "openmessaging.cli", "serve"]
        return [*program, "--store", str(folder / "store"), "--listen", f"127.0.0.1:{port}", "--flush", flush]

    return common.serve(command)


class Oms:
    """The adapter."""

    def __init__(self, port: int) -> None:
        self.url = f"oms:oms://127.0.0.1:{port}/local"
        self.access_points: list[Any] = []
        self.runs = 0

    async def reset(self) -> None:
        """A new queue, two connections."""
        await self.close()
        self.runs += 1
        self.queue = f"queue{self.runs}"
        self.access_points = [oms.connect(self.url) for _ in range(2)]
        for each in self.access_points:
            await each.startup()
        self.producer = self.access_points[0].create_producer()
        await self.producer.startup()
        await self.access_points[0].resource_manager().create_queue(self.queue)
        self.consumer = self.access_points[1].create_pull_consumer(self.queue, group="peer", prefetch=2 * BATCH)
        await self.consumer.startup()

    async def send(self, payload: bytes) -> Any:
        """One message, acknowledged."""
        return await self.producer.send(self.producer.create_message(self.queue, payload))

    async def produce(self, count: int, payload: bytes) -> None:
        """Lists of 500, four of them on their way at a time."""
        create = self.producer.create_message

        async def some(share: int) -> None:
            while share > 0:
                size = min(BATCH, share)
                await self.producer.send([create(self.queue, payload) for _ in range(size)])
                share -= size

        await asyncio.gather(*(some(count // 4 + (count % 4 if number == 0 else 0)) for number in range(4)))

    async def consume(self, count: int) -> None:
        """Batches, acknowledged."""
        while count > 0:
            messages = await self.consumer.batch_receive(BATCH, timeout=5)
            await self.consumer.ack(messages)
            count -= len(messages)

    async def deliveries(self) -> AsyncIterator[bytes]:
        """Bodies as they arrive."""
        while True:
            messages = await self.consumer.batch_receive(BATCH, timeout=5)
            for message in messages:
                yield message.data
            if messages:
                await self.consumer.ack(messages)

    async def close(self) -> None:
        """End the connections."""
        while self.access_points:
            await self.access_points.pop().shutdown()


def reply(url: str) -> None:
    """Answer requests with themselves, in a process of its own."""

    async def answer() -> None:
        async with oms.connect(url) as access_point, access_point.create_service("echo", lambda message: message.data):
            await asyncio.Event().wait()

    asyncio.run(answer())


async def requests(report: Any, options: Any, url: str) -> None:
    """W5."""
    with common.child(reply, url):
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:

            async def call(data: bytes) -> None:
                await producer.request(producer.create_message("echo", data), timeout=5)

            while True:
                try:
                    await call(b"")
                except oms.OMSRuntimeException:
                    await asyncio.sleep(0.05)  # it does not answer yet
                else:
                    break
            await common.measure_requests(report, options, call, "flush interval", "requests are stored")


async def main(options: Any) -> None:
    """Run the workloads."""
    report = common.Report("oms", common.distribution_versions("openmessaging"), options)
    if common.wanted(options, "W1") or common.wanted(options, "W2"):
        with start("always") as server:
            await common.measure_durable(report, options, Oms(server.port), "flush always", server.pid)
    with start("interval") as server:
        await common.measure_default(report, options, Oms(server.port), "flush interval", server, 400_000)
        if common.wanted(options, "W5"):
            await requests(report, options, f"oms:oms://127.0.0.1:{server.port}/local")
    with start("interval") as server:
        await common.measure_backlog(report, options, Oms(server.port), "flush interval", server, options.backlog)


if __name__ == "__main__":
    parsed = common.arguments(__doc__ or "")
    common.run_async(main(parsed), parsed.uvloop)
