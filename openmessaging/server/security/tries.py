"""Wrong passwords: who shows too many has to wait. Tokens need no such thing, for nobody can guess one."""

from __future__ import annotations

from collections.abc import Callable

from openmessaging.model.errors import error

FREE = 10
"""Failures for one account from one address that cost nothing."""
FREE_OF_ADDRESS = 100
"""Failures from one address, which may be that of a proxy, for whatever accounts."""
SECONDS = 3.0
"""After which one failure is forgotten."""
_ADDRESSES = 10_000


class Tries:
    """Counts. `clock`: seconds that only go on. What nobody has tried for a while is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str | None], float] = {}
        """Per address and account, and per address, when all failures are forgotten."""

    def failed(self, address: str, account: str) -> None:
        """One failure more."""
        now = self._clock()
        for key in ((address, account), (address, None)):
            self._until[key] = max(now, self._until.pop(key, now)) + SECONDS
        while len(self._until) > _ADDRESSES:
            del self._until[next(iter(self._until))]

    def check(self, address: str, account: str) -> None:
        """Raises OMSRuntimeException 1503 when too much has failed."""
        now = self._clock()
        of_account = self._until.get((address, account), 0.0) - FREE * SECONDS
        of_address = self._until.get((address, None), 0.0) - FREE_OF_ADDRESS * SECONDS
        wait = max(of_account, of_address) - now
        if wait > 0:
            step = f"Try again in {wait:.0f} s with a key that is good"
            raise error(1503, "too many sign-ins from this address have failed", next_step=step)
