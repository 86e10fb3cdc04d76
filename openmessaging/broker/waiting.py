"""Messages of a cursor that lie below its `next` and are neither settled nor in flight: retries, and what key order
passed over. Kept as spans, so that the memory follows the gaps and not the backlog."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

_SLACK = 64
"""Outdated heap entries that are tolerated before the heap is built anew."""


class Span:
    """Messages `start` to `end` (exclusive), all delivered `attempt` times so far and not due before `visible_ms`."""

    __slots__ = ("attempt", "end", "start", "visible_ms")

    def __init__(self, start: int, end: int, attempt: int, visible_ms: int) -> None:
        self.start = start
        self.end = end
        self.attempt = attempt
        self.visible_ms = visible_ms


class Waiting:
    """The spans of one cursor, by offset and by time."""

    __slots__ = ("_heap", "_spans", "_starts")

    def __init__(self) -> None:
        self._spans: dict[int, Span] = {}
        self._starts: list[int] = []
        self._heap: list[tuple[int, int]] = []  # (visible_ms, start), also of spans that are gone

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Span]:
        """Spans in order of offset."""
        return map(self._spans.__getitem__, self._starts)

    def add(self, start: int, end: int, attempt: int, visible_ms: int) -> None:
        """Put messages in that are not in yet; joins them with neighbours that are alike."""
        at = bisect_left(self._starts, start)
        if at < len(self._starts):
            right = self._spans[self._starts[at]]
            if right.start == end and right.attempt == attempt and right.visible_ms == visible_ms:
                end = right.end
                self._drop(at)
        if at:
            left = self._spans[self._starts[at - 1]]
            if left.end == start and left.attempt == attempt and left.visible_ms == visible_ms:
                left.end = end
                return
        self._insert(at, Span(start, end, attempt, visible_ms))

    def remove(self, start: int, end: int) -> None:
        """Take out what is in of `[start, end)`."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        while at < len(self._starts):
            span = self._spans[self._starts[at]]
            if span.start >= end:
                break
            if span.end <= start:
                at += 1
                continue
            rest = Span(end, span.end, span.attempt, span.visible_ms) if span.end > end else None
            if span.start < start:
                span.end = start
                at += 1
            else:
                self._drop(at)
            if rest is not None:
                self._insert(at, rest)
                break

    def at(self, offset: int) -> Span | None:
        """The span that holds an offset."""
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return None
        span = self._spans[self._starts[at]]
        return span if offset < span.end else None

    def first(self) -> int | None:
        """The lowest offset that waits."""
        return self._starts[0] if self._starts else None

    def due(self, now_ms: int, messages: int) -> list[Span]:
        """Spans that are due, longest due first, as many as it takes for that many messages. Changes nothing."""
        found: dict[int, Span] = {}
        while messages > 0 and self._heap and self._heap[0][0] <= now_ms:
            visible_ms, start = heappop(self._heap)
            span = self._spans.get(start)
            if span is not None and span.visible_ms == visible_ms and start not in found:
                found[start] = span
                messages -= span.end - start
        for span in found.values():
            heappush(self._heap, (span.visible_ms, span.start))
        return list(found.values())

    def _insert(self, at: int, span: Span) -> None:
        self._starts.insert(at, span.start)
        self._spans[span.start] = span
        if len(self._heap) > 2 * len(self._starts) + _SLACK:
            self._heap = [(span.visible_ms, span.start) for span in self]
            heapify(self._heap)
        else:
            heappush(self._heap, (span.visible_ms, span.start))

    def _drop(self, at: int) -> None:
        del self._spans[self._starts[at]]
        del self._starts[at]
