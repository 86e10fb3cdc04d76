"""Moments of a store that somebody reads for a backup: no segment of the log is given up meanwhile."""

from __future__ import annotations

from openmessaging.model.errors import error


class Holds:
    """All of a store. One lasts `SECONDS` from its last use. Not for several threads at once."""

    SECONDS = 60.0

    def __init__(self) -> None:
        self._holds: dict[int, tuple[bytes, float]] = {}
        self._next = 1

    def begin(self, state: bytes, now: float) -> int:
        """Hold a moment with its state; returns its number."""
        number, self._next = self._next, self._next + 1
        self._holds[number] = state, now + self.SECONDS
        return number

    def use(self, number: int, now: float) -> bytes:
        """The state; hold on. Raises OMSRuntimeException 1418 for one that is over."""
        state, deadline = self._holds.get(number, (b"", 0.0))
        if deadline <= now:
            text = f"this backup is over: nobody read for {self.SECONDS:g} s"
            raise error(1418, text, next_step="Begin it again", field="backup_id")
        self._holds[number] = state, now + self.SECONDS
        return state

    def end(self, number: int) -> None:
        """It is not needed any more; again is no error."""
        self._holds.pop(number, None)

    def any(self, now: float) -> bool:
        """Whether something is held."""
        if self._holds:
            self._holds = {number: hold for number, hold in self._holds.items() if hold[1] > now}
        return bool(self._holds)
