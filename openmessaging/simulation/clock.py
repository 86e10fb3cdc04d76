"""A clock that moves when it is told to."""

from __future__ import annotations


class SimulatedClock:
    """Both clocks of `openmessaging.system.Clock`, moved by `advance`."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed = 0.0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._start_ms + int(self._elapsed * 1000)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._elapsed += seconds

    def jump(self, seconds: float) -> None:
        """Set the clock on the wall forward, or back: no time passes."""
        self._start_ms += round(seconds * 1000)
