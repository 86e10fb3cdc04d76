"""Listens for HTTP in the running loop: HTTP/1.1, HTTP/2 and WebSocket on one port, with TLS or without."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any, Protocol

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.config import Config
from openmessaging.server.http.app import Application, Serving, create
from openmessaging.server.http.http1 import Http1
from openmessaging.server.http.request import Request
from openmessaging.server.security.identity import peer_of

_SWEEP = 1.0
"""Seconds between looks at who is late."""


class Client(Protocol):
    """A connection, whatever it speaks."""

    deadline: float

    def overdue(self) -> None:
        """It is past its deadline."""
        ...

    def drain(self) -> None:
        """End when what was asked is answered."""
        ...

    def abort(self) -> None:
        """End now."""
        ...


class HttpListener:
    """Serves an application.

    Args:
        app: what answers.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self.body_bytes = 0
        """Of bodies that are held for requests under way."""
        self.draining = False
        self.port = 0
        """Where TCP is listened on."""
        self._clients: set[Client] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._sweeping = self._loop.call_later(_SWEEP, self._sweep)

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on TCP; returns the port. Raises OSError."""
        server = await self._loop.create_server(lambda: Http1(self), host, port, ssl=tls, backlog=1024)
        self._servers.append(server)
        port = self.port = int(server.sockets[0].getsockname()[1])
        return port

    # ---- connections' calls ----------------------------------------------------------------------------------------

    def about(self, transport: asyncio.Transport) -> tuple[str, str, Mapping[str, Any] | None]:
        """Address of a client, scheme, certificate."""
        secure = transport.get_extra_info("sslcontext") is not None
        peer: Mapping[str, Any] | None = transport.get_extra_info("peercert") if secure else None
        return (peer_of(transport.get_extra_info), "https" if secure else "http", peer or None)

    def admit(self, client: Client) -> bool:
        """Count a client in; False when there are too many."""
        if self.draining or len(self._clients) >= self.app.limits.max_connections:
            return False
        self._clients.add(client)
        return True

    def discard(self, client: Client) -> None:
        """A client is gone."""
        self._clients.discard(client)
        if not self._clients:
            self._gone.set()

    def speak_http2(self, client: Client, transport: asyncio.Transport, data: bytes) -> None:
        """Go on with a client in HTTP/2; `data` is what it sent."""
        from openmessaging.server.http.http2 import Http2  # as with WebSockets

        following = Http2(self, transport)
        self._hand_over(client, following)
        transport.set_protocol(following)
        following.data_received(data)

    def speak_websocket(self, client: Client, transport: asyncio.Transport, request: Request, rest: bytes) -> None:
        """Go on with a client by WebSocket; `rest` is what it sent after its request."""
        from openmessaging.server.http.websocket import WebSocket  # few need it at once: a server is there sooner

        following = WebSocket(self, transport, request)
        self._hand_over(client, following)
        transport.set_protocol(following)
        following.open(rest)

    def _hand_over(self, client: Client, following: Client) -> None:
        self._clients.discard(client)
        self._clients.add(following)

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(_SWEEP, self._sweep)
        now = self._loop.time()
        for client in [each for each in self._clients if each.deadline < now]:
            client.overdue()
        self.app.sharing.sweep()

    async def close(self, grace: float = 5.0) -> None:
        """Take no new clients, let what was asked be answered for at most `grace` seconds, hang up."""
        self.draining = True
        self._sweeping.cancel()
        for server in self._servers:
            server.close()
        self.app.stop_waiting()
        self.app.watch.stop()
        for client in list(self._clients):
            client.drain()
        self._gone.clear()
        if self._clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._gone.wait()
        for client in list(self._clients):
            client.abort()
        with contextlib.suppress(OMSRuntimeException):
            await self.app.close()


def check(config: Config) -> None:
    """Find what `start` would refuse. Raises OMSRuntimeException 1418."""
    from openmessaging.server.http.callbacks.manager import rules_of

    rules_of(config.callbacks)


async def start(node: Serving, host: str, port: int, tls: ssl.SSLContext | None = None) -> HttpListener:
    """Answer HTTP for a node. Raises OSError when the address cannot be listened on."""
    listener = HttpListener(create(node))
    listener.app.watch.start()
    try:
        await listener.app.start()
        await listener.listen(host, port, tls)
    except BaseException:
        await listener.close(0)
        raise
    return listener
