"""The test kit itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import openmessaging as oms
from openmessaging.testing import TestApp


def failing(times: int) -> oms.App:
    app = oms.App("oms:memory:never-opened")
    app.state["left"] = times

    @app.listener("jobs", retry=oms.Backoff(600.0, factor=1.0, maximum=600.0, jitter=0.0))
    async def work(job: str) -> None:
        app.state["left"] -= 1
        if app.state["left"] >= 0:
            raise RuntimeError(f"not yet, {app.state['left']} left")

    app.state["work"] = work
    return app


async def test_an_hour_of_retries_passes_at_once() -> None:
    app = failing(5)
    async with TestApp(app) as test:
        await test.send("jobs", "x")
        begun = time.perf_counter()
        await test.advance(3600.0)
        assert time.perf_counter() - begun < 5.0
        calls = test.calls(app.state["work"])
        assert [type(call.error) for call in calls] == [RuntimeError] * 5 + [type(None)]
        assert [call.message.delivery_count for call in calls] == [1, 2, 3, 4, 5, 6]


async def test_time_stands_still_by_itself() -> None:
    app = failing(1)
    async with TestApp(app) as test:
        await test.send("jobs", "x")
        await test.advance(599.999)
        assert len(test.received(app.state["work"])) == 1
        await test.advance(0.001)
        assert len(test.received(app.state["work"])) == 2


async def test_delayed_messages_come_at_their_time() -> None:
    app = oms.App("oms:memory:never-opened")

    @app.listener("jobs")
    async def work(job: str) -> None: ...

    async with TestApp(app) as test:
        await test.send("jobs", "later", delay=3600.0)
        await test.advance(3599.999)
        assert test.received(work) == []
        await test.advance(0.001)
        assert test.received(work) == ["later"]


async def test_a_listener_that_sleeps_keeps_its_lease() -> None:
    app = oms.App("oms:memory:never-opened")

    @app.listener("jobs", invisible_time=30.0)
    async def work(job: str) -> None:
        await asyncio.sleep(120.0)

    async with TestApp(app) as test:
        await test.send("jobs", "x")
        await test.advance(119.0)
        assert test.calls(work) == []
        await test.advance(1.5)
        assert [call.message.delivery_count for call in test.calls(work)] == [1]


async def test_two_tests_share_nothing_and_clocks_are_given_back() -> None:
    loop = asyncio.get_running_loop()
    app = failing(0)
    async with TestApp(app) as test:
        await test.send("jobs", "x")
        await test.advance(1000.0)
    async with TestApp(app) as test:
        assert test.received(app.state["work"]) == []
        assert test.messages("jobs") == []
        assert test.messages("unheard-of") == []
    assert "time" not in vars(loop)


async def test_overrides_last_as_long_as_the_test() -> None:
    def secret() -> str:
        return "real"

    app = oms.App("oms:memory:never-opened", {"partitions": 2})

    @app.listener("in", sends_to="out")
    async def listen(text: str, secret: str = oms.Depends(secret)) -> str:  # type: ignore[assignment]
        return secret

    for overrides, expected in (({secret: lambda: "fake"}, "fake"), ({}, "real")):
        async with TestApp(app, overrides=overrides) as test:
            await test.send("in", "x")
            assert test.sent("out", str) == [expected]


async def test_plain_functions_are_waited_for() -> None:
    app = oms.App("oms:memory:never-opened")

    @app.listener("jobs", concurrency=4)
    def work(number: int) -> None:
        time.sleep(0.05)

    async with TestApp(app) as test:
        for number in range(4):
            await app.send("jobs", number)
        await test.settle()
        assert sorted(test.received(work)) == [0, 1, 2, 3]


async def test_a_start_that_fails_gives_all_back() -> None:
    app = oms.App("oms:memory:never-opened")
    app.listener("")(_never)
    with pytest.raises(oms.OMSRuntimeException):
        await TestApp(app).__aenter__()
    assert "time" not in vars(asyncio.get_running_loop())


async def _never(body: bytes) -> None:
    raise AssertionError


async def test_weeks_pass_at_once_and_a_programs_own_timers_are_not_left_out() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(3600.0)
            ticks += 1

    @asynccontextmanager
    async def lifespan(_: oms.App) -> AsyncIterator[None]:
        task = asyncio.ensure_future(tick())
        yield
        task.cancel()

    app = oms.App("oms:memory:never-opened", lifespan=lifespan)

    @app.listener(["jobs", "more", "other"], invisible_time=3.0)
    async def work(job: str) -> None:
        await asyncio.sleep(60.0)

    async with TestApp(app) as test:
        await test.send("jobs", "later", delay=14 * 86_400.0)
        begun = time.perf_counter()
        await test.advance(14 * 86_400.0)
        assert time.perf_counter() - begun < 20.0
        assert ticks == 14 * 24
        await test.advance(61.0)
        assert [call.message.delivery_count for call in test.calls(work)] == [1]
