"""What streams have in common: server-sent events, and conversations over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from openmessaging.server.http.request import Response

if TYPE_CHECKING:
    from openmessaging.server.http.websocket import WebSocket

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE = b":\n\n"
"""A comment, which keeps a connection of server-sent events from looking dead."""
QUIET = 15.0
"""Seconds of silence after which a stream says that it lives."""


def event(data: str, name: str = "", identity: str = "") -> bytes:
    """A server-sent event."""
    head = f"id: {identity}\n" if identity else ""
    head += f"event: {name}\n" if name else ""
    return (head + "".join(f"data: {line}\n" for line in data.split("\n")) + "\n").encode()


def event_stream(pieces: AsyncGenerator[bytes, None]) -> Response:
    """An answer of server-sent events, which no proxy shall keep or collect."""
    headers = [("content-type", EVENT_STREAM), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    return Response(200, headers, pieces)


async def converse(
    socket: WebSocket, sending: Coroutine[Any, Any, None], take: Callable[[str | bytes], None] | None = None
) -> None:
    """Send, and take what the client says, until it hangs up or sending ends. Raises what sending raises."""

    async def taking() -> None:
        while (text := await socket.receive()) is not None:
            if take is not None:
                take(text)
                await socket.ready()

    tasks = asyncio.ensure_future(sending), asyncio.ensure_future(taking())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
