"""A connection that speaks HTTP/1.1: the shell between a transport and the application."""

from __future__ import annotations

import asyncio
import contextlib
import http
import math
import time
from collections import deque
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httptools

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.http.problem import logger, problem
from openmessaging.server.http.request import Body, Request, Response
from openmessaging.server.http.writing import Writing

if TYPE_CHECKING:
    from openmessaging.server.http.listener import HttpListener

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_UNREAD_BYTES = 256 << 10
"""Of a body that nobody reads yet, so much is taken."""
_PIPELINED = 16
"""Requests of one connection that wait for their turn, beyond which it is not read."""
MAX_FIELDS = 500
"""Headers of one request."""
_LINGER = 2.0
"""Seconds for which the rest of a body is thrown away, so that the client gets to read why."""


class _Waiting(NamedTuple):
    request: Request
    keep_alive: bool


class Http1(Writing):
    """One client."""

    def __init__(self, listener: HttpListener) -> None:
        self._listener = listener
        self._limits = listener.app.limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # there once connected
        self._client = ""
        self._scheme = "http"
        self._peer: Mapping[str, Any] | None = None
        self._first: bytes | None = b""
        """What came until it is known which version is spoken."""
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = self._fields = 0
        self._in_head = False
        self._receiving: Request | None = None
        """The request whose body comes in."""
        self._continue = False
        self._upgrade: Request | None = None
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._refused: OMSRuntimeException | None = None
        """What is wrong with what came behind the requests that wait."""
        self._ending = False
        """Whether the connection closes when all that was asked is answered."""
        self._lingering = False
        self._streaming = False
        self._paused = False
        self.deadline = 0.0
        """Loop time after which `overdue` is called."""

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client, if there is room."""
        self._transport = cast(asyncio.Transport, transport)
        self._client, self._scheme, self._peer = self._listener.about(self._transport)
        self.deadline = self._loop.time() + self._limits.head
        if not self._listener.admit(self):
            self._refuse(error(1503, "no more connections", next_step="Try again later"))

    def data_received(self, data: bytes) -> None:
        """Do what the client asks for."""
        if self._lingering or self._refused is not None or self._transport.is_closing():
            return
        if self._first is not None:
            data = self._first + data
            if _PREFACE.startswith(data[: len(_PREFACE)]):
                self._first = data
                if len(data) >= len(_PREFACE):
                    self._listener.speak_http2(self, self._transport, data)
                return
            self._first = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._upgraded(data[stop.args[0] :])
            return
        except httptools.HttpParserCallbackError as cause:
            failure = cause.__context__
            self._refuse(failure if isinstance(failure, OMSRuntimeException) else error(1400, "not HTTP"))
            return
        except httptools.HttpParserError as cause:
            self._refuse(error(1400, f"this is not HTTP/1.1: {cause}", next_step="Speak HTTP/1.1 or HTTP/2"))
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._refuse(_head_too_large(self._limits.max_head_bytes))
        elif self._receiving is not None:
            self.deadline = self._loop.time() + self._limits.stalled
            body = self._receiving.body
            if body.size > _UNREAD_BYTES and not body.started:
                self._pause()

    def eof_received(self) -> bool:
        """The client sends no more: what it has asked for whole is answered, unless it would have to wait for long."""
        if self._task is not None and (self._streaming or self._listener.app.is_waiting(self._task)):
            return False
        if self._receiving is not None:
            self._receiving.body.fail(error(1400, "the connection ended within the body", field="body"))
        self._ending = True
        return self._task is not None

    def _reads_again(self) -> None:
        self.deadline = math.inf if self._task is not None else self._loop.time() + self._limits.idle

    def connection_lost(self, failure: Exception | None) -> None:  # noqa: ARG002 - the interface's
        """The client is gone."""
        self._listener.discard(self)
        if self._writable is not None:
            self._writable.cancel()
        if self._receiving is not None:
            self._listener.body_bytes -= self._receiving.body.size
            self._receiving = None
        if self._task is not None:
            self._task.cancel()

    # ---- the parser's calls ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = {}
        self._head_bytes = self._fields = 0
        self._in_head = True
        if self._task is None:
            self.deadline = self._loop.time() + self._limits.head

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url
        if len(self._url) > self._limits.max_head_bytes:
            raise _head_too_large(self._limits.max_head_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._head_bytes += len(name) + len(value)
        self._fields += 1
        if self._head_bytes > self._limits.max_head_bytes or self._fields > MAX_FIELDS:
            raise _head_too_large(self._limits.max_head_bytes)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(key)
        self._headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        headers = self._headers
        target = self._url.decode("latin-1")
        if not target.startswith("/"):
            target = "/" + target.partition("://")[2].partition("/")[2] if "://" in target else "/" + target
        body = Body(self._limits.max_body_bytes, self._resume)
        request = Request(
            self._parser.get_method().decode("latin-1"), target, headers, body, self._client, self._scheme, self._peer
        )
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", 0)) > body.limit:
            body.fail(error(1413, f"the body has more than {body.limit:,} bytes", next_step="Send less at once"))
        self._continue = headers.get("expect", "").lower() == "100-continue"
        self._receiving = request
        if self._parser.should_upgrade() and headers.get("upgrade", "").lower() == "websocket":
            self._upgrade = request
            return
        self._queue.append(_Waiting(request, self._parser.should_keep_alive()))
        if self._task is None:
            self._task = self._loop.create_task(self._work())
        elif len(self._queue) >= _PIPELINED:
            self._pause()

    def on_body(self, data: bytes) -> None:
        """A piece of its body."""
        if self._receiving is not None:
            self._continue = False
            listener = self._listener
            listener.body_bytes += len(data)
            body = self._receiving.body
            body.feed(data)
            if listener.body_bytes > self._limits.max_bodies_bytes:
                body.fail(error(1502, "too many bodies at once", next_step="Try again later"))

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._receiving is not None:
            self._receiving.body.end()
            self._receiving = None
            self.deadline = math.inf

    # ---- answering -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while self._queue:
            request, keep_alive = self._queue.popleft()
            try:
                response = await self._listener.app.respond(request)
                if self._transport.is_closing():
                    if response.undelivered is not None:
                        response.undelivered()
                    return
                last = not keep_alive or not request.body.complete or self._listener.draining
                await self._write(request.method, response, last)
            except Exception as failure:
                logger.error("an answer could not be finished", exc_info=failure)
                self._transport.abort()
                return
            finally:
                if request is not self._receiving:
                    self._listener.body_bytes -= request.body.size
            if last:
                self._hang_up(linger=not request.body.complete)
                return
            self._resume()
        self._task = None
        self.deadline = self._loop.time() + self._limits.idle
        if self._refused is not None:
            self._refuse(self._refused)
        elif self._ending:
            self._hang_up()

    async def _write(self, method: str, response: Response, last: bool) -> None:
        body = response.body
        bare = method == "HEAD" or response.status in (204, 304)
        if isinstance(body, bytes):
            head = head_of(response, None if response.status == 204 else len(body), last)
            self._transport.write(head if bare else head + body)
            if self._writable is not None:
                await self._writable
            return
        self._transport.write(head_of(response, -1, last))
        if bare:
            await body.aclose()
            return
        self._streaming = True
        async with contextlib.aclosing(body):
            async for piece in body:
                if piece:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    if self._writable is not None:
                        await self._writable
        self._transport.write(b"0\r\n\r\n")
        self._streaming = False

    def _refuse(self, failure: OMSRuntimeException) -> None:
        """Say what is wrong with what cannot be read, after what is being answered, and hang up."""
        if self._receiving is not None:
            self._receiving.body.fail(failure)  # whoever reads it answers
        elif self._task is not None:
            self._refused = failure
        if self._task is None:
            response = problem(failure)
            assert isinstance(response.body, bytes)
            self._transport.write(head_of(response, len(response.body), True) + response.body)
            self._hang_up(linger=True)

    def _hang_up(self, *, linger: bool = False) -> None:
        if not linger:
            self._transport.close()
        elif not self._transport.is_closing():
            self._lingering = True
            self._resume()
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._loop.call_later(_LINGER, self._transport.close)

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._continue:
            self._continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _upgraded(self, rest: bytes) -> None:
        request, self._upgrade, self._receiving = self._upgrade, None, None
        if request is None or self._task is not None:
            self._refuse(error(1400, "only WebSocket is upgraded to, as the only request under way"))
            return
        self._listener.speak_websocket(self, self._transport, request, rest)

    # ---- the listener's calls --------------------------------------------------------------------------------------

    def overdue(self) -> None:
        """Something did not come in time."""
        now = self._loop.time()
        if self._writable is not None:
            self._transport.abort()
        elif self._receiving is not None and self._task is not None:
            self.deadline = now + self._limits.stalled
            self._receiving.body.fail(error(1410, f"nothing more of the body for {self._limits.stalled} s"))
        elif self._in_head:
            self._refuse(error(1410, f"no whole request within {self._limits.head} s"))
        else:
            self._transport.close()

    def drain(self) -> None:
        """Take no more requests; hang up once what was asked is answered."""
        if self._task is None and not self._in_head:
            self._transport.close()

    def abort(self) -> None:
        """Hang up now."""
        self._transport.abort()


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus}
_date: tuple[int, str] = (0, "")


def date_now() -> str:
    """The time as the header `date` has it."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = now, formatdate(now, usegmt=True)
    return _date[1]


def head_of(response: Response, length: int | None, closing: bool) -> bytes:
    """The head of an answer; a length of -1: it comes in chunks, None: it has no body."""
    lines = [_STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} \r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in response.headers]
    if length == -1:
        lines.append("transfer-encoding: chunked\r\n")
    elif length is not None:
        lines.append(f"content-length: {length}\r\n")
    lines.append(f"date: {date_now()}\r\nconnection: close\r\n\r\n" if closing else f"date: {date_now()}\r\n\r\n")
    return "".join(lines).encode("latin-1", "replace")


def _head_too_large(limit: int) -> OMSRuntimeException:
    return error(1412, f"the request line and headers have more than {limit:,} bytes, or {MAX_FIELDS} fields")
