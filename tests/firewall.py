"""Something between a client and a server: a proxy that tears connections in two, a firewall without WebSockets."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Between:
    """A proxy that passes bytes on. With `chance`, it tears connections after a number of bytes, drawn anew for each;
    without `websockets`, it answers requests for one with 403. What it `loses` is not passed on."""

    def __init__(self, port: int, chance: random.Random | None = None, *, websockets: bool = True) -> None:
        self.target = port
        self.chance = chance
        self.websockets = websockets
        self.writers: set[asyncio.StreamWriter] = set()
        self.torn = self.refused = 0
        self.loses_requests = self.loses_answers = False

    async def __aenter__(self) -> "Between":
        self.server = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.tear()

    def tear(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.target)
            self.writers |= {writer, inner}
            left = self.chance.randrange(200, 20_000) if self.chance is not None else 1 << 62

            async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                nonlocal left
                while data := await source.read(1 << 16):
                    if not self.websockets and b"upgrade: websocket\r\n" in data.lower():
                        self.refused += 1
                        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        await writer.drain()
                        break
                    part = data[:left]
                    left -= len(part)
                    if not (self.loses_answers if sink is writer else self.loses_requests):
                        sink.write(part)
                        await sink.drain()
                    if left <= 0:
                        self.torn += 1
                        break

            ways = [asyncio.ensure_future(one_way(reader, inner)), asyncio.ensure_future(one_way(inner_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            inner.transport.abort()
            if left > 0:
                writer.close()
                return
        writer.transport.abort()
        self.writers.discard(writer)


@contextmanager
def without_websockets(port: int) -> Iterator[int]:
    """The port of a firewall in front of a server, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="firewall")
    thread.start()
    firewall = Between(port, websockets=False)
    try:
        asyncio.run_coroutine_threadsafe(firewall.__aenter__(), loop).result(10)
        yield firewall.port
        asyncio.run_coroutine_threadsafe(firewall.__aexit__(), loop).result(10)
        assert firewall.refused
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
