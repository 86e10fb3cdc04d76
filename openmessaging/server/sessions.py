"""Clients of the native protocol that come in requests, where no connection gets through that stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from openmessaging.model.errors import error
from openmessaging.server.connection import Broker, Connection
from openmessaging.transport.tunnel import Tunnel

MAX_WAIT = 30.0
"""Seconds that an answer is waited with, at most."""


class Session:
    """A client that asks in requests. What it sends has a position in all that it has sent, so has what it is sent:
    a request that comes again, for its answer was lost, changes nothing and has the same answer."""

    def __init__(self, protocol: asyncio.Protocol, extra: dict[str, Any] | None, ended: Callable[[], object]) -> None:
        self._came: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._putting = asyncio.Lock()
        self._up = self._down = 0
        self._going = b""
        """What the client was sent last, until it asks for what follows."""
        self._news = asyncio.Event()
        """Set while something is going, and at the end."""
        self._taken = asyncio.Event()
        self._over = False
        tunnel = Tunnel(protocol, extra)
        self.task = asyncio.get_running_loop().create_task(tunnel.run(self._came.get, self._send))
        self.task.add_done_callback(lambda _: self._end(ended))

    def _end(self, ended: Callable[[], object]) -> None:
        self._over = True
        self._news.set()
        if not self._came.empty():
            self._came.get_nowait()  # whoever waits for room waits no more
        ended()

    async def _send(self, data: bytes) -> None:
        self._going = data
        self._taken.clear()
        self._news.set()
        await self._taken.wait()

    async def put(self, at: int, data: bytes) -> None:
        """Take the client's bytes from a position on; returns when there is room for more. Raises OMSRuntimeException
        1418 for a position that leaves a gap."""
        async with self._putting:
            new = data[max(0, self._up - at) :]
            if at > self._up:
                raise error(1418, f"position {at} where {self._up} follows", field="at")
            if new and not self._over:
                await self._came.put(new)
                self._up += len(new)

    async def get(self, at: int, wait: float) -> bytes | None:
        """The bytes for the client from a position on, nothing when there are none for `wait` seconds, None after the
        end. Raises OMSRuntimeException 1418 for a position that is not one of the two that may follow."""
        if self._going and at == self._down + len(self._going):
            self._down = at
            self._going = b""
            self._news.clear()
            self._taken.set()
        elif at != self._down:
            raise error(1418, f"position {at} where {self._down} follows", field="at")
        try:
            async with asyncio.timeout(min(wait, MAX_WAIT)):
                await self._news.wait()
        except TimeoutError:
            return b""
        if at != self._down:  # another request has asked for what follows
            return b""
        return self._going or None

    async def hang_up(self) -> None:
        """The client is done."""
        async with self._putting:
            if not self._over:
                await self._came.put(b"")


class Sessions:
    """The clients that ask in requests, by the names they chose."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._open: dict[str, Session] = {}

    def begin(self, name: str, extra: dict[str, Any] | None = None) -> Session:
        """The session of a name, a new one when there is none. Raises OMSRuntimeException 1418 for a bad name."""
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise error(1418, "the name of a session is 32 random hexadecimal digits", field="session")
        found = self._open.get(name)
        if found is None:
            connection = Connection(self._broker)
            found = self._open[name] = Session(connection, extra, lambda: self._open.pop(name, None))
        return found

    async def close(self, patience: float = 1.0) -> None:
        """Let clients take what was answered for at most `patience` seconds, and hang up."""
        tasks = [session.task for session in self._open.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def find(self, name: str) -> Session | None:
        """The session of a name, None when there is none, or no more."""
        return self._open.get(name)
