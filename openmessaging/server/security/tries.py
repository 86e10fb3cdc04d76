"""Failed sign-ins by address: who fails too often has to wait, whatever it shows."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.model.errors import error

FREE = 10
"""Failures that cost nothing."""
SECONDS = 3.0
"""After which one failure is forgotten."""
_ADDRESSES = 10_000


class Tries:
    """Counts. `clock`: seconds that only go on. What nobody has tried for a while is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        """Per address, when all its failures are forgotten."""

    def failed(self, address: str) -> None:
        """One failure more."""
        now = self._clock()
        self._until[address] = max(now, self._until.pop(address, now)) + SECONDS
        if len(self._until) > _ADDRESSES:
            del self._until[next(iter(self._until))]

    def check(self, address: str) -> None:
        """Raises OMSRuntimeException 1503 for an address that has failed too often."""
        wait = self._until.get(address, 0.0) - self._clock() - FREE * SECONDS
        if wait > 0:
            step = f"Try again in {wait:.0f} s with a key that is good"
            raise error(1503, "too many sign-ins from this address have failed", next_step=step)
