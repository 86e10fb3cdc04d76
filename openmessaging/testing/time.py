"""Time that a test moves: the store's clock stands still between moves, and the event loop's timers move along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from openmessaging.runtime import wall
from openmessaging.runtime.aio.primitives import Periodic
from openmessaging.simulation.clock import SimulatedClock


class VirtualTime:
    """The clock of a store, the stamps of messages, and an event loop whose timers see the same seconds pass.

    The loop's own clock goes on as well, or a program that waits for something real would wait for ever. A loop whose
    clock cannot be replaced (uvloop) keeps its own timers; the store's time moves all the same.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = SimulatedClock(time.time_ns() // 1_000_000)
        self._loop = loop
        self._stamps = wall.time_ns
        wall.time_ns = lambda: self.clock.now_ms() * 1_000_000  # for as long as the test lasts
        self._skipped = 0.0
        self._before = vars(loop).get("time") if hasattr(loop, "__dict__") else None
        self._real = loop.time
        self._moves_loop = hasattr(loop, "__dict__") and hasattr(loop, "_scheduled")
        if self._moves_loop:
            loop.time = self._now  # type: ignore[method-assign] # for as long as the test lasts

    def close(self) -> None:
        """Give the loop its own clock back, and messages their stamps."""
        wall.time_ns = self._stamps
        if not self._moves_loop:
            return
        if self._before is None:
            del vars(self._loop)["time"]
        else:
            self._loop.time = self._before  # type: ignore[method-assign]

    def move(self, seconds: float) -> None:
        """Let seconds pass, at once."""
        self.clock.advance(seconds)
        self._skipped += seconds

    def until_timer(self, *, idle: bool) -> float | None:
        """Seconds until the next timer of the loop; None without one. `idle`: the renewal of leases does not count."""
        times = [handle.when() for handle in self._timers() if not (idle and _renews(handle))]
        return max(min(times) - self._loop.time(), 0.0) if times else None

    def timers(self) -> int:
        """How many timers the loop has."""
        return sum(1 for _ in self._timers())

    def _timers(self) -> Iterator[asyncio.TimerHandle]:
        if self._moves_loop:
            for handle in self._loop._scheduled:  # type: ignore[attr-defined] # what `call_at` fills, on every version
                if not handle.cancelled():
                    yield handle

    def _now(self) -> float:
        return self._real() + self._skipped


def _renews(handle: asyncio.TimerHandle) -> bool:
    """Whether it is one of the package's own, every few seconds: without leases it has nothing to do."""
    return isinstance(getattr(handle._callback, "__self__", None), Periodic)  # type: ignore[attr-defined] # undocumented
