"""The life of an application: starting, stopping, running once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import openmessaging as oms


async def test_a_failed_start_leaves_nothing_behind() -> None:
    @asynccontextmanager
    async def lifespan(app: oms.App) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    app = oms.App("oms:memory:never-opened", lifespan=lifespan)
    for _ in range(2):
        with pytest.raises(ValueError, match="no database"):
            await app.start()


async def test_stopping_lets_a_call_finish_and_gives_the_rest_back(tmp_path: Path) -> None:
    app = oms.App(f"oms:embedded://{tmp_path}/store", grace=10.0)
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended: list[str] = []
    all_ended = asyncio.Event()

    @app.listener("jobs", concurrency=1)
    async def work(job: str) -> None:
        begun.set()
        await may_end.wait()
        ended.append(job)
        if len(ended) == 20:
            all_ended.set()

    await app.start()
    for number in range(20):
        await app.send("jobs", f"job {number}")
    await begun.wait()
    stopping = asyncio.ensure_future(app.stop())
    await asyncio.sleep(0)
    may_end.set()
    await stopping
    assert ended == ["job 0"]
    async with app:
        await all_ended.wait()
        info = await app.access_point.resource_manager().describe_group("jobs", "default")
    assert ended == [f"job {number}" for number in range(20)]
    assert info.retrying == 0


async def test_running_once_ends_when_nothing_is_due(tmp_path: Path) -> None:
    app = oms.App(f"oms:embedded://{tmp_path}/store")

    @app.listener("a", sends_to="b", concurrency=2)
    async def one(text: str) -> str:
        return text

    @app.listener("b", retry=oms.Backoff(600.0, maximum=600.0))
    async def two(text: str) -> None:
        seen.append(text)
        if text == "bad":
            raise ValueError(text)

    seen: list[str] = []
    async with app:
        await app.producer.send([app.message("a", text) for text in ("good", "bad", "good")])
        await app.send("a", "later", delay=3600.0)
    await app.run(once=True)
    await app.run(once=True)
    assert sorted(seen) == ["bad", "good", "good"]
