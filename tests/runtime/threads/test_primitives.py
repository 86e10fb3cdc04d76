import asyncio
import threading
import time

import pytest

from openmessaging.model.errors import OMSTimeOutException
from openmessaging.model.spi import Delivery
from openmessaging.runtime.threads.primitives import (
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


def test_a_future_has_the_standards_names_and_can_be_awaited() -> None:
    future: Future[int] = Future()
    heard: list[object] = []
    future.add_listener(heard.append)
    with pytest.raises(OMSTimeOutException):
        future.get(0.001)
    threading.Timer(0.01, future.set_result, (4,)).start()

    async def wait() -> int:
        return await future

    assert asyncio.run(wait()) == 4 == future.get()
    future.add_listener(heard.append)
    assert heard == [future, future]
    assert (future.is_done(), future.is_cancelled(), future.get_throwable()) == (True, False, None)
    cancelled: Future[int] = Future()
    cancelled.cancel()
    assert (cancelled.is_cancelled(), cancelled.get_throwable()) == (True, None)
    failed: Future[int] = Future()
    failed.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        failed.get(1)


def test_a_lock_and_an_event_within_a_time() -> None:
    lock, event = Lock(), Event()
    assert lock.acquire_within(None)
    taken: list[bool] = []
    Task(lambda: taken.append(lock.acquire_within(0.001))).join()
    assert taken == [False]
    lock.release()
    with lock:
        pass
    assert not event.wait_within(0.001)
    event.set()
    assert event.wait_within(0)


def test_tasks_timers_and_calls() -> None:
    ticks: list[int] = []
    enough = threading.Event()

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()

    periodic, timer, never = Periodic(0.001, tick), Timer(0.001, tick), Timer(0.05, lambda: ticks.append(100))
    never.stop()
    assert enough.wait(5)
    periodic.stop()
    timer.stop()
    assert 100 not in ticks
    go = threading.Event()
    itself: list[bool] = []

    def wait() -> None:
        go.wait(5)
        itself.append(task.join(1))

    task = Task(wait)
    assert not task.join(0.001)
    task.cancel()
    assert not task.is_done()
    go.set()
    assert task.join(5)
    assert task.is_done()
    assert itself == [False]
    assert call(int, "3") == 3 == call_within(1, int, "3")
    assert current_scope() is call(current_scope), "all threads share it"


def test_fetching_takes_turns_and_can_be_interrupted() -> None:
    landed: list[object] = []
    fetching = Fetching(lambda source, deliveries: landed.append(source))
    waits: list[float] = []

    def empty(wait: float) -> list[Delivery]:
        waits.append(wait)
        time.sleep(min(wait, 0.001))
        return []

    def full(wait: float) -> list[Delivery]:
        return [DELIVERY]

    fetching.run([("empty", empty), ("full", full)], 60)
    assert landed == ["full"]
    fetching.run([("empty", empty)], 0.0)
    assert waits[-1] == 0.0
    fetching.run([("empty", empty), ("other", empty)], 0.01)
    assert max(waits) <= 0.02
    began = time.monotonic()
    threading.Timer(0.02, fetching.interrupt).start()
    fetching.run([("empty", empty), ("other", empty)], 60)
    assert time.monotonic() - began < 0.5
