"""A node: start, addresses, and its end."""

import asyncio
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

import openmessaging as oms
from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.config import Config, ListenSection, StoreSection
from openmessaging.server.node import Node, check


def config_of(tmp_path: Path, tcp: str = "127.0.0.1:0") -> Config:
    return Config(store=StoreSection(path=str(tmp_path / "store"), flush="never"), listen=ListenSection(tcp=tcp))


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
