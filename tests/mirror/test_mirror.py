"""Mirrors between systems: what comes is what was, also after a kill in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import openmessaging as oms
import openmessaging.blocking as blocking
from openmessaging.mirror import Mirror, compare
from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Capability
from tests.mirror.flights import COUNT, access_point, fill, mirror
from tests.runtime.hiding import hide
from tests.servers import serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def killed_in_the_middle(source: str, target: str) -> int:
    """Mirror in another process and kill it when a part is copied; how many messages it said it had copied."""
    command = [sys.executable, "-m", "tests.mirror.flights", source, target, "state.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = 0
        for line in process.stdout:
            said += int(line)
            if said >= COUNT // 4:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return said


async def compared(source: str, target: str) -> Any:
    async with access_point(source) as begin, access_point(target) as end:
        return await compare(begin, end, "flights")


def moved(source: str, target: str) -> None:
    """Mirror with a kill in the middle; afterwards nothing differs."""
    said = killed_in_the_middle(source, target)
    assert asyncio.run(mirror(source, target, "state.json", lambda *_: None)) <= COUNT - said
    found = asyncio.run(compared(source, target))
    assert found.is_none, found
    assert found.source == found.target == COUNT
    assert asyncio.run(mirror(source, target, "state.json", lambda *_: None)) == 0


@pytest.mark.timeout(240)
def test_flights_through_three_systems_with_kills() -> None:
    """A store, a broker, a store, and a system that knows nothing of sends that are stored once."""
    fill("oms:embedded://./first")
    with serving("oms:memory:broker") as broker:
        moved("oms:embedded://./first", broker.url)
        moved(broker.url, "oms:embedded://./second")
    with blocking.connect("oms:sqlite://localhost/third", {"DRIVER_IMPL": "examples.sqlite_driver:driver"}) as third:
        third.resource_manager().create_queue("flights")
    moved("oms:embedded://./second", "oms:sqlite://localhost/third")
    moved("oms:sqlite://localhost/third", "oms:embedded://./fourth")
    found = asyncio.run(compared("oms:embedded://./first", "oms:embedded://./fourth"))
    assert found.is_none, found


async def following() -> None:
    async with access_point("oms:memory:from") as source, access_point("oms:memory:to") as target:
        moving = Mirror(source, target, name="m", state=Path("state.json"), follow=True)
        arrived = asyncio.Event()
        async with source.create_producer() as producer:
            await producer.send(producer.create_message("q", b"1"))
            plan = await moving.plan(["q"])
            running = asyncio.create_task(moving.run(plan, lambda *_: arrived.set()))
            for number in (2, 3):
                await asyncio.wait_for(arrived.wait(), 5)
                arrived.clear()
                await producer.send(producer.create_message("q", b"%d" % number, priority=number))
            async with target.create_pull_consumer("q") as consumer:
                found = [await consumer.receive(timeout=5) for _ in range(3)]
            assert sorted(m.data for m in found if m is not None) == [b"1", b"2", b"3"]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def test_a_mirror_follows_new_messages_and_new_lanes() -> None:
    asyncio.run(following())


async def consuming() -> None:
    """A source that cannot be read from a place: its messages are taken by a group, and acknowledged."""
    async with access_point("oms:memory:taken") as source, access_point("oms:memory:given") as target:
        async with source.create_producer() as producer:
            await producer.send([producer.create_message("q", b"%d" % n, message_key="k") for n in range(2_500)])
        hide(source, Capability.BROWSE)
        moving = Mirror(source, target, name="m", state=Path("state.json"))
        plan = await moving.plan()
        assert any("consumed" in loss for loss in plan.losses)
        assert await moving.run(plan, lambda *_: None) == 2_500
        assert await moving.run(plan, lambda *_: None) == 0
        assert (await source.resource_manager().describe_group("q", "mirror.m")).lag == 0
        with pytest.raises(OMSUnsupportException, match="diff"):
            await compare(source, target, "q")
        info = await target.resource_manager().describe_queue("q")
        assert (info.messages, info.partitions) == (2_500, 1)


def test_a_source_that_can_only_be_consumed() -> None:
    asyncio.run(consuming())


async def dying() -> None:
    """A mirror that died between storing and acknowledging: what comes again is not stored again."""
    async with access_point("oms:memory:died") as source, access_point("oms:memory:died-to") as target:
        async with source.create_producer() as producer:
            await producer.send([producer.create_message("q", b"%d" % n) for n in range(3_000)])
        hide(source, Capability.BROWSE)
        moving = Mirror(source, target, name="m", state=Path("state.json"))

        def die(_queue: str, _more: int) -> None:
            raise ConnectionError("killed")

        driver = await source.get_driver()
        subscribe = driver.subscribe

        async def losing(spec: Any) -> Any:
            subscription = await subscribe(spec)
            subscription.ack = lambda *_: None  # told to nobody
            return subscription

        driver.subscribe = losing  # type: ignore[method-assign]
        with pytest.raises(ConnectionError):
            await moving.run(await moving.plan(), die)
        await source.resource_manager().seek_group("q", "mirror.m", "earliest")
        driver.subscribe = subscribe  # type: ignore[method-assign]
        assert await moving.run(await moving.plan(), lambda *_: None) == 2_000
        assert (await target.resource_manager().describe_queue("q")).messages == 3_000


def test_what_comes_again_is_not_stored_again() -> None:
    asyncio.run(dying())


async def starting(start: str) -> int:
    async with access_point("oms:memory:start") as source, access_point(f"oms:memory:{start}") as target:
        async with source.create_producer() as producer:
            for number in range(3):
                await producer.send(producer.create_message(f"q-{start}", b"%d" % number))
        moving = Mirror(source, target, name="m", state=Path("state.json"), start=start)
        return await moving.run(await moving.plan([f"q-{start}"]), lambda *_: None)


@pytest.mark.parametrize(("start", "copied"), [("earliest", 3), ("latest", 0), ("offset:2", 1), ("ts:1", 3)])
def test_where_a_mirror_begins(start: str, copied: int) -> None:
    assert asyncio.run(starting(start)) == copied


async def into(target: str, *partitions: int) -> None:
    """A target with fewer partitions: keys keep their order."""
    async with access_point("oms:memory:many") as source, access_point(target) as end:
        await source.resource_manager().create_queue("q", partitions[0])
        await end.resource_manager().create_queue("q", partitions[1])
        async with source.create_producer() as producer:
            for number in range(300):
                await producer.send(producer.create_message("q", b"%d" % number, message_key=f"k{number % 7}"))
        moving = Mirror(source, end, name="m", state=Path("state.json"))
        plan = await moving.plan(["q"])
        assert "partitions there" in plan.steps[0].losses[0]
        assert not plan.is_lossless
        await moving.run(plan, lambda *_: None)
        assert (await compare(source, end, "q")).is_none


def test_other_partitions_keep_the_order_of_keys() -> None:
    asyncio.run(into("oms:memory:few", 5, 2))


def test_a_body_that_is_too_large_stops_it_by_name() -> None:
    async def run() -> None:
        async with access_point("oms:memory:large") as source, access_point("oms:memory:small") as target:
            async with source.create_producer() as producer:
                await producer.send(producer.create_message("q", bytes(100)))
            (await target.get_driver()).max_body_bytes = 10
            moving = Mirror(source, target, name="m", state=Path("state.json"))
            plan = await moving.plan()
            assert any("more than 10 bytes" in loss for loss in plan.losses)
            with pytest.raises(OMSMessageFormatException, match="default://q, partition 0, offset 0") as caught:
                await moving.run(plan, lambda *_: None)
            assert caught.value.code == 1413

    asyncio.run(run())


def test_positions_of_another_queue_are_not_taken() -> None:
    async def run(target: str) -> None:
        async with access_point("oms:memory:again") as source, access_point(target) as end:
            async with source.create_producer() as producer:
                await producer.send(producer.create_message("q", b"1"))
            moving = Mirror(source, end, name="m", state=Path("state.json"))
            await moving.run(await moving.plan(["q"]), lambda *_: None)
            manager = source.resource_manager()
            await manager.delete_queue("q")
            await manager.create_queue("q")
            with pytest.raises(OMSRuntimeException, match="another --name"):
                await moving.run(await moving.plan(["q"]), lambda *_: None)
            await manager.delete_queue("q")

    asyncio.run(run("oms:memory:numbered"))
    asyncio.run(run("oms:sqlite://localhost/filed"))


def test_a_target_that_is_gone_is_not_left_empty() -> None:
    async def run() -> None:
        async with access_point("oms:memory:stays") as source, access_point("oms:sqlite://localhost/gone") as target:
            async with source.create_producer() as producer:
                await producer.send(producer.create_message("q", b"1"))
            moving = Mirror(source, target, name="m", state=Path("state.json"))
            await moving.run(await moving.plan(["q"]), lambda *_: None)
            await target.resource_manager().delete_queue("q")
            with pytest.raises(OMSRuntimeException, match="not in the target any more"):
                await moving.run(await moving.plan(["q"]), lambda *_: None)

    asyncio.run(run())


def test_namespaces_come_along() -> None:
    async def run() -> None:
        async with oms.connect("oms:memory:shops") as source, access_point("oms:memory:elsewhere") as target:
            await source.resource_manager().create_namespace("sales")
            await source.resource_manager().create_queue("sales://q")
            moving = Mirror(source, target, name="m", state=Path("state.json"))
            await moving.run(await moving.plan(["sales://q"]), lambda *_: None)
            assert await target.resource_manager().list_queues("sales") == {"sales://q"}

    asyncio.run(run())


def test_times_come_along() -> None:
    """Messages that expire, and delayed ones once they are due."""
    with blocking.connect("oms:memory:timed") as source, source.create_producer() as producer:
        producer.send(producer.create_message("q", b"now", ttl=60))
        producer.send(producer.create_message("q", b"later", delay=3_600))

        async def run() -> None:
            async with access_point("oms:memory:timed") as begin, access_point("oms:memory:timed-too") as end:
                moving = Mirror(begin, end, name="m", state=Path("state.json"))
                plan = await moving.plan()
                assert "not due yet" in plan.steps[0].losses[0]
                assert await moving.run(plan, lambda *_: None) == 1
                async with end.create_pull_consumer("q") as consumer:
                    message = await consumer.receive(timeout=5)
                    assert message is not None
                    assert message.get_header("expireTime") > message.get_header("bornTimestamp")

        asyncio.run(run())


def test_a_system_whose_queues_cannot_be_looked_at() -> None:
    async def run() -> None:
        async with access_point("oms:memory:seen") as source, access_point("oms:memory:unseen") as target:
            await target.get_driver()
            hide(target, Capability.ADMIN)
            with pytest.raises(OMSUnsupportException, match="mirror"):
                await Mirror(source, target, name="m", state=Path("state.json")).plan()

    asyncio.run(run())
