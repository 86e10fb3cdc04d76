"""Drivers around the real one: slow, stalled, or with answers that come later, as behind a network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from openmessaging.model.spi import Capability, Done, Driver, OutgoingBatch, Placement


class Distant:
    """The asyncio driver of a system that is far away; sends wait while `gate` is clear."""

    def __init__(self, near: Driver) -> None:
        self.near = near
        self.capabilities: frozenset[Capability] = near.capabilities
        self.max_body_bytes = near.max_body_bytes
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail: Exception | None = None
        self.counted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.near, name)

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        await self.gate.wait()
        if self.fail is not None:
            raise self.fail
        return await self.near.send(batches)

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        def answer(sent: asyncio.Task[list[Placement]]) -> None:
            failure = sent.exception()
            done(None if failure is not None else sent.result()[0], failure)

        asyncio.get_running_loop().create_task(self.send([batch])).add_done_callback(answer)

    def send_now(self, _: OutgoingBatch) -> Placement | None:
        return None

    async def _count(self, destination: str) -> int:
        self.counted += 1
        await asyncio.sleep(0)
        if self.fail is not None:
            raise self.fail
        count = self.near.partition_count(destination)
        return count if isinstance(count, int) else await count

    def partition_count(self, destination: str) -> Awaitable[int]:
        return self._count(destination)
