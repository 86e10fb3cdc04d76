"""A node watches itself: takes a sample each second, and tells who waits for the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from openmessaging.server.latency import Recent
from openmessaging.server.metrics import Metrics
from openmessaging.server.rates import Rates
from openmessaging.server.served import Driver
from openmessaging.server.server import Server

EVERY = 1.0
_SHARE = 20
"""A sample is followed by a pause of so many times what it took: watching never costs more than 5 % of a core."""


class Watched(Protocol):
    """What is watched: a node."""

    @property
    def driver(self) -> Driver:
        """Whose queues are looked at."""
        ...

    @property
    def server(self) -> Server:
        """Whose clients are counted."""
        ...

    @property
    def metrics(self) -> Metrics:
        """What counts how long sends take."""
        ...


class Watch:
    """Samples of a node, in the running loop from `start` on.

    Args:
        node: what is watched.
        now_ms: the wall clock, ms.
    """

    def __init__(self, node: Watched, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.rates = Rates()
        self._node = node
        self._now_ms = now_ms
        self._sends = Recent(node.metrics.sends.bounds)
        self._next: asyncio.Future[bool] | None = None
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take the first sample now."""
        self._beat()

    def stop(self) -> None:
        """Take no more; who waits is told."""
        if self._timer is not None:
            self._timer.cancel()
        self._stopped = True
        self._tell(False)

    async def next(self) -> bool:
        """Return when there is a new sample; False when there will be none."""
        if self._stopped:
            return False
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._next)

    def _tell(self, there_is: bool) -> None:
        if self._next is not None:
            self._next.set_result(there_is)
            self._next = None

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        totals = self._node.driver.totals()
        latency = self._sends.take(self._node.metrics.sends.counts())
        self.rates.take(self._now_ms(), totals, self._node.server.connections, latency)
        took = loop.time() - began
        self._timer = loop.call_later(max(EVERY - took, took * _SHARE), self._beat)
        self._tell(True)
