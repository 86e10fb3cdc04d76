"""The native protocol through HTTP: as messages of a WebSocket, or in requests where firewalls let none pass.

Who asks is told in HELLO, as on any connection of the native protocol; so no route here asks for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.errors import error
from openmessaging.server.connection import Connection
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.table import Route, SocketRoute
from openmessaging.server.sessions import MAX_WAIT, Session
from openmessaging.transport.tunnel import Tunnel

if TYPE_CHECKING:
    from openmessaging.server.http.websocket import WebSocket


MAX_UP_BYTES = 1 << 20
"""Of the body of one request."""
_NO_STORE = [("content-type", "application/octet-stream"), ("cache-control", "no-store")]


class Up(msgspec.Struct):
    """Where bytes go."""

    at: Annotated[int, Meta(ge=0, description="How many the client has sent before.")]


class Down(msgspec.Struct):
    """Which bytes are wanted."""

    at: Annotated[int, Meta(ge=0, description="How many the client has received.")]
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT, description="Seconds to wait for some.")] = 0.0


async def over_websocket(request: Request, socket: WebSocket) -> None:
    """Serve a client of the native protocol."""

    async def receive() -> bytes:
        while (message := await socket.receive()) == b"":
            pass
        return message if isinstance(message, bytes) else b""

    tunnel = Tunnel(Connection(request.app.node.server.broker), _about(request))
    await tunnel.run(receive, socket.send)


async def up(request: Request) -> Response:
    """Take a client's bytes; the first of a session open it."""
    sessions, name, at = request.app.node.server.sessions, request.params["session"], request.query.at
    session = sessions.begin(name, _about(request)) if at == 0 else _found(request)
    await session.put(at, await request.read_body(MAX_UP_BYTES))
    return Response(204)


async def down(request: Request) -> Response:
    """Give a client its bytes."""
    data = await _found(request).get(request.query.at, request.query.wait)
    if data is None:
        raise _over()
    return Response(200, _NO_STORE, data)


async def end(request: Request) -> Response:
    """Hang up."""
    await _found(request).hang_up()
    return Response(204)


def _about(request: Request) -> dict[str, object]:
    """What a connection asks its transport about the client."""
    about: dict[str, object] = {"peercert": request.peer, "sslcontext": request.scheme == "https" or None}
    return about | {"peername": (request.client, 0)} if request.client else about


def _found(request: Request) -> Session:
    session = request.app.node.server.sessions.find(request.params["session"])
    if session is None:
        raise _over()
    return session


def _over() -> Exception:
    return error(1404, "there is no such session, or no more", next_step="Begin a new one")


ROUTES: list[Route | SocketRoute] = [
    SocketRoute(path="/v1/native", handler=over_websocket, summary="The native protocol", anyone=True),
    *(
        Route(
            method="POST",
            path=f"/v1/native/{{session}}/{name}",
            handler=handler,
            query=query,
            limit=MAX_UP_BYTES,
            summary="The native protocol in requests",
            anyone=True,
            hidden=True,
        )
        for name, handler, query in (("up", up, Up), ("down", down, Down), ("end", end, None))
    ),
]
