"""Waits of requesters and services on the blocking face; the same names as `openmessaging.runtime.aio.waits`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from openmessaging.runtime.threads.primitives import Task

T = TypeVar("T")
UNBROKEN = 16
"""Requests that a worker handles before others get their turn."""


class Slot(Generic[T]):
    """One value to come, for one who waits; what comes after it, or after the wait, is refused. Made with `Slots`."""

    __slots__ = ("_come", "_open", "_value")

    def __init__(self, _: Slots) -> None:
        self._come = threading.Lock()
        self._come.acquire()
        self._open = threading.Lock()
        self._value: T | None = None

    def take(self, value: T | None) -> bool:
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


class Worker:
    """Somebody who does jobs that he is given, one after the other, in a thread of his own.

    Args:
        work: his life: `rest`, then `job` until that is False, again and again.
        do: does a job.
        rested: not called here: he rests himself.
    """

    def __init__(
        self, work: Callable[[Worker], None], do: Callable[[Any, Worker], None], _rested: Callable[[Worker], object]
    ) -> None:
        self._do = do
        self._come = threading.Lock()
        self._come.acquire()
        self._job: Any = None
        self.waits = Interruptible()
        self._life = Task(work, self)
        self.is_done, self.join, self.cancel = self._life.is_done, self._life.join, self._life.cancel

    def rest(self) -> None:
        """Be ready for a job: from here on `give` may be called once."""

    def job(self) -> bool:
        """Wait for a job and do it; False: there is none any more."""
        self._come.acquire()
        if self._job is None:
            return False
        self._do(self._job, self)
        return True

    def give(self, job: Any) -> None:
        """Give him a job; None: there is none any more."""
        self._job = job
        self._come.release()


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
