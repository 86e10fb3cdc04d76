"""Waits of requesters and services, asyncio."""

import asyncio
import threading

import pytest

from openmessaging.runtime.aio.waits import (
    Interrupted,
    Interruptible,
    Slot,
    Slots,
    Turn,
    as_stream,
    end_stream,
    in_scope,
)


async def test_a_slot_takes_one_value() -> None:
    slot = Slot(Slots())
    assert slot.take("first")
    assert not slot.take("second")
    assert await slot.wait(5) == "first"


async def test_slots_of_one_loop_end_each_in_its_time() -> None:
    slots = Slots()
    late, early = Slot(slots), Slot(slots)
    ended: list[str] = []

    async def wait(name: str, slot: Slot, timeout: float) -> None:
        assert await slot.wait(timeout) is None
        ended.append(name)

    await asyncio.gather(wait("late", late, 0.04), wait("early", early, 0.01))
    assert ended == ["early", "late"]
    assert not slots.waiting
    assert not early.take("too late")


async def test_a_turn_goes_on_when_its_holder_waits_for_something_else() -> None:
    free: list[bool] = []
    turn = Turn(lambda: free.append(True))
    steps: list[str] = []
    go = asyncio.Event()

    async def at_once() -> None:
        steps.append("at once")

    async def waiting() -> None:
        await go.wait()
        steps.append("waited")

    await turn.take("a")
    await turn.run(at_once)
    assert not free  # the turn was kept
    other = asyncio.create_task(turn.take("b"))
    held = asyncio.create_task(turn.run(waiting))
    await other
    go.set()
    await held
    assert steps == ["at once", "waited"]
    turn.give()
    assert free == [True]


async def test_one_who_was_cancelled_while_asking_is_passed_over() -> None:
    turn = Turn(lambda: None)
    await turn.take("a")
    gone, next_one = asyncio.create_task(turn.take("b")), asyncio.create_task(turn.take("c"))
    await asyncio.sleep(0)
    gone.cancel()
    turn.give()
    await next_one


async def test_what_is_thrown_into_a_run_reaches_the_function() -> None:
    turn = Turn(lambda: None)
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            raise

    await turn.take("a")
    task = asyncio.create_task(turn.run(waiting))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


async def test_an_interrupted_wait_ends_and_its_task_goes_on() -> None:
    waits = Interruptible()
    waits.interrupt()  # nothing waits
    assert await waits.run(b"here") == b"here"
    asyncio.get_running_loop().call_soon(waits.interrupt)
    with pytest.raises(Interrupted):
        await waits.run(asyncio.Event().wait())
    assert await waits.run(asyncio.sleep(0, "later")) == "later"


async def test_a_cancelled_wait_is_cancelled() -> None:
    async def wait() -> None:
        await Interruptible().run(asyncio.Event().wait())

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_calls_from_elsewhere_run_in_the_loop() -> None:
    came: list[tuple[int, threading.Thread]] = []
    arrived = asyncio.Event()

    def take(value: int) -> None:
        came.append((value, threading.current_thread()))
        if value == 2:
            arrived.set()

    run = in_scope(take)
    run(1)
    await asyncio.to_thread(run, 2)
    await arrived.wait()
    assert came == [(1, threading.current_thread()), (2, threading.current_thread())]


async def test_generators_are_streams() -> None:
    def plain():
        yield from (1, 2)

    async def asynchronous():
        yield 1
        yield 2

    for made in (plain, asynchronous):
        assert [each async for each in as_stream(made())] == [1, 2]
    assert as_stream(b"bytes") is None
    stream = as_stream(asynchronous())
    await end_stream(stream)
    assert [each async for each in stream] == []
