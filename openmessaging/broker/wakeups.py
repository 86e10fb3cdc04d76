"""Who wants to be told when there may be something to receive. Used under the runner's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmessaging.model.spi import Delivery

Wake = Callable[[], None]
"""Called once; must return at once and not come back into the store."""


class Receiver:
    """The wake of one who waits for messages and can be handed some, leased to him already; see `handover`."""

    __slots__ = ("_wake", "delivery")

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self.delivery: Delivery | None = None
        """What was handed over; read it after the wake, or after the registration was taken back."""

    def __call__(self) -> None:
        """There may be something to receive."""
        self._wake()

    def hand(self, delivery: Delivery) -> None:
        """Here is something."""
        self.delivery = delivery
        self._wake()


class Wakeups:
    """Wake-ups by the id of a group or partition; each is called once and forgotten."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[int, list[Wake]] = {}
        """By key; empty when nobody waits."""

    def add(self, key: int, wake: Wake) -> None:
        """Register for the next event of a key."""
        self.waiting.setdefault(key, []).append(wake)

    def forget(self, key: int, wake: Wake) -> None:
        """Take a registration back; no error when it was called already."""
        waiting = self.waiting.get(key, [])
        if wake in waiting:
            waiting.remove(wake)
            if not waiting:
                del self.waiting[key]

    def pick(self, key: int) -> Receiver | None:
        """Take out the one who has waited longest for a key and can be handed messages."""
        for wake in self.waiting.get(key, ()):
            if isinstance(wake, Receiver):
                self.forget(key, wake)
                return wake
        return None

    def fire(self, keys: Iterable[int]) -> None:
        """Call whoever waits for one of the keys."""
        for key in keys:
            for wake in self.waiting.pop(key, ()):
                wake()

    def fire_all(self) -> None:
        """Call everybody: nothing more will come."""
        self.fire(list(self.waiting))
