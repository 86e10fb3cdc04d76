"""Priorities: which of a queue's lanes is served next, and how much of it.

Messages of another priority than the default lie in lanes: partitions of their own beside the one they belong to, each
made on the first use of its priority. So a message overtakes whatever lies in lanes below its own, however much that
is, and nothing is sorted. The rule of turns, per group:

    The highest priority that has something goes first. A priority that has something and was passed over by
    `PASSED_OVER` messages is due: the next message is one of its own. When several are due, the one that was passed
    over longest goes first.

So each priority that has something gets at least one of about `PASSED_OVER` messages that are handed out. A receive of
many messages hands out what as many receives of one would, the highest priority first.

Source: specification 1.0.0, "message extension header", priority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

PASSED_OVER = 20
"""Messages handed out, one of them of its own, in which each priority that has something to hand out is served."""

Level = tuple[int, Sequence[int]]
"""A priority and the numbers of its partitions."""


class Turns:
    """How often each priority of a group was passed over. Soft state: after a restart it begins anew."""

    __slots__ = ("_passed", "_turns", "decided")

    def __init__(self) -> None:
        self.decided: tuple[dict[int, int], dict[int, int]] | None = None
        """What was decided last and has not happened yet: how many each priority had, and how many it got."""
        self._passed: dict[int, int] = {}
        self._turns: dict[int, int] = {}

    def receive(
        self,
        levels: Sequence[Level],
        wanted: int,
        ready: Callable[[int], int],
        serve: Callable[[Sequence[int], int], int],
    ) -> None:
        """Serve the priorities of a queue for one receive.

        Args:
            levels: highest priority first.
            wanted: how many messages.
            ready: how many a partition (by its number) may hand out; counts up to `wanted`, may be too many.
            serve: hands out at most that many of some partitions, in their order; returns how many it did.
        """
        counts = {priority: sum(map(ready, numbers)) for priority, numbers in levels}
        partitions = {priority: self._rotated(priority, numbers) for priority, numbers in levels}
        got: dict[int, int] = {}
        spare = 0
        for priority, share in self.shares(counts, wanted):
            spare += share
            got[priority] = served = serve(partitions[priority], spare)
            spare -= served
        if any(counts.values()) and not any(got.values()):
            for priority, numbers in partitions.items():
                if served := serve(numbers, wanted):
                    got[priority] = served
                    break
        self.decided = counts, got

    def shares(self, counts: dict[int, int], wanted: int) -> list[tuple[int, int]]:
        """How many of `wanted` each priority gets, in the order in which they are served, by how many it has (highest
        priority first). What one cannot use goes to those after it."""
        passed = {priority: self._passed.get(priority, 0) for priority, count in counts.items() if count}
        share = {priority: min((times + wanted) // PASSED_OVER, counts[priority]) for priority, times in passed.items()}
        order = sorted(passed, key=lambda priority: -passed[priority] if passed[priority] >= PASSED_OVER else 0)
        left = wanted
        for priority in order:
            share[priority] = min(share[priority], left)
            left -= share[priority]
        for priority in passed:
            more = min(counts[priority] - share[priority], left)
            share[priority] += more
            left -= more
        return [(priority, share[priority]) for priority in order if share[priority]]

    def happened(self, counts: dict[int, int], got: dict[int, int]) -> None:
        """Count what was decided: it is in the log. A look at what would come next (peek) counts for nothing."""
        self.decided = None
        served = sum(got.values())
        self._passed = {
            priority: max(self._passed.get(priority, 0) + served - PASSED_OVER * got.get(priority, 0), 0)
            for priority, count in counts.items()
            if count
        }
        for priority, messages in got.items():
            if messages:
                self._turns[priority] = self._turns.get(priority, 0) + 1

    def _rotated(self, priority: int, numbers: Sequence[int]) -> Sequence[int]:
        """The partitions of a priority take turns, too: whenever it was served."""
        turn = self._turns.get(priority, 0) % len(numbers)
        return [*numbers[turn:], *numbers[:turn]] if turn else numbers
