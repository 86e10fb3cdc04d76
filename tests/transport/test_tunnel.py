"""A transport that something else than a socket carries, seen from a protocol and from what carries it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from openmessaging.transport import tunnel as module
from openmessaging.transport.tunnel import PIECE_BYTES, Tunnel


class Recorder(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        if data == b"fail":
            raise ZeroDivisionError
        self.told.append(data)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, failure: Exception | None) -> None:
        self.lost.set_result(failure)


class Pipe:
    """Carries bytes between a tunnel and a test."""

    def __init__(self) -> None:
        self.inward: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.outward: asyncio.Queue[bytes] = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()
        self.protocol = Recorder()
        self.tunnel = Tunnel(self.protocol, {"peername": ("192.0.2.1", 7)})

    async def receive(self) -> bytes:
        item = await self.inward.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def send(self, data: bytes) -> None:
        await self.open.wait()
        self.outward.put_nowait(data)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Pipe]:
    pipe = Pipe()
    task = asyncio.ensure_future(pipe.tunnel.run(pipe.receive, pipe.send))
    await asyncio.sleep(0)
    yield pipe
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert pipe.protocol.lost.done()


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))


def test_bytes_pass_both_ways_in_pieces() -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.inward.put_nowait(b"in")
            pipe.tunnel.write(b"a")
            pipe.tunnel.write(b"b" * PIECE_BYTES)
            pieces = [await pipe.outward.get(), await pipe.outward.get()]
            assert [len(piece) for piece in pieces] == [PIECE_BYTES, 1]
            assert pieces[0][:2] == b"ab"
            assert "made" in pipe.protocol.told
            assert b"in" in pipe.protocol.told
            assert pipe.tunnel.get_extra_info("peername") == ("192.0.2.1", 7)

    run(test)


def test_who_writes_is_told_when_nobody_takes_it() -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.tunnel.set_write_buffer_limits(PIECE_BYTES)
            pipe.open.clear()
            pipe.tunnel.write(bytes(PIECE_BYTES))
            await turns()  # that much is on its way
            pipe.tunnel.write(bytes(PIECE_BYTES))
            assert "pause" not in pipe.protocol.told
            pipe.tunnel.write(b"x")
            assert pipe.protocol.told[-1] == "pause"
            pipe.open.set()
            await turns()
            assert pipe.protocol.told[-1] == "resume"

    run(test)


def test_nothing_is_taken_while_the_protocol_does_not_read() -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.tunnel.pause_reading()
            pipe.inward.put_nowait(b"one")
            pipe.inward.put_nowait(b"two")
            await turns()
            assert pipe.protocol.told == ["made"]
            pipe.tunnel.resume_reading()
            await turns()
            assert pipe.protocol.told == ["made", b"one", b"two"]

    run(test)


def test_what_was_written_goes_out_before_the_end() -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.tunnel.write(b"last")
            pipe.tunnel.close()
            assert pipe.tunnel.is_closing()
            assert await pipe.protocol.lost is None
            assert pipe.outward.get_nowait() == b"last"

    run(test)


def test_an_end_that_nobody_takes_comes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.05)

    async def test() -> None:
        async with running() as pipe:
            pipe.open.clear()
            pipe.tunnel.write(b"last")
            await turns()
            pipe.tunnel.close()
            assert await pipe.protocol.lost is None
            assert pipe.outward.empty()

    run(test)


def test_abort_ends_at_once_and_forgets() -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.tunnel.write(b"never")
            pipe.tunnel.abort()
            pipe.tunnel.write(b"nor this")
            assert await pipe.protocol.lost is None
            assert pipe.outward.empty()

    run(test)


def test_a_protocol_that_hangs_up_at_once() -> None:
    class Refusing(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, Tunnel)
            transport.abort()

    async def test() -> None:
        pipe = Pipe()
        refusing = Refusing()
        await Tunnel(refusing).run(pipe.receive, pipe.send)
        assert refusing.lost.result() is None

    run(test)


def test_the_protocol_is_told_why_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running() as pipe:
            pipe.inward.put_nowait(b"")
            assert await pipe.protocol.lost is None
        async with running() as pipe:
            pipe.inward.put_nowait(ConnectionResetError("gone"))
            assert str(await pipe.protocol.lost) == "gone"
        assert not caplog.records
        async with running() as pipe:
            pipe.inward.put_nowait(b"fail")
            assert isinstance(await pipe.protocol.lost, ZeroDivisionError)
        assert "a connection failed" in caplog.text

    run(test)
