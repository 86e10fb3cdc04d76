"""Who wants to be told when there may be something to receive. Used under the runner's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Wake = Callable[[], None]
"""Called once; must return at once and not come back into the store."""


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

    def fire(self, keys: Iterable[int]) -> None:
        """Call whoever waits for one of the keys."""
        for key in keys:
            for wake in self.waiting.pop(key, ()):
                wake()

    def fire_all(self) -> None:
        """Call everybody: nothing more will come."""
        self.fire(list(self.waiting))
