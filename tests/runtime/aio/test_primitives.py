import asyncio

import pytest

from openmessaging.model.errors import OMSTimeOutException
from openmessaging.model.spi import Delivery
from openmessaging.runtime.aio.primitives import (
    Event,
    Fetching,
    Future,
    Lock,
    Periodic,
    Task,
    Timer,
    call,
    call_within,
    current_scope,
)

DELIVERY = Delivery("q", 0, 0, 0, b"", 0, 1)


async def test_a_future_has_the_standards_names() -> None:
    future: Future[int] = Future()
    heard: list[object] = []
    future.add_listener(heard.append)
    with pytest.raises(OMSTimeOutException):
        await future.get(0.001)
    assert not future.is_done()
    future.set_result(4)
    assert await future.get() == 4 == await future
    await asyncio.sleep(0)
    future.add_listener(heard.append)
    assert heard == [future, future]
    assert (future.is_done(), future.is_cancelled(), future.get_throwable()) == (True, False, None)
    cancelled: Future[int] = Future()
    cancelled.cancel()
    assert (cancelled.is_cancelled(), cancelled.get_throwable()) == (True, None)


async def test_a_lock_and_an_event_within_a_time() -> None:
    lock, event = Lock(), Event()
    assert await lock.acquire_within(0)
    assert not await lock.acquire_within(0.001)
    lock.release()
    assert not await event.wait_within(0.001)
    event.set()
    assert await event.wait_within(0)


async def test_tasks_timers_and_calls() -> None:
    ticks: list[int] = []
    enough = asyncio.Event()

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()

    periodic, timer, never = Periodic(0.001, tick), Timer(0.001, tick), Timer(0.001, lambda: ticks.append(100))
    never.stop()
    await asyncio.wait_for(enough.wait(), 5)
    periodic.stop()
    timer.stop()
    assert 100 not in ticks
    task = Task(asyncio.sleep, 60)
    assert not await task.join(0.001)
    assert not task.is_done()
    task.cancel()
    assert await task.join(5)
    assert task.is_done()
    assert await call(lambda value: value, 3) == 3 == await call(asyncio.sleep, 0, 3)
    assert await call_within(1, asyncio.sleep, 0, 3) == 3
    with pytest.raises(OMSTimeOutException):
        await call_within(0.001, asyncio.sleep, 60)
    assert current_scope() is asyncio.get_running_loop()


async def test_fetching_from_several_sources_takes_the_first_answer() -> None:
    landed: list[object] = []
    fetching = Fetching(lambda source, deliveries: landed.append((source, deliveries)))

    async def slow(wait: float) -> list[Delivery]:
        await asyncio.sleep(wait)
        return []

    async def quick(wait: float) -> list[Delivery]:
        return [DELIVERY]

    async def failing(wait: float) -> list[Delivery]:
        raise ValueError("broken")

    await fetching.run([("slow", slow), ("quick", quick)], 60)
    assert landed == [("quick", [DELIVERY])]
    with pytest.raises(ValueError, match="broken"):
        await fetching.run([("failing", failing), ("slow", slow)], 60)
    waiting = asyncio.ensure_future(fetching.run([("slow", slow)], 60))
    await asyncio.sleep(0)
    fetching.interrupt()
    await asyncio.wait_for(waiting, 5)
