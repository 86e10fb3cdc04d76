"""An app's pages over HTTP: health, AsyncAPI document, documentation; as an ASGI app and by a server of its own.

The server is for orchestrators on a port of their own (`oms run --health`): it answers GET, one request a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.app.asyncapi import document
from openmessaging.app.page import page

if TYPE_CHECKING:
    from openmessaging.app.application import App, ASGIApp

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
JSON = "application/json"
REQUEST_SECONDS = 5.0
"""Longest wait for a request of the own server."""


def answer(app: App, path: str) -> Answer:
    """The answer to a GET of a path."""
    match path.rstrip("/"):
        case "/health/live":
            return _health(app.health().live, app)
        case "/health/ready" | "/health":
            return _health(app.health().ready, app)
        case "/asyncapi.json":
            return 200, JSON, msgspec.json.encode(document(app))
        case "/docs" | "":
            return 200, "text/html; charset=utf-8", page(document(app)).encode()
    return 404, JSON, b'{"error":"there are /health/live, /health/ready, /docs and /asyncapi.json"}'


def _health(well: bool, app: App) -> Answer:
    return 200 if well else 503, JSON, msgspec.json.encode(app.health())


def asgi(app: App) -> ASGIApp:
    """See `App.asgi`."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(app, receive, send)
        elif scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            status, kind, body = (
                answer(app, path) if scope["method"] in ("GET", "HEAD") else (405, JSON, b'{"error":"only GET"}')
            )
            headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return serve


async def _lifespan(app: App, receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        try:
            await (app.start() if kind == "startup" else app.stop())
        except Exception as failure:
            await send({"type": f"lifespan.{kind}.failed", "message": str(failure)})
            raise
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


@asynccontextmanager
async def served(app: App, host: str, port: int) -> AsyncIterator[int]:
    """Answer on a port of this machine while it is entered; gives the port, which is chosen when it is 0.

    Raises OSError when the port is taken.
    """

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
            if len(request) == 3:
                path = request[1].partition("?")[0]
                status, kind, body = answer(app, path) if request[0] == "GET" else (405, JSON, b"{}")
                head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {kind}\r\n"
                head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked is gone, or sent no request
        finally:
            writer.close()

    server = await asyncio.start_server(on_connection, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
