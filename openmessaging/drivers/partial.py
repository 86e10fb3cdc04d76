"""A driver for a system that has a part of what the SPI asks for: what its class does not define is refused.

`openmessaging.model.spi` says what each method does. A subclass defines `capabilities`, `max_body_bytes`, `put`,
`subscribe`, and what else the system can do; the rest raises OMSUnsupportException. Sends are collected until the end
of a turn of the loop and go off together, one `put` at a time: what arrives during one shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from openmessaging.drivers.turns import call_all
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.spi import Capability, Done, Driver, OutgoingBatch, Placement

Outcome = Placement | OMSRuntimeException
"""What became of a batch."""
_METHODS = frozenset(name for base in Driver.__mro__ for name in vars(base) if not name.startswith("_"))


class PartialDriver:
    """Root of the drivers of other systems. Belongs to the loop it was opened in."""

    capabilities: frozenset[Capability]
    max_body_bytes: int

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._submitted: list[tuple[OutgoingBatch, Done]] = []
        self._last: list[Callable[[], object]] = []
        self._sending: asyncio.Task[None] | None = None
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)

        def refuse(*_: Any, **__: Any) -> Any:
            raise unsupported(name, next_step="Use a system whose capabilities name it")

        return refuse

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Store batches, each by itself, in their order; say what became of each."""
        raise NotImplementedError

    async def disconnect(self) -> None:
        """Let go of the system; nothing is being sent any more."""
        raise NotImplementedError

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches; raises the error of the first that was not stored."""
        arrived: list[asyncio.Future[Placement]] = []
        for batch in batches:
            future: asyncio.Future[Placement] = self._loop.create_future()
            self.submit(batch, _filling(future))
            arrived.append(future)
        found = await asyncio.gather(*arrived, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return [each for each in found if isinstance(each, Placement)]

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over; `done` is called in this loop."""
        self._submitted.append((batch, done))
        if self._sending is None:
            self._sending = self._loop.create_task(self._send_all())

    def send_now(self, _: OutgoingBatch) -> Placement | None:
        """Never: there is a network between."""
        return None

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn, before what it submitted goes off."""
        self._last.append(callback)
        if self._sending is None:
            self._sending = self._loop.create_task(self._send_all())

    async def _send_all(self) -> None:
        """One `put` after the other until nothing is left; a task begins in the next turn, so that turns collect."""
        try:
            while self._last or self._submitted:
                last, self._last = self._last, []
                call_all(self._loop, last)
                together, self._submitted = self._submitted, []
                if not together:
                    continue
                outcomes = await self._outcomes([batch for batch, _ in together])
                for (_, done), outcome in zip(together, outcomes, strict=True):
                    if isinstance(outcome, Placement):
                        done(outcome, None)
                    else:
                        done(None, outcome)
        finally:
            self._sending = None
            if self._last or self._submitted:  # cancelled, or a callback failed
                self._sending = self._loop.create_task(self._send_all())

    async def _outcomes(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        if self._closed:
            return [closed()] * len(batches)
        try:
            return await self.put(batches)
        except OMSRuntimeException as failure:
            return [failure] * len(batches)
        except Exception as failure:
            told = error(1500, f"{type(failure).__name__}: {failure}", next_step="Look at the system's log")
            told.__cause__ = failure
            return [told] * len(batches)

    async def close(self) -> None:
        """Wait for what is being sent, then let go."""
        while self._sending is not None:
            await asyncio.wait([self._sending])
        if not self._closed:
            self._closed = True
            await self.disconnect()


def closed() -> OMSRuntimeException:
    """The error of a driver that was closed."""
    return error(1503, "the access point is closed", next_step="Connect again")


def check_partition(queue: str, partition: int, count: int) -> None:
    """Raises OMSRuntimeException 1418 for a partition that a queue of `count` partitions does not have."""
    if not 0 <= partition < count:
        step = f"It has {count}, numbered from 0"
        raise error(1418, f"{queue} has no partition {partition}", next_step=step, field="partition")


def _filling(future: asyncio.Future[Placement]) -> Done:
    def fill(placement: Placement | None, failure: BaseException | None) -> None:
        if future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        elif placement is not None:
            future.set_result(placement)

    return fill
