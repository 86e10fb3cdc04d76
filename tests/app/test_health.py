"""Health of an app."""

import asyncio

import openmessaging as oms
from openmessaging.app.health import check
from openmessaging.model.errors import error
from openmessaging.testing import TestApp


def test_an_app_that_does_not_run_is_not_ready() -> None:
    assert check(None).ready is False
    assert check(None).live is True


async def test_a_running_app_is_well_until_a_listener_takes_too_long() -> None:
    app = oms.App("oms:memory:never-opened", grace=0.01)
    at_work, stop = asyncio.Event(), asyncio.Event()

    @app.listener("jobs", max_processing=0.0)
    async def work(job: str) -> None:
        at_work.set()
        await stop.wait()

    async with TestApp(app):
        assert app.health() == oms.App.health(app)
        assert app.health().reasons == []
        await app.send("jobs", "x")
        await at_work.wait()
        health = app.health()
        assert (health.live, health.ready) == (False, False)
        assert "work, default://jobs: 1 call(s)" in health.reasons[0]
        stop.set()
    assert app.health().ready is False


async def test_a_listener_that_cannot_receive_is_told() -> None:
    app = oms.App("oms:memory:never-opened")

    @app.listener("jobs")
    async def work(job: str) -> None: ...

    async with TestApp(app):
        [consumer] = app.running.consumers.values()
        [pump] = consumer._pumps.values()
        tried = asyncio.Event()

        async def failing(*_: object) -> list[object]:
            tried.set()
            raise error(1501, "the disk is gone")

        pump._subscription.fetch = failing  # the fetch that waits ends with the next message
        await app.send("jobs", "x")
        await tried.wait()
        await asyncio.sleep(0.01)
        assert "the disk is gone" in app.health().reasons[0]
