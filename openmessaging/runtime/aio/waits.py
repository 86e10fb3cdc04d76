"""Waits of requesters and services on the asyncio face; `openmessaging.runtime.threads.waits` has the same names."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
_enter: Callable[..., None] | None = getattr(asyncio, "_enter_task", None)
_leave: Callable[..., None] | None = getattr(asyncio, "_leave_task", None)
UNBROKEN = 16
"""Answers that come without a wait before others in the loop get their turn."""


class Slot(Generic[T]):
    """One value to come, for one who waits; what comes after it, or after the wait, is refused. Made by `Slots`."""

    __slots__ = ("_future", "_is_taken", "_slots", "_value", "deadline")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._future: asyncio.Future[None] | None = None
        self._is_taken = False
        self._value: T | None = None
        self.deadline = 0.0

    def take(self, value: T | None) -> bool:
        """Be given the value, in the loop of who waits; whether it was taken."""
        if self._is_taken:
            return False
        self._is_taken = True
        self._value = value
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
        return True

    fail = take
    """Be given an error as the value."""

    async def wait(self, timeout: float) -> T | None:
        """The value; None after `timeout` seconds."""
        slots = self._slots
        if self._is_taken:
            slots.unbroken += 1
            if not slots.unbroken % UNBROKEN:
                await asyncio.sleep(0)
            return self._value
        self._future = slots.loop.create_future()
        slots.watch(self, timeout)
        try:
            await self._future
        finally:
            self._is_taken = True
            slots.waiting.pop(self, None)
        return self._value


class Slots:
    """Slots of one loop. One timer watches all of them: one for each would cost more than all the rest of a wait."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.unbroken = 0
        """Values that were there before they were waited for."""
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


class Worker:
    """Somebody who does jobs that he is given, one after the other, in a task of his own.

    A job that is given in his loop is begun within the call, as if his task were running: one that waits for nothing
    costs no turn of the loop. He goes on with one that waits. Where Python does not let a task stand in for another
    (`_enter_task`, which it documents for who makes tasks, and may take away), he begins it in his own turn.

    Args:
        work: his life: `rest`, then `job` until that is False, again and again.
        do: does a job.
        rested: called when a job was done within `give`: he rests again.
    """

    def __init__(
        self,
        work: Callable[[Worker], Coroutine[Any, Any, None]],
        do: Callable[[Any, Worker], Coroutine[Any, Any, None]],
        rested: Callable[[Worker], object],
    ) -> None:
        self._do = do
        self._rested = rested
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._given: asyncio.Future[Any] = self._loop.create_future()
        self._task = self._loop.create_task(work(self), context=self._context)
        self.waits = Interruptible(self._task)

    def rest(self) -> None:
        """Be ready for a job: from here on `give` may be called once."""
        self._given = self._loop.create_future()

    async def job(self) -> bool:
        """Wait for a job and do it; False: there is none any more."""
        given = self._given
        thrown: BaseException | None = None
        try:
            job = await given
        except asyncio.CancelledError as cancelled:
            job = None if given.cancelled() or not given.done() else given.result()
            if not isinstance(job, _Begun):
                raise
            thrown = cancelled
        if job is None:
            return False
        await (_go_on(job, thrown) if isinstance(job, _Begun) else self._do(job, self))
        return True

    def give(self, job: Any) -> None:
        """Give him a job, from any thread; None: there is none any more."""
        loop = self._loop
        if job is None or _enter is None or _leave is None or asyncio._get_running_loop() is not loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody works there any more
                loop.call_soon_threadsafe(self._put, job)
            return
        coroutine = self._do(job, self)
        giver = asyncio.current_task(loop)
        if giver is not None:
            _leave(loop, giver)
        _enter(loop, self._task)
        try:
            awaited = self._context.run(coroutine.send, None)
        except (StopIteration, asyncio.CancelledError):
            self._rested(self)
        else:
            self._put(_Begun(coroutine, awaited))
        finally:
            _leave(loop, self._task)
            if giver is not None:
                _enter(loop, giver)

    def _put(self, job: Any) -> None:
        if not self._given.done():
            self._given.set_result(job)

    def is_done(self) -> bool:
        """Whether his life is over."""
        return self._task.done()

    def cancel(self) -> None:
        """Ask him to end."""
        self._task.cancel()

    async def join(self, timeout: float) -> bool:
        """Wait for his end, at most `timeout` seconds; whether it came."""
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        return bool(done)


class _Begun(NamedTuple):
    """A job that was begun, and what it waits for."""

    coroutine: Coroutine[Any, Any, None]
    awaited: Any


@types.coroutine
def _go_on(begun: _Begun, thrown: BaseException | None) -> Generator[Any, Any, None]:
    """Do the rest of a job."""
    coroutine, awaited = begun
    try:
        if thrown is not None:
            awaited = coroutine.throw(thrown)
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as failure:
                awaited = coroutine.throw(failure)
            else:
                awaited = coroutine.send(sent)
    except StopIteration:
        return


class Interrupted(Exception):
    """What `Interruptible.run` raises when it was interrupted."""


class Interruptible:
    """Waits of one task (None: the one that runs) that can be ended from elsewhere without ending the task."""

    def __init__(self, task: asyncio.Task[Any] | None = None) -> None:
        self._task = task or asyncio.current_task()
        self._inside = self._interrupted = False

    def interrupt(self) -> None:
        """End the wait that is running; nothing happens without one."""
        if self._inside and not self._interrupted and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    async def run(self, value: Any) -> Any:
        """The value, or what it gives when awaited. Raises Interrupted, besides what it raises."""
        if type(value) is not types.CoroutineType and (type(value) is bytes or not inspect.isawaitable(value)):
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
    if type(result) is bytes:
        return None
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
