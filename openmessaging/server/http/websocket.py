"""A connection that speaks WebSocket (RFC 6455): messages between a transport and a handler."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.http.http1 import head_of
from openmessaging.server.http.problem import HttpError, logger, problem
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.writing import Writing

if TYPE_CHECKING:
    from openmessaging.server.http.listener import HttpListener
    from openmessaging.server.http.table import SocketRoute

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_UNREAD_BYTES = 4 << 20
"""Of messages that the handler has not received, beyond which the client is not read."""
_PINGS = 2
"""Without an answer, after which the client is given up."""
GOING_AWAY, INVALID, TOO_BIG, FAILED = 1001, 1007, 1009, 1011
"""Codes with which a conversation ends."""


class WebSocket(Writing):
    """One conversation. Handlers use `receive`, `send`, `ready` and `close`; it ends when the handler returns."""

    def __init__(self, listener: HttpListener, transport: asyncio.Transport, request: Request) -> None:
        self._listener = listener
        self._limits = listener.app.limits
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self.request = request
        self.subprotocol: str | None = None
        """What was agreed on."""
        self._frames = Connection(ConnectionType.SERVER)
        self._max_message_bytes = 0
        self._pieces: list[str | bytes] = []
        self._size = 0
        self._messages: deque[str | bytes] = deque()
        self._unread = 0
        self._more: asyncio.Future[None] | None = None
        self._accepted = False
        self._closed = False
        self._paused = False
        self._before: list[bytes] = []
        self._pings = 0
        """That had no answer."""
        self.deadline = self._loop.time() + self._limits.head

    def open(self, rest: bytes) -> None:
        """Begin, with what the client sent after its request."""
        if rest:
            self._before.append(rest)
        self._task = self._loop.create_task(self._run())

    # ---- for handlers ----------------------------------------------------------------------------------------------

    async def receive(self) -> str | bytes | None:
        """The next message, text or binary; None when the conversation is over."""
        while not self._messages:
            if self._closed:
                return None
            self._more = self._loop.create_future()
            await self._more
        message = self._messages.popleft()
        self._unread -= len(message)
        if self._paused and self._unread <= _UNREAD_BYTES // 2 and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return message

    def send_nowait(self, message: str | bytes) -> None:
        """Send a message; nothing happens when the conversation is over. See `ready` about a client that does not
        read."""
        self._emit(TextMessage(message) if isinstance(message, str) else BytesMessage(message))

    async def send(self, message: str | bytes) -> None:
        """Send a message, and wait until the client reads."""
        self.send_nowait(message)
        await self.ready()

    async def ready(self) -> None:
        """Return when the client reads what it was sent, or is gone."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    @property
    def closed(self) -> bool:
        """Whether the conversation is over."""
        return self._closed

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the conversation. Again is no error."""
        if not self._closed:
            self._emit(CloseConnection(code, reason.encode()[:120].decode(errors="ignore") or None))
            self._finish()

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        if not self._accepted:
            self._before.append(data)
            if sum(map(len, self._before)) > _UNREAD_BYTES:
                self._transport.abort()
            return
        self._pings = 0
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._take(event)
                if self._closed:
                    return
        except RemoteProtocolError as cause:
            self._emit(cause.event_hint or CloseConnection(1002, None))
            self._finish()
        self.deadline = self._loop.time() + self._limits.idle

    def eof_received(self) -> bool:
        """The client sends no more."""
        return False

    def _reads_again(self) -> None:
        self.deadline = self._loop.time() + self._limits.idle

    def connection_lost(self, failure: Exception | None) -> None:  # noqa: ARG002 - the interface's
        """The client is gone."""
        self._listener.discard(self)
        self._closed = True
        if self.request.identity is not None:
            self._listener.app.node.security.leave(self.request.identity, self._cut_off)
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None
        self._wake()
        self._task.cancel()

    # ---- inside ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        request = self.request
        try:
            route = await self._accept()
        except Exception as failure:
            response = problem(failure)
            assert isinstance(response.body, bytes)
            self._transport.write(head_of(response, len(response.body), True) + response.body)
            self._closed = True
            self._transport.close()
            return
        code, reason = 1000, ""
        try:
            before, self._before = self._before, []
            for data in before:
                self.data_received(data)
            await route.handler(request, self)
        except OMSRuntimeException as failure:
            code, reason = FAILED, str(failure)
        except Exception:
            logger.exception("a conversation failed")
            code, reason = FAILED, "the server failed"
        finally:
            self.close(code, reason)

    async def _accept(self) -> SocketRoute:
        """Shake hands. Raises OMSRuntimeException where it may not be."""
        request, app = self.request, self._listener.app
        headers = request.headers
        route = app.socket_route(request)
        if route is None:
            raise HttpError(400, 1400, f"no WebSocket is taken at {request.path:.200}")
        if headers.get("sec-websocket-version") != "13" or "sec-websocket-key" not in headers:
            reason = "no handshake of WebSocket version 13"
            raise HttpError(426, 1400, reason, headers=[("sec-websocket-version", "13"), ("upgrade", "websocket")])
        _check_origin(headers)
        await app.authenticate(request, route.anyone)
        self._enter()
        offered = [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]
        self.subprotocol = next((each for each in route.subprotocols if each in offered), None)
        if route.subprotocols and offered != [""] and self.subprotocol is None:
            raise error(1400, f"none of the subprotocols is {', '.join(route.subprotocols)}")
        self._max_message_bytes = route.max_message_bytes
        digest = hashlib.sha1(headers["sec-websocket-key"].encode() + _GUID, usedforsecurity=False).digest()
        answer = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", base64.b64encode(digest).decode()),
        ]
        if self.subprotocol is not None:
            answer.append(("sec-websocket-protocol", self.subprotocol))
        self._transport.write(head_of(Response(101, answer), None, False))
        self._accepted = True
        self.deadline = self._loop.time() + self._limits.idle
        return route

    def _enter(self) -> None:
        """It counts as a connection of its user, but where what is spoken here signs in by itself. Raises 1503."""
        request = self.request
        if request.identity is not None:
            self._listener.app.node.security.enter(request.identity, self._cut_off)

    def _cut_off(self, failure: OMSRuntimeException) -> None:
        self.close(FAILED, str(failure))

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            self._size += len(event.data)
            if self._size > self._max_message_bytes:
                self.close(TOO_BIG, f"a message has more than {self._max_message_bytes:,} bytes")
                return
            self._pieces.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
            if event.message_finished:
                whole = self._pieces[0] if len(self._pieces) == 1 else _joined(self._pieces)
                self._pieces, self._size = [], 0
                self._messages.append(whole)
                self._unread += len(whole)
                if self._unread > _UNREAD_BYTES and not self._paused:
                    self._paused = True
                    self._transport.pause_reading()
                self._wake()
        elif isinstance(event, Ping):
            self._emit(event.response())
        elif isinstance(event, CloseConnection):
            self._emit(event.response())
            self._finish()

    def _emit(self, event: Event) -> None:
        if not self._closed and not self._transport.is_closing():
            try:
                self._transport.write(self._frames.send(event))
            except LocalProtocolError:
                self._finish()

    def _finish(self) -> None:
        self._closed = True
        self._wake()
        self._transport.close()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # ---- the listener's calls --------------------------------------------------------------------------------------

    def overdue(self) -> None:
        """The client was not heard of, or does not read."""
        if self._writable is not None or not self._accepted or self._pings >= _PINGS:
            self._transport.abort()
            return
        self._pings += 1
        self._emit(Ping())
        self.deadline = self._loop.time() + self._limits.idle

    def drain(self) -> None:
        """The server is stopping."""
        if self._accepted:
            self.close(GOING_AWAY, "the server is stopping")
        else:
            self._transport.close()

    def abort(self) -> None:
        """Hang up now."""
        self._transport.abort()


def _check_origin(headers: Mapping[str, str]) -> None:
    """Pages of other sites may open WebSockets to any address that their reader can reach, with what the browser knows
    of passwords: only pages of this server may. Programs send no Origin. Raises OMSSecurityException 1403."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        step = "Open it from a page of this server, or from a program"
        raise error(1403, f"pages of {origin:.200} may not open a WebSocket here", next_step=step, field="origin")


def _joined(pieces: list[str | bytes]) -> str | bytes:
    if isinstance(pieces[0], str):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))
