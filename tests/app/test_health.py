"""Health of an app."""

import asyncio
import uuid
from contextlib import suppress
from time import monotonic

import pytest

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


async def test_a_service_that_cannot_receive_and_one_whose_handlers_hang_are_told() -> None:
    app = oms.App(f"oms:memory:{uuid.uuid4().hex}", grace=0.01)
    stop = asyncio.Event()

    @app.service("prices", concurrency=1)
    async def price(request: oms.Request) -> bytes:
        while not stop.is_set():
            with suppress(asyncio.CancelledError):
                await stop.wait()
        return b""

    async with app:
        assert app.health().reasons == []
        with pytest.raises(oms.OMSTimeOutException):
            await app.producer.request(app.producer.create_message("prices", b""), 0.05)
        health = app.health()
        assert "price, default://prices: 1 handler(s) are at work" in health.reasons[0]
        assert (health.live, health.ready) == (False, False)
        stop.set()
        [endpoint] = app.running.endpoints.values()
        endpoint._staff._last_failure = monotonic(), error(1501, "the disk is gone")
        assert "the disk is gone" in app.health().reasons[0]
        endpoint._staff._last_failure = None
        endpoint._staff._fetcher.cancel()
        await endpoint._staff._fetcher.join(5)
        assert "price, default://prices: it receives no more" in app.health().reasons
