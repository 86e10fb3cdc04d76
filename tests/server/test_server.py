"""A server as a whole: its orderly end, and its Unix socket."""

import asyncio
import stat
import time
from pathlib import Path
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.drivers.embedded import driver as embedded
from openmessaging.drivers.oms import channel
from openmessaging.model.access_point import parse
from openmessaging.server import Server
from openmessaging.wire import FrameReader, Hello, Kind, encode_frame


async def started(tmp_path: Path) -> tuple[Any, Server]:
    driver = await embedded.open(parse(f"oms:embedded://{tmp_path}/store"), {})
    return driver, Server(driver, lambda: time.time_ns() // 1_000_000)


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def test_what_is_being_stored_is_answered_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PATIENCE", 0.1)  # for those that came too late

    async def work() -> None:
        driver, server = await started(tmp_path)
        port = await server.listen("127.0.0.1", 0)
        url = f"oms:oms://127.0.0.1:{port}/test"
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("orders", b"x"))
            sending = [producer.send_async(producer.create_message("orders", b"y")) for _ in range(100)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # they are on their way
            await server.close()
            stored = (await driver.describe_queue("default://orders")).messages
            answered = [each for each in sending if each.done() and each.exception() is None]
            assert len(answered) == stored - 1
        await driver.close()

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_unix_socket_of_this_user_alone(tmp_path: Path) -> None:
    async def work() -> None:
        driver, server = await started(tmp_path)
        path = str(tmp_path / "oms.sock")
        for _ in range(2):  # what another run left behind is no obstacle
            await server.listen_unix(path)
        assert mode_of(tmp_path / "oms.sock") == 0o600
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(encode_frame(Kind.HELLO, 1, Hello("OMS", [1], "test", "test").encoded()))
        (frame,) = FrameReader(1 << 20).feed(await reader.read(1 << 16))
        assert frame.kind == Kind.WELCOME
        assert server.connections == 1
        await server.close()
        goaway, ping = FrameReader(1 << 20).feed(await reader.read(1 << 16))
        assert (goaway.kind, ping.kind) == (Kind.GOAWAY, Kind.PING)
        assert await reader.read() == b""
        assert mode_of(tmp_path / "oms.sock") is None
        writer.close()
        await driver.close()

    asyncio.run(asyncio.wait_for(work(), 30))
