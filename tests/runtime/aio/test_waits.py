"""Waits of requesters and services, asyncio."""

import asyncio
import contextvars
import threading

import pytest

import openmessaging as oms
from openmessaging.runtime.aio import waits
from openmessaging.runtime.aio.waits import (
    UNBROKEN,
    Interrupted,
    Interruptible,
    Slot,
    Slots,
    Worker,
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


class Office:
    """One worker, and what he did."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.tasks: list[asyncio.Task[None] | None] = []
        self.rested = 0
        self.go = asyncio.Event()
        self.done = asyncio.Event()
        self.worker = Worker(self.work, self.do, self.note)

    async def work(self, worker: Worker) -> None:
        worker.rest()
        while await worker.job():
            worker.rest()

    async def do(self, job: str, worker: Worker) -> None:
        self.steps.append(f"{job} begun")
        self.tasks.append(asyncio.current_task())
        colour.set(job)
        if job == "cancelled":
            raise asyncio.CancelledError
        if job == "waits":
            async with asyncio.timeout(5):
                try:
                    await self.go.wait()
                except asyncio.CancelledError:
                    self.steps.append("ended")
                    raise
        self.tasks.append(asyncio.current_task())
        self.steps.append(f"{job} done with {colour.get()}")
        self.done.set()

    def note(self, worker: Worker) -> None:
        self.rested += 1


colour = contextvars.ContextVar("colour", default="none")


async def test_a_job_that_waits_for_nothing_is_done_within_the_call_as_if_by_his_task() -> None:
    office = Office()
    await asyncio.sleep(0)
    me = asyncio.current_task()
    office.worker.give("job")
    assert office.steps == ["job begun", "job done with job"]
    assert office.rested == 1
    assert set(office.tasks) == {office.worker._task}
    assert asyncio.current_task() is me
    assert colour.get() == "none", "his context is his own"
    office.worker.give("cancelled")
    assert office.rested == 2
    office.worker.give(None)
    assert await office.worker.join(5)
    assert office.worker.is_done()


async def test_he_goes_on_with_a_job_that_waits() -> None:
    office = Office()
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(office.worker.give, "waits")  # nobody's task
    for _ in range(3):
        await asyncio.sleep(0)
    assert office.steps == ["waits begun"]
    assert office.rested == 0
    office.go.set()
    await office.done.wait()
    assert office.steps[1] == "waits done with waits"
    assert set(office.tasks) == {office.worker._task}
    await asyncio.sleep(0)
    office.worker.give("job")
    assert office.steps[2:] == ["job begun", "job done with job"]
    office.worker.cancel()
    assert await office.worker.join(5)


@pytest.mark.parametrize("turns", [0, 3])
async def test_a_job_is_cancelled_with_him_also_before_he_has_noticed_it(turns: int) -> None:
    office = Office()
    await asyncio.sleep(0)
    office.worker.give("waits")
    for _ in range(turns):
        await asyncio.sleep(0)
    office.worker.cancel()
    assert await office.worker.join(5)
    assert office.steps == ["waits begun", "ended"]


async def test_a_job_from_another_thread_is_done_in_his_loop() -> None:
    office = Office()
    await asyncio.sleep(0)
    await asyncio.to_thread(office.worker.give, "job")
    await office.done.wait()
    assert office.rested == 0
    assert set(office.tasks) == {office.worker._task}
    office.worker.cancel()
    await office.worker.join(5)


async def test_values_that_are_there_let_others_in_now_and_then() -> None:
    slots = Slots()
    others: list[int] = []
    asyncio.get_running_loop().call_soon(others.append, 1)
    for _ in range(UNBROKEN):
        slot = Slot(slots)
        slot.take("value")
        assert await slot.wait(1) == "value"
    assert others == [1]


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


async def test_where_no_task_may_stand_in_a_worker_begins_in_his_own_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_enter", None)
    office = Office()
    await asyncio.sleep(0)
    office.worker.give("plain")
    assert office.steps == []
    await asyncio.wait_for(office.done.wait(), 5)
    assert office.steps == ["plain begun", "plain done with plain"]
    assert office.rested == 0
    office.worker.give(None)
    assert await office.worker.join(5)
    assert office.tasks == [office.worker._task] * 2


async def test_requests_are_answered_cancelled_and_timed_out_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_enter", None)
    ended = asyncio.Event()

    async def answer(request: oms.Request) -> bytes:
        if request.data == b"slow":
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
        return request.data.upper()

    async with (
        oms.connect("oms:memory:") as access_point,
        access_point.create_service("q", answer, concurrency=2),
        access_point.create_producer() as producer,
    ):
        asked = [producer.request(producer.create_message("q", b"%d" % number)) for number in range(5)]
        assert [each.data for each in await asyncio.gather(*asked)] == [b"%d" % number for number in range(5)]
        with pytest.raises(oms.OMSTimeOutException):
            await producer.request(producer.create_message("q", b"slow"), 0.05)
        await asyncio.wait_for(ended.wait(), 5)
        assert (await producer.request(producer.create_message("q", b"again"))).data == b"AGAIN"
