"""What the blocking face stands on; the same names as `openmessaging.runtime.aio.primitives`, for threads."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from openmessaging.model.blocking_spi import BlockingDriver as Driver
from openmessaging.model.blocking_spi import BlockingSubscription as Subscription
from openmessaging.model.errors import OMSTimeOutException
from openmessaging.model.spi import Delivery

__all__ = [
    "Driver",
    "Event",
    "Fetching",
    "Future",
    "Lock",
    "Periodic",
    "Subscription",
    "Task",
    "Timer",
    "call",
    "call_within",
    "current_scope",
    "report",
    "settled",
    "sleep",
]

T = TypeVar("T")

IDLE_WAIT = 0.5
"""Longest single wait of a fetch, seconds: a consumer that was stopped meanwhile is noticed after it."""
TURN_WAIT = 0.02
"""Longest wait of a fetch from one of several queues, seconds."""

sleep = time.sleep


class Future(concurrent.futures.Future[T]):
    """A result to come; beside `concurrent.futures`' names it has the standard's, and it can be awaited."""

    def is_done(self) -> bool:
        """Whether it has a result, an error, or was cancelled."""
        return self.done()

    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.cancelled()

    def get(self, timeout: float | None = None) -> T:
        """The result; raises its error, or OMSTimeOutException 1410 after `timeout` seconds without cancelling it."""
        try:
            return self.result(timeout)
        except TimeoutError:
            if self.done():
                raise
            raise OMSTimeOutException(1410, f"no result within {timeout} s", next_step="Wait again") from None

    def get_throwable(self) -> BaseException | None:
        """The error; None on success or while it runs."""
        return self.exception() if self.done() and not self.cancelled() else None

    def add_listener(self, listener: Callable[[Any], object]) -> None:
        """Call `listener` with this future when it is done, at once if it is."""
        self.add_done_callback(listener)

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio

        return asyncio.wrap_future(self).__await__()


class Lock:
    """A lock whose holder may wait."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def acquire_within(self, timeout: float | None) -> bool:
        """Take it, at most `timeout` seconds from now; whether it was taken."""
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)

    def release(self) -> None:
        """Let the next one in."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Event(threading.Event):
    """A flag to wait for."""

    def wait_within(self, timeout: float | None) -> bool:
        """Wait until it is set, at most `timeout` seconds; whether it is set."""
        return self.wait(timeout)


class Task:
    """Something that runs beside the caller, in a thread that does not keep the process alive."""

    def __init__(self, function: Callable[..., object], *arguments: Any) -> None:
        self._thread = threading.Thread(target=function, args=arguments, name="openmessaging", daemon=True)
        self._thread.start()

    def is_done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """A thread cannot be ended from outside: it is left to itself."""

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its end, at most `timeout` seconds; whether it ended."""
        if self._thread is threading.current_thread():
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()


class Periodic:
    """Calls a function again and again until it is stopped."""

    def __init__(self, interval: float, function: Callable[[], object]) -> None:
        self._interval = interval
        self._function = function
        self._stopped = threading.Event()
        Task(self._run)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self._function()

    def stop(self) -> None:
        """Call no more."""
        self._stopped.set()


class Timer:
    """Calls a function once, after a while."""

    def __init__(self, delay: float, function: Callable[[], object]) -> None:
        self._timer = threading.Timer(delay, function)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Do not call it any more."""
        self._timer.cancel()


class Fetching:
    """Fetches from one or several sources, in turn where there are several."""

    def __init__(self, landed: Callable[[Any, list[Delivery]], object]) -> None:
        self._landed = landed
        self._interrupted = False
        self._turn = 0

    def run(self, sources: Sequence[tuple[Any, Callable[[float], list[Delivery]]]], wait: float) -> None:
        """Fetch until a source has brought something, `wait` or `IDLE_WAIT` is over, or it is interrupted."""
        self._interrupted = False
        deadline = time.monotonic() + min(wait, IDLE_WAIT)
        longest = IDLE_WAIT if len(sources) == 1 else TURN_WAIT
        pause = 0.0 if len(sources) > 1 else longest
        while not self._interrupted:
            brought = False
            for _ in sources:
                self._turn += 1
                source, fetch = sources[self._turn % len(sources)]
                left = max(deadline - time.monotonic(), 0.0)
                deliveries = fetch(min(left, pause))
                if deliveries:
                    self._landed(source, deliveries)
                    brought = True
            if brought or time.monotonic() >= deadline:
                return
            pause = longest

    def interrupt(self) -> None:
        """End what is running after its current wait; its caller goes on."""
        self._interrupted = True


def call(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function."""
    return function(*arguments)


def settled(value: T) -> T:
    """A value that is here already."""
    return value


def call_within(timeout: float, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ARG001 - see below
    """Call a function; the driver bounds the time, for a thread cannot be called back."""
    return function(*arguments)


def report(
    done: Callable[[T | None, BaseException | None], object], function: Callable[..., T], *arguments: Any
) -> None:
    """Call a function and then `done` with what it returned or raised."""
    try:
        result = function(*arguments)
    except Exception as failure:
        done(None, failure)
    else:
        done(result, None)


_scope = object()


def current_scope() -> object:
    """What a driver is bound to: the process, all threads share it."""
    return _scope


def _leave_scope() -> None:
    """In a forked child: what the parent opened is the parent's."""
    global _scope
    _scope = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_scope)
