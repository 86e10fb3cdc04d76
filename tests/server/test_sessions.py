"""Clients that come in requests: what is lost is asked again, and nothing is done twice."""

import asyncio
import random
from typing import cast

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server import sessions as module
from openmessaging.server.sessions import Session


class Echo(asyncio.Protocol):
    """Sends back what it gets; hangs up when told "bye."."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        if data == b"bye.":
            self.transport.close()


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


@pytest.mark.parametrize("seed", range(20))
def test_answers_that_are_lost(seed: int) -> None:
    async def test() -> None:
        chance = random.Random(seed)
        ends: list[bool] = []
        session = Session(Echo(), None, lambda: ends.append(True))
        whole = chance.randbytes(5_000)
        received = bytearray()

        async def up() -> None:
            at = 0
            while at < len(whole):
                data = whole[at : at + chance.randrange(1, 500)]
                for _ in range(chance.choice([1, 1, 2, 3])):  # its answer was lost
                    await session.put(at, data)
                at += len(data)

        async def down() -> None:
            while len(received) < len(whole):
                if chance.random() < 0.3:  # one that nobody waits for any more, and its answer goes nowhere
                    abandoned.append(asyncio.ensure_future(session.get(len(received), 5)))
                    await asyncio.sleep(0)
                data = await session.get(len(received), 5)
                if chance.random() < 0.7:
                    received.extend(data or b"")

        abandoned: list[asyncio.Future[bytes | None]] = []
        await asyncio.gather(up(), down())
        assert bytes(received) == whole
        await session.hang_up()
        assert await session.get(len(received), 5) is None
        await session.task
        assert ends == [True]
        await session.hang_up()  # again is no error
        await session.put(len(whole), b"late")
        await asyncio.gather(*abandoned, return_exceptions=True)

    run(test)


def test_the_last_words_are_heard() -> None:
    async def test() -> None:
        session = Session(Echo(), None, lambda: None)
        await session.put(0, b"bye.")
        assert await session.get(0, 5) == b"bye."
        assert await session.get(0, 5) == b"bye.", "the answer was lost"
        assert await session.get(4, 5) is None

    run(test)


def test_positions_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAIT", 0.01)

    async def test() -> None:
        session = Session(Echo(), None, lambda: None)
        with pytest.raises(OMSRuntimeException, match="position 5 where 0 follows"):
            await session.put(5, b"x")
        with pytest.raises(OMSRuntimeException, match="position 3 where 0 follows"):
            await session.get(3, 0)
        assert await session.get(0, 1_000) == b"", "nobody waits for ever"
        session.task.cancel()

    run(test)


def test_what_comes_while_nobody_reads_waits_and_the_end_frees_it() -> None:
    class Slow(Echo):
        def data_received(self, data: bytes) -> None:
            self.transport.pause_reading()

    async def test() -> None:
        protocol = Slow()
        session = Session(protocol, None, lambda: None)
        for number in range(3):  # one was handled, one is next, one may wait
            await session.put(number, b"x")
            await asyncio.sleep(0)
        fourth = asyncio.ensure_future(session.put(3, b"x"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not fourth.done()
        protocol.transport.abort()
        await fourth

    run(test)
