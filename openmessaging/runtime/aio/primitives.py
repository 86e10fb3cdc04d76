"""What the asyncio face stands on; `openmessaging.runtime.threads.primitives` has the same names for threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from openmessaging.model.errors import OMSTimeOutException

T = TypeVar("T")

IDLE_WAIT = 3600.0
"""Longest single wait of a fetch, seconds; closing interrupts it."""

sleep = asyncio.sleep


class Future(asyncio.Future[T]):
    """A result to come, awaitable; beside asyncio's names it has the standard's."""

    def is_done(self) -> bool:
        """Whether it has a result, an error, or was cancelled."""
        return self.done()

    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.cancelled()

    async def get(self, timeout: float | None = None) -> T:
        """The result; raises its error, or OMSTimeOutException 1410 after `timeout` seconds without cancelling it."""
        done, _ = await asyncio.wait([self], timeout=timeout)
        if not done:
            raise OMSTimeOutException(1410, f"no result within {timeout} s", next_step="Wait again")
        return self.result()

    def get_throwable(self) -> BaseException | None:
        """The error; None on success or while it runs."""
        return self.exception() if self.done() and not self.cancelled() else None

    def add_listener(self, listener: Callable[[Future[T]], object]) -> None:
        """Call `listener` with this future when it is done, at once if it is."""
        if self.done():
            listener(self)
        else:
            self.add_done_callback(listener)  # type: ignore[arg-type]


class Lock(asyncio.Lock):
    """A lock whose holder may wait; others get it in the order of asking."""

    async def acquire_within(self, timeout: float | None) -> bool:
        """Take it, at most `timeout` seconds from now; whether it was taken."""
        try:
            async with asyncio.timeout(timeout):
                return await self.acquire()
        except TimeoutError:
            return False


class Event(asyncio.Event):
    """A flag to wait for."""

    async def wait_within(self, timeout: float | None) -> bool:
        """Wait until it is set, at most `timeout` seconds; whether it is set."""
        try:
            async with asyncio.timeout(timeout):
                return await self.wait()
        except TimeoutError:
            return self.is_set()


class Task:
    """Something that runs beside the caller."""

    def __init__(self, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._task = asyncio.ensure_future(function(*arguments))

    def cancel(self) -> None:
        """Ask it to end."""
        self._task.cancel()

    async def join(self, timeout: float | None = None) -> bool:
        """Wait for its end, at most `timeout` seconds; whether it ended."""
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        return bool(done)


class Periodic:
    """Calls a function again and again until it is stopped."""

    def __init__(self, interval: float, function: Callable[[], object]) -> None:
        self._interval = interval
        self._function = function
        self._handle = asyncio.get_running_loop().call_later(interval, self._run)

    def _run(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._interval, self._run)
        self._function()

    def stop(self) -> None:
        """Call no more."""
        self._handle.cancel()


class Interruptible:
    """One call at a time whose outcome is never lost: it reaches `landed` even when the caller is cancelled.

    This is the one place that shields a fetch. A cancelled caller cancels the call; if it had succeeded by then, what
    it brought is landed all the same.
    """

    def __init__(self, landed: Callable[[Any], object]) -> None:
        self._landed = landed
        self._task: asyncio.Task[Any] | None = None

    async def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call and land the result; returns silently when interrupted, raises what the call raises."""
        task = self._task = asyncio.ensure_future(function(*arguments))
        task.add_done_callback(self._done)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.cancelled():
            task.result()

    def interrupt(self) -> None:
        """End the running call, if there is one; its caller goes on."""
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._landed(task.result())


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function or a coroutine function."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


def current_scope() -> object:
    """What a driver is bound to: the running loop."""
    return asyncio.get_running_loop()


@asynccontextmanager
async def within(lock: asyncio.Semaphore) -> AsyncIterator[None]:
    """Hold a place of a semaphore."""
    async with lock:
        yield


Semaphore = asyncio.Semaphore
