"""Waits of requesters and services on the blocking face; the same names as `openmessaging.runtime.aio.waits`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """One value to come, for one who waits; what comes after it, or after the wait, is refused. Made with `Slots`."""

    __slots__ = ("_come", "_open", "_value")

    def __init__(self, _: Slots) -> None:
        self._come = threading.Lock()
        self._come.acquire()
        self._open = threading.Lock()
        self._value: T | None = None

    def take(self, value: T) -> bool:
        """Be given the value; whether it was taken."""
        if not self._open.acquire(blocking=False):
            return False
        self._value = value
        self._come.release()
        return True

    fail = take
    """Be given an error as the value."""

    def wait(self, timeout: float) -> T | None:
        """The value; None after `timeout` seconds."""
        if not self._come.acquire(timeout=min(timeout, threading.TIMEOUT_MAX)) and not self._open.acquire(
            blocking=False
        ):
            self._come.acquire()  # it came at the last moment
        return self._value


class Slots:
    """Nothing: each thread watches its own time."""


class Turn:
    """Whose turn it is among workers: one takes it, and others get it when that one begins its work.

    Args:
        free: called when it is given away.
    """

    def __init__(self, free: Callable[[], object]) -> None:
        self._free = free
        self._turn = threading.Lock()
        self._holder: object = None

    def take(self, me: object) -> None:
        """Return when it is the turn of `me`."""
        if self._holder is not me:
            self._turn.acquire()
            self._holder = me

    def give(self) -> None:
        """Let others have it."""
        self._free()
        self._holder = None
        self._turn.release()

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function, by who has the turn, which goes on at once."""
        self.give()
        function(*arguments)


class Interrupted(Exception):
    """Never raised here: a thread cannot be interrupted."""


class Interruptible:
    """Waits of one thread; they cannot be ended from elsewhere."""

    def interrupt(self) -> None:
        """Does nothing."""

    def run(self, value: Any) -> Any:
        """The value."""
        return value


def in_scope(function: Callable[[T], object]) -> Callable[[T], object]:
    """The function: it is called in whatever thread."""
    return function


def as_stream(result: Any) -> Generator[Any, None, None] | None:
    """What a handler returned, if it is a stream of replies: a generator."""
    return result if isinstance(result, Generator) else None


def end_stream(stream: Any) -> None:
    """End a stream that was not walked to its end."""
    stream.close()
