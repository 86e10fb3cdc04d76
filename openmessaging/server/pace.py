"""How much is taken out of the store in one turn of the loop, for all clients together.

Whoever would take more waits for a later turn, and what others have sent or asked comes in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from openmessaging.model.replay import Delivery

BATCHES = 100
"""Of one turn, about; more than that begins with the next."""
BYTES_OF_A_BATCH = 8 << 10
"""Bytes that take as long as one batch does."""


class Pace:
    """See the module. One of a server, used in its loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ticking = False

    async def turn(self) -> None:
        """Return when something may be taken, in the order of asking; at once as long as there is room in this turn."""
        if self._taken >= BATCHES or self._waiting:
            mine = self._loop.create_future()
            self._waiting.append(mine)
            await mine

    def take(self, deliveries: Sequence[Delivery]) -> int:
        """Note what was taken; returns how many bytes it holds."""
        size = sum([len(each.data) for each in deliveries])
        self._taken += len(deliveries) + size // BYTES_OF_A_BATCH
        if not self._ticking:
            self._ticking = True
            self._loop.call_soon(self._next)
        return size

    def _next(self) -> None:
        """A turn is over: there is room again; one of those who wait goes on, for each may fill a turn."""
        self._taken = 0
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # else it was cancelled
                first.set_result(None)
                self._loop.call_soon(self._next)
                return
        self._ticking = False
