"""A server: listeners of the native protocol on a driver, and their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable

from openmessaging.server.clients import ClientInfo
from openmessaging.server.connection import Broker, Connection
from openmessaging.server.metrics import Metrics
from openmessaging.server.security import Security
from openmessaging.server.served import Driver
from openmessaging.server.sessions import Sessions
from openmessaging.server.settings import Limits


class Server:
    """Serves a driver in the running loop.

    Args:
        driver: what is served; it stays open.
        now_ms: the wall clock, ms.
        limits: what one client may use.
        metrics: what counts requests.
        security: who may do what; without it, everybody on this machine everything.
        own: the name of clients that end with this process: they are in it.
    """

    def __init__(
        self,
        driver: Driver,
        now_ms: Callable[[], int],
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        security: Security | None = None,
        own: str = "",
    ) -> None:
        self.security = security or Security()
        self.broker = Broker(driver, limits or Limits(), now_ms, metrics or Metrics(), self.security, own)
        """What its connections share, those that come in by other ways too."""
        self.sessions = Sessions(self.broker)
        self._listeners: list[asyncio.Server] = []
        self._paths: list[str] = []

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on TCP; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: Connection(self.broker),
            host,
            port,
            ssl=tls,
            backlog=1024,
            ssl_handshake_timeout=self.broker.limits.handshake if tls is not None else None,
        )
        self._listeners.append(listener)
        chosen: int = listener.sockets[0].getsockname()[1]
        return chosen

    async def listen_unix(self, path: str) -> None:
        """Listen on a Unix socket that only this user may open. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            listener = await asyncio.get_running_loop().create_unix_server(lambda: Connection(self.broker), path)
        finally:
            os.umask(before)
        self._listeners.append(listener)
        self._paths.append(path)

    async def take(self, connection: socket.socket) -> None:
        """Serve a client whose connection was accepted elsewhere. Raises OSError."""
        await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection(self.broker), connection)

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self.broker.connections)

    def clients(self) -> list[ClientInfo]:
        """Who is connected, the oldest connection first."""
        return sorted((each.info() for each in self.broker.connections), key=lambda info: info.since_ms)

    def drain(self) -> None:
        """Take no new clients, hand out no more messages, ask clients to go elsewhere. What they have can be settled
        until the end."""
        if self.broker.draining:
            return
        self.broker.draining = True
        for listener in self._listeners:
            listener.close()
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        for connection in list(self.broker.connections):
            connection.drain()

    async def close(self, grace: float = 5.0) -> None:
        """Drain, let what is being stored be answered and what was delivered arrive, for at most `grace` seconds,
        hang up."""
        self.drain()
        broker = self.broker
        await broker.until(lambda: not any(each.busy for each in broker.connections), grace)
        await asyncio.sleep(0)  # what was answered in this turn is written at its end
        for connection in list(self.broker.connections):
            connection.close()
        await self.sessions.close()
        if not await broker.until(lambda: not broker.connections, grace):
            for connection in list(broker.connections):
                connection.abort()  # it does not read what it was sent
        await broker.until(lambda: not broker.ending, grace)
