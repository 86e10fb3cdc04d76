"""A TCP proxy whose connections can be cut, held back, and refused."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

BLOCK = 64 << 10


class Proxy:
    """Passes bytes between clients and one server. Make it with `Proxy.start`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self.connections = 0
        """How many were made."""

    @classmethod
    async def start(cls, host: str, port: int) -> Self:
        """Listen on a free port of the loopback address."""
        proxy = cls(host, port)
        proxy._server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        return proxy

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> int:
        """Break all connections, in the middle of whatever they carry; returns how many. New ones may come."""
        broken = len(self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        return broken // 2

    def refuse(self) -> None:
        """Break all connections, and each new one as soon as it is made, until `accept`."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Let new connections stand again."""
        self._refusing = False

    def hold(self) -> None:
        """Let bytes lie, both ways, until `flow`: connections stand, and nothing comes through."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let bytes pass."""
        self._flowing.set()

    async def close(self) -> None:
        """Break everything and listen no more."""
        self._server.close()
        self._flowing.set()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        loop = asyncio.get_running_loop()
        both = [loop.create_task(self._pass(reader, far_writer)), loop.create_task(self._pass(far_reader, writer))]
        self._tasks.update(both)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            self._tasks.difference_update(both)
            for each in (writer, far_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(BLOCK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
