"""What happened in the last minutes, second by second: rates, backlog and latency, from counters that grow.

Samples are kept in a ring, so that whoever looks sees lines at once. Pure: times and counters are handed in.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from heapq import nlargest

import msgspec

from openmessaging.broker.totals import QueueTotals
from openmessaging.server.latency import Latency

KEPT = 300
"""Samples in a ring: five minutes when they are a second apart."""
MAX_RINGS = 256
"""Queues that have a ring, 12 KB each: those that moved first. A ring ends when its queue stood still for the time of
one; the lines of other queues begin when somebody looks."""
MAX_BUSY = 100
_FIELDS = 5


class QueueRate(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """How a queue did between two samples."""

    name: str
    """Full name."""
    stored: float
    """Messages stored per second."""
    settled: float
    """Messages settled per second, over all groups."""
    lag: int
    """Messages not settled, over all groups."""
    in_flight: int
    """Messages in the hands of consumers."""


class Sample(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """How all queues did together between two samples."""

    at_ms: int
    """When it was taken, ms since the epoch."""
    stored: float
    """Messages stored per second."""
    settled: float
    """Messages settled per second, over all groups."""
    lag: int
    """Messages not settled, over all groups."""
    in_flight: int
    """Messages in the hands of consumers."""
    connections: int
    """Clients of the native protocol."""
    send_p50_ms: float | None
    """Half of the sends of the native protocol were answered within so many ms; None: there was none."""
    send_p99_ms: float | None
    """99 of 100."""
    busy: list[QueueRate] = []
    """The queues that moved, the busiest first, at most 100. Kept for the newest sample only."""


class Series(msgspec.Struct, frozen=True, rename="camel"):
    """Samples of the last minutes as columns, the oldest first."""

    at_ms: list[int]
    stored: list[float]
    settled: list[float]
    lag: list[int]
    in_flight: list[int]
    connections: list[int]
    send_p50_ms: list[float | None]
    send_p99_ms: list[float | None]


class Rates:
    """Samples of all queues together, and of each queue that moved."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._taken = 0
        self._before: dict[str, QueueTotals] = {}
        self._before_ms = 0
        self._rings: dict[str, array[float]] = {}  # per sample in which it moved: its number, then a QueueRate's four
        self.busy: list[QueueRate] = []
        """Of the newest sample."""

    def take(self, now_ms: int, totals: Sequence[QueueTotals], connections: int, latency: Latency | None) -> Sample:
        """Add a sample; the first of a queue has no rates, for nobody knows what was before."""
        seconds = max(now_ms - self._before_ms, 1) / 1000
        self._taken += 1
        stored = settled = 0.0
        moved: list[QueueRate] = []
        for each in totals:
            before = self._before.get(each.name)
            if before is None and self._taken > 1:
                before = QueueTotals(each.name, 0, 0, 0, 0, 0, 0)  # it is new: everything in it came since
            if before is None or before == each:
                continue
            rate = QueueRate(
                each.name,
                round(max(each.stored - before.stored, 0) / seconds, 2),
                round(max(each.settled - before.settled, 0) / seconds, 2),
                each.lag,
                each.in_flight,
            )
            stored += rate.stored
            settled += rate.settled
            moved.append(rate)
            self._note(rate)
        self._before = {each.name: each for each in totals}
        self._before_ms = now_ms
        self.busy = nlargest(MAX_BUSY, moved, key=lambda rate: rate.stored + rate.settled)
        sample = Sample(
            now_ms,
            stored,
            settled,
            sum(each.lag for each in totals),
            sum(each.in_flight for each in totals),
            connections,
            None if latency is None else latency.p50_ms,
            None if latency is None else latency.p99_ms,
        )
        self._samples.append(sample)
        self._forget()
        return sample

    def newest(self, queue: str | None = None) -> Sample | None:
        """The newest sample, of all queues or of one (with its numbers in place of theirs); None before the first."""
        if not self._samples:
            return None
        sample = self._samples[-1]
        if queue is None:
            return msgspec.structs.replace(sample, busy=self.busy)
        stored, settled, lag, in_flight = self._at(queue, [self._taken])[0]
        return msgspec.structs.replace(
            sample, stored=stored, settled=settled, lag=int(lag), in_flight=int(in_flight), busy=[]
        )

    def series(self, queue: str | None = None) -> Series:
        """The samples there are, of all queues or of one."""
        samples = list(self._samples)
        first = self._taken - len(samples) + 1
        rows: Sequence[tuple[float, float, float, float]]
        if queue is None:
            rows = [(each.stored, each.settled, each.lag, each.in_flight) for each in samples]
        else:
            rows = self._at(queue, range(first, self._taken + 1))
        return Series(
            [each.at_ms for each in samples],
            [row[0] for row in rows],
            [row[1] for row in rows],
            [int(row[2]) for row in rows],
            [int(row[3]) for row in rows],
            [each.connections for each in samples],
            [each.send_p50_ms for each in samples],
            [each.send_p99_ms for each in samples],
        )

    def _note(self, rate: QueueRate) -> None:
        ring = self._rings.get(rate.name)
        if ring is None:
            if len(self._rings) >= MAX_RINGS:
                return
            ring = self._rings[rate.name] = array("d")
        ring.extend((self._taken, rate.stored, rate.settled, rate.lag, rate.in_flight))
        if len(ring) > KEPT * _FIELDS:
            del ring[:_FIELDS]

    def _forget(self) -> None:
        """Drop rings whose last movement is out of sight, and those of queues that are gone."""
        oldest = self._taken - KEPT
        gone = [name for name, ring in self._rings.items() if ring[-_FIELDS] <= oldest or name not in self._before]
        for name in gone:
            del self._rings[name]

    def _at(self, queue: str, numbers: Sequence[int]) -> list[tuple[float, float, float, float]]:
        """Stored, settled, lag and in flight of a queue in samples by their numbers, which grow by one: where it did
        not move, nothing was stored and the rest stayed."""
        ring = self._rings.get(queue)
        if ring is None:
            there = self._before.get(queue)
            return [(0.0, 0.0, there.lag if there else 0, there.in_flight if there else 0)] * len(numbers)
        moves = {int(ring[at]): at for at in range(0, len(ring), _FIELDS)}
        before = [number for number in moves if number < numbers[0]]
        lag, in_flight = ring[3:5] if not before else ring[moves[before[-1]] + 3 : moves[before[-1]] + 5]
        rows: list[tuple[float, float, float, float]] = []
        for number in numbers:
            at = moves.get(number)
            if at is None:
                rows.append((0.0, 0.0, lag, in_flight))
                continue
            stored, settled, lag, in_flight = ring[at + 1 : at + _FIELDS]
            rows.append((stored, settled, lag, in_flight))
        return rows
