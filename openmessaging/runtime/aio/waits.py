"""Waits of requesters and services on the asyncio face; `openmessaging.runtime.threads.waits` has the same names."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import types
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Slot(Generic[T]):
    """One value to come, for one who waits; what comes after it, or after the wait, is refused. Made by `Slots`."""

    __slots__ = ("_future", "_slots", "deadline")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._future: asyncio.Future[T | None] = asyncio.Future(loop=slots.loop)
        self.deadline = 0.0

    def take(self, value: T | None) -> bool:
        """Be given the value, in the loop of who waits; whether it was taken."""
        if self._future.done():
            return False
        self._future.set_result(value)
        return True

    fail = take
    """Be given an error as the value."""

    async def wait(self, timeout: float) -> T | None:
        """The value; None after `timeout` seconds."""
        slots = self._slots
        slots.watch(self, timeout)
        try:
            return await self._future
        finally:
            slots.waiting.pop(self, None)


class Slots:
    """Slots of one loop. One timer watches all of them: one for each would cost more than all the rest of a wait."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: dict[Slot[Any], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, slot: Slot[Any], timeout: float) -> None:
        """See to it that a slot gets None after `timeout` seconds, unless it is taken out of `waiting` before."""
        slot.deadline = self.loop.time() + timeout
        self.waiting[slot] = None
        if self._timer is None or slot.deadline < self._timer.when():
            self._set(slot.deadline)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self.loop.time()
        for slot in list(self.waiting):
            if slot.deadline <= now:
                slot.take(None)
            elif self._timer is None or slot.deadline < self._timer.when():
                self._set(slot.deadline)


class Turn:
    """Whose turn it is among workers: one takes it, and others get it when that one begins to wait for something else.

    So a worker whose work never waits keeps the turn, and nobody else is woken for it.

    Args:
        free: called when it is nobody's turn and nobody asks for it.
    """

    def __init__(self, free: Callable[[], object]) -> None:
        self._free = free
        self._holder: object = None
        self._asking: deque[asyncio.Future[None]] = deque()

    async def take(self, me: object) -> None:
        """Return when it is the turn of `me`."""
        while self._holder is not me:
            if self._holder is None:
                self._holder = me
                return
            asking = asyncio.get_running_loop().create_future()
            self._asking.append(asking)
            await asking

    def give(self) -> None:
        """Let others have it."""
        self._holder = None
        while self._asking:
            asking = self._asking.popleft()
            if not asking.done():
                asking.set_result(None)
                return
        self._free()

    async def run(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Call a coroutine function, by who has the turn, which goes on at the first wait."""
        await _noticed(function(*arguments), self.give)


class Interrupted(Exception):
    """What `Interruptible.run` raises when it was interrupted."""


class Interruptible:
    """Waits of one task that can be ended from elsewhere without ending the task. Made in that task."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._inside = self._interrupted = False

    def interrupt(self) -> None:
        """End the wait that is running; nothing happens without one."""
        if self._inside and not self._interrupted and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    async def run(self, value: Any) -> Any:
        """The value, or what it gives when awaited. Raises Interrupted, besides what it raises."""
        if type(value) is bytes or not inspect.isawaitable(value):
            return value
        self._inside = True
        try:
            result = await value
        except asyncio.CancelledError:
            if self._interrupted and self._task is not None and self._task.cancelling() == 1:
                raise Interrupted from None
            raise
        finally:
            self._inside = False
            if self._interrupted and self._task is not None:
                self._interrupted = False
                self._task.uncancel()
        return result


@types.coroutine
def _noticed(coroutine: Coroutine[Any, Any, T], waits: Callable[[], object]) -> Generator[Any, Any, T]:
    """As `await coroutine`; calls `waits` when it first has to wait."""
    try:
        awaited = coroutine.send(None)
        waits()
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:
                awaited = coroutine.throw(thrown)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as end:
        return cast(T, end.value)


def in_scope(function: Callable[[T], object]) -> Callable[[T], object]:
    """The function, to be called from anywhere: it runs in this loop, at once when called there."""
    loop = asyncio.get_running_loop()

    def run(argument: T) -> None:
        if asyncio._get_running_loop() is loop:
            function(argument)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(function, argument)

    return run


def as_stream(result: Any) -> AsyncIterator[Any] | None:
    """What a handler returned, if it is a stream of replies: an asynchronous or plain generator."""
    if inspect.isasyncgen(result):
        return result
    return _walk(result) if isinstance(result, Generator) else None


async def end_stream(stream: Any) -> None:
    """End a stream that was not walked to its end."""
    await stream.aclose()


async def _walk(items: Generator[Any, None, None]) -> AsyncIterator[Any]:
    with contextlib.closing(items):
        for item in items:
            yield item
