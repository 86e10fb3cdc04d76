"""A node: start, addresses, and its end."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

import openmessaging as oms
from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import GroupInfo, OutgoingBatch
from openmessaging.server.config import Config, ListenSection, ShutdownSection, StoreSection
from openmessaging.server.node import Node, check


def config_of(tmp_path: Path, tcp: str = "127.0.0.1:0") -> Config:
    return Config(store=StoreSection(path=str(tmp_path / "store"), flush="never"), listen=ListenSection(tcp=tcp))


def batch_for(queue: str) -> OutgoingBatch:
    batch = encode([Record(b"y")], shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=0)
    return OutgoingBatch(queue, None, batch)


def test_it_serves_and_lets_the_store_go(tmp_path: Path) -> None:
    async def work() -> None:
        node = Node(config_of(tmp_path))
        await node.start()
        assert node.url is not None
        async with oms.connect(node.url) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
        await node.drain()
        assert node.draining
        await node.close()
        await node.close()
        again = await embedded.open(parse(node.store_url), {"flush": "always"})  # nobody has it open any more
        assert (await again.describe_queue("default://orders")).messages == 1
        await again.close()

    asyncio.run(asyncio.wait_for(work(), 30))


def test_what_cannot_be_listened_on_leaves_nothing_open(tmp_path: Path) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            node = Node(config_of(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}"))
            with pytest.raises(OMSRuntimeException, match="cannot listen") as failure:
                await node.start()
        assert failure.value.code == 10000
        again = Node(replace(node.config, listen=ListenSection(tcp="")))
        await again.start()
        assert (again.url, again.http_url) == (None, None)
        await again.close()

    asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "example.com:1", "nowhere"])
def test_only_what_may_be_open(tmp_path: Path, address: str) -> None:
    with pytest.raises(OMSRuntimeException, match=r"listen\.tcp") as failure:
        check(config_of(tmp_path, address))
    assert failure.value.code == 1418
    check(config_of(tmp_path, "localhost:0"))
    assert not (tmp_path / "store").exists()


@asynccontextmanager
async def restarted(node: Node) -> AsyncIterator[GroupInfo]:
    """The group of the tests as the next node on the same store and port sees it."""
    again = Node(replace(node.config, listen=ListenSection(tcp=f"127.0.0.1:{node.port}")))
    await again.start()
    yield await again.driver.describe_group("default://orders", "g")
    await again.close()


def test_what_consumers_have_in_hand_is_settled_before_the_end(tmp_path: Path) -> None:
    async def work() -> None:
        node = Node(replace(config_of(tmp_path), shutdown=ShutdownSection(grace=20)))
        await node.start()
        async with AsyncExitStack() as stack:
            access_point = await stack.enter_async_context(oms.connect(str(node.url)))
            producer = await stack.enter_async_context(access_point.create_producer())
            await producer.send([producer.create_message("orders", b"x") for _ in range(3)])
            consumer = await stack.enter_async_context(access_point.create_pull_consumer("orders", group="g"))
            messages = [await consumer.receive(timeout=5) for _ in range(3)]
            draining = asyncio.create_task(node.drain())
            await asyncio.sleep(0.1)
            assert not draining.done()
            assert node.health().reasons == ["it is stopping"]
            await node.driver.send([batch_for("default://orders")])  # it is not handed out any more
            for message in messages:
                assert message is not None
                await message.ack()
            started = time.monotonic()
            await draining
            assert time.monotonic() - started < 5
            await node.close()
            async with restarted(node) as info:
                assert (info.lag, info.in_flight, info.retrying) == (1, 0, 0)
                await stack.aclose()

    asyncio.run(asyncio.wait_for(work(), 30))


def test_who_settles_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async def work() -> None:
        node = Node(replace(config_of(tmp_path), shutdown=ShutdownSection(grace=0.2)))
        await node.start()
        async with AsyncExitStack() as stack:
            access_point = await stack.enter_async_context(oms.connect(str(node.url)))
            producer = await stack.enter_async_context(access_point.create_producer())
            await producer.send(producer.create_message("orders", b"x"))
            consumer = await stack.enter_async_context(access_point.create_pull_consumer("orders", group="g"))
            assert await consumer.receive(timeout=5)
            await node.drain()
            await node.drain()
            await node.close()
            async with restarted(node) as info:
                assert (info.lag, info.in_flight) == (1, 1)  # it is still in that consumer's hands
                await stack.aclose()

    asyncio.run(asyncio.wait_for(work(), 30))
