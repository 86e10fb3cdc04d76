"""What the asyncio face stands on; `openmessaging.runtime.threads.primitives` has the same names for threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from openmessaging.model.errors import OMSTimeOutException, error
from openmessaging.model.spi import Delivery
from openmessaging.model.spi import Driver as Driver
from openmessaging.model.spi import Subscription as Subscription

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
            self.add_done_callback(listener)


class Lock(asyncio.Lock):
    """A lock whose holder may wait; others get it in the order of asking."""

    async def acquire_within(self, timeout: float | None) -> bool:
        """Take it, at most `timeout` seconds from now; whether it was taken."""
        if not self.locked():
            return await self.acquire()
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

    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

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


class Timer:
    """Calls a function once, after a while."""

    def __init__(self, delay: float, function: Callable[[], object]) -> None:
        self._handle = asyncio.get_running_loop().call_later(delay, function)

    def stop(self) -> None:
        """Do not call it any more."""
        self._handle.cancel()


class Fetching:
    """Fetches whose outcome is never lost: what they bring reaches `landed` even when the caller is cancelled.

    This is the one place that shields a fetch. A cancelled caller cancels its fetches; what one of them had brought by
    then is landed all the same, for whoever asks next.
    """

    def __init__(self, landed: Callable[[Any, list[Delivery]], object]) -> None:
        self._landed = landed
        self._tasks: list[asyncio.Task[list[Delivery]]] = []

    async def run(self, sources: Sequence[tuple[Any, Callable[[float], Any]]], wait: float) -> None:
        """Fetch from all sources, until one has brought something or `wait` is over; raises what one raises.

        A source is what `landed` is told, and a function that fetches, waiting so many seconds.
        """
        tasks = self._tasks = [asyncio.ensure_future(fetch(min(wait, IDLE_WAIT))) for _, fetch in sources]
        for (source, _), task in zip(sources, tasks, strict=True):
            task.add_done_callback(partial(self._done, source))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.interrupt()
        if len(tasks) > 1:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def interrupt(self) -> None:
        """End what is running; its caller goes on."""
        for task in self._tasks:
            task.cancel()

    def _done(self, source: Any, task: asyncio.Task[list[Delivery]]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._landed(source, task.result())


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function or a coroutine function."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


async def settled(value: Any) -> Any:
    """A value that may be here already, or has to be awaited."""
    return await value if inspect.isawaitable(value) else value


async def call_within(timeout: float, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Call a coroutine function. Raises OMSTimeOutException 1410 when it has not ended after `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await function(*arguments)
    except TimeoutError:
        step = "It may have been done all the same"
        raise error(1410, f"no answer within {timeout} s", next_step=step) from None


_reporting: set[asyncio.Task[Any]] = set()
"""The loop itself would let them be collected in mid-flight."""


def report(
    done: Callable[[T | None, BaseException | None], object],
    function: Callable[..., Coroutine[Any, Any, T]],
    *arguments: Any,
) -> None:
    """Call a coroutine function and, later, `done` with what it returned or raised."""

    def ended(task: asyncio.Task[T]) -> None:
        _reporting.discard(task)
        if task.cancelled():
            done(None, error(1503, "the driver was closed", next_step="Open the access point again"))
        elif (failure := task.exception()) is not None:
            done(None, failure)
        else:
            done(task.result(), None)

    task = asyncio.get_running_loop().create_task(function(*arguments))
    _reporting.add(task)
    task.add_done_callback(ended)


def current_scope() -> object:
    """What a driver is bound to: the running loop."""
    return asyncio.get_running_loop()
