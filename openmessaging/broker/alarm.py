"""What is due by the clock: tells the runner's engine to fire it, and upkeep when to wake for it."""

from __future__ import annotations

from openmessaging.broker import delays
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry
from openmessaging.broker.wakeups import Wake

_SOON_MS = 2_000
"""Upkeep looks at the clock more often than that."""
_TRY_AGAIN_MS = 100


class Alarm:
    """Called under the runner's lock; the two callbacks are too, and belong to upkeep."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._not_before_ms = 0
        self.on_soon: Wake = _nothing
        """Something will be due within two seconds."""
        self.on_urgent: Wake = _nothing
        """Something was staged that others wait for, and nobody syncs."""

    def next_ms(self) -> int | None:
        """When something is due, in ms; may lie in the past."""
        due = self._engine.next_due()
        return None if due is None else max(due, self._not_before_ms)

    def due(self, now_ms: int) -> Entry | None:
        """What is to be done now, None when there is nothing."""
        if self._not_before_ms > now_ms + _TRY_AGAIN_MS:
            self._not_before_ms = 0  # the clock was set back since
        due = self.next_ms()
        return self._engine.fire(now_ms) if due is not None and due <= now_ms else None

    def put_off(self, now_ms: int) -> None:
        """Try again in a moment."""
        self._not_before_ms = now_ms + _TRY_AGAIN_MS

    def applied(self, entry: Entry) -> None:
        """An entry was applied: let the timers know the delayed messages in it."""
        if entry.dues is None:
            return
        firsts: list[int] = []
        for number, times in entry.dues.items():
            batch, placed = entry.batches[number], entry.placed[number]
            firsts.append(delays.index(self._engine.timers, placed, times, batch.head, batch.payload))
        if min(firsts) - entry.now_ms < _SOON_MS:
            self.on_soon()


def _nothing() -> None:
    pass
