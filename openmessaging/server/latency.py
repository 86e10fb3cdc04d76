"""How long something took lately, from a histogram that only ever grows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Latencies of what was counted since they were last asked for."""

    count: int
    p50_ms: float
    p99_ms: float


class Recent:
    """The difference between two looks at a histogram's counts.

    Args:
        bounds: upper bounds of its buckets in seconds; behind them is one more bucket.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._before = [0] * (len(bounds) + 1)

    def take(self, counts: Sequence[int]) -> Latency | None:
        """What was counted since the last call, to within a bucket; None when that is nothing."""
        now = list(counts)
        new = [after - before for after, before in zip(now, self._before, strict=True)]
        self._before = now
        total = sum(new)
        return Latency(total, self._below(0.5, new, total), self._below(0.99, new, total)) if total else None

    def _below(self, share: float, new: list[int], total: int) -> float:
        """Ms within which a share was: in proportion within its bucket, as if that were filled evenly."""
        wanted = share * total
        low = 0.0
        for bound, counted in zip(self._bounds, new, strict=False):
            if counted >= wanted:
                low += (bound - low) * wanted / counted
                break
            wanted -= counted
            low = bound
        return round(low * 1000, 4)
