"""A connection that speaks HTTP/2: streams of requests between a transport and the application."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from openmessaging.model.errors import error
from openmessaging.server.http.http1 import MAX_FIELDS, date_now
from openmessaging.server.http.problem import logger
from openmessaging.server.http.request import Body, Request, Response
from openmessaging.server.http.writing import Writing

if TYPE_CHECKING:
    from openmessaging.server.http.listener import HttpListener

_WINDOW_BYTES = 1 << 20
"""Of a body that nobody reads yet, so much is taken; also for all of a connection together."""
_RESETS = 1000
"""Streams that a client may give up per connection, beyond those that were answered."""


class _Stream:
    __slots__ = ("request", "task", "unread")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.task: asyncio.Task[None] | None = None
        self.unread = 0
        """Bytes that came and were not given back to the window."""


class Http2(Writing):
    """One client, many requests at once."""

    def __init__(self, listener: HttpListener, transport: asyncio.Transport) -> None:
        self._listener = listener
        self._limits = listener.app.limits
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._client, self._scheme, self._peer = listener.about(transport)
        self._http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1", logger=None)
        )
        self._http.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._limits.max_streams,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: self._limits.max_head_bytes,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES,
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self._http.initiate_connection()
        self._http.increment_flow_control_window(_WINDOW_BYTES * 4)
        self._streams: dict[int, _Stream] = {}
        self._window = asyncio.Event()
        self._resets = 0
        self._starved = 0
        """Answers that wait until the client opens its window."""
        self._draining = False
        self.deadline = self._loop.time() + self._limits.head

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Do what the client asks for."""
        try:
            events = self._http.receive_data(data)
        except h2.exceptions.ProtocolError as cause:
            logger.debug("%s breaks HTTP/2: %r", self._client, cause)
            self._flush()
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()
        self._rest()

    def eof_received(self) -> bool:
        """The client is gone."""
        return False

    def _reads_again(self) -> None:
        self._rest()

    def connection_lost(self, failure: Exception | None) -> None:  # noqa: ARG002 - the interface's
        """The client is gone."""
        self._listener.discard(self)
        if self._writable is not None:
            self._writable.cancel()
        for number in list(self._streams):
            self._drop(number)

    # ---- events ----------------------------------------------------------------------------------------------------

    def _take(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            self._data(event)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.request.body.end()
        elif isinstance(event, h2.events.StreamReset):
            self._drop(event.stream_id)
            self._resets += 1
            if self._resets > _RESETS:
                self._end(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            self._window.set()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._transport.close()

    def _begin(self, event: Any) -> None:
        number = event.stream_id
        method = target = ""
        headers: dict[str, str] = {}
        for name, value in event.headers:
            if name == ":method":
                method = value
            elif name == ":path":
                target = value
            elif name == ":authority":
                headers.setdefault("host", value)
            elif not name.startswith(":"):
                before = headers.get(name)
                between = "; " if name == "cookie" else ", "
                headers[name] = value if before is None else f"{before}{between}{value}"
        body = Body(self._limits.max_body_bytes, lambda: self._read(number))
        if len(event.headers) > MAX_FIELDS:
            self._reset(number)
            return
        request = Request(method, target or "/", headers, body, self._client, self._scheme, self._peer)
        stream = self._streams[number] = _Stream(request)
        stream.task = self._loop.create_task(self._work(number, stream))

    def _data(self, event: Any) -> None:
        stream = self._streams.get(event.stream_id)
        size = event.flow_controlled_length
        if stream is None:
            self._give_back(event.stream_id, size)
            return
        body = stream.request.body
        self._listener.body_bytes += len(event.data)
        body.feed(event.data)
        if self._listener.body_bytes > self._limits.max_bodies_bytes:
            body.fail(error(1502, "too many bodies at once", next_step="Try again later"))
        stream.unread += size
        if body.started:
            self._read(event.stream_id)

    def _read(self, number: int) -> None:
        """The handler reads the body: more of it may come."""
        stream = self._streams.get(number)
        if stream is not None and stream.unread:
            size, stream.unread = stream.unread, 0
            self._give_back(number, size)
            self._flush()

    def _give_back(self, number: int, size: int) -> None:
        # The stream or the connection may be closed.
        with contextlib.suppress(h2.exceptions.ProtocolError, KeyError, ValueError):
            if size:
                self._http.acknowledge_received_data(size, number)

    def _drop(self, number: int) -> None:
        """Nobody wants the answer of a stream any more."""
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._listener.body_bytes -= stream.request.body.size
            if stream.unread:
                self._give_back(number, stream.unread)
            if stream.task is not None:
                stream.task.cancel()
            self._window.set()

    # ---- answering -------------------------------------------------------------------------------------------------

    async def _work(self, number: int, stream: _Stream) -> None:
        request = stream.request
        response = await self._listener.app.respond(request)
        if self._transport.is_closing() or number not in self._streams:
            if response.undelivered is not None:
                response.undelivered()
            return
        try:
            await self._answer(number, request, response)
        except h2.exceptions.ProtocolError:  # the client closed the stream, or breaks the protocol
            self._reset(number)
        except Exception as failure:
            logger.error("an answer could not be finished", exc_info=failure)
            self._reset(number)
        finally:
            self._resets = max(0, self._resets - 1)
            stream.task = None
            self._drop(number)
            self._flush()
            self._rest()

    async def _answer(self, number: int, request: Request, response: Response) -> None:
        body = response.body
        headers = [(":status", str(response.status)), *response.headers, ("date", date_now())]
        if isinstance(body, bytes) and response.status != 204:
            headers.append(("content-length", str(len(body))))
        empty = request.method == "HEAD" or response.status in (204, 304) or body == b""
        self._http.send_headers(number, headers, end_stream=empty)
        if not empty:
            if isinstance(body, bytes):
                await self._send(number, body)
            else:
                self._flush()
                async with contextlib.aclosing(body):
                    async for piece in body:
                        await self._send(number, piece)
            self._http.end_stream(number)
        elif not isinstance(body, bytes):
            await body.aclose()
        if not request.body.complete:
            self._flush()
            self._http.reset_stream(number, h2.errors.ErrorCodes.NO_ERROR)

    async def _send(self, number: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if room <= 0:
                self._flush()
                self._window.clear()
                self.deadline = self._loop.time() + self._limits.stalled
                self._starved += 1
                try:
                    await self._window.wait()
                finally:
                    self._starved -= 1
                continue
            self._http.send_data(number, data[at : at + room])
            at += room
            if self._writable is not None:
                await self._writable
        self._flush()
        if self._writable is not None:
            await self._writable

    def _reset(self, number: int) -> None:
        try:
            self._http.reset_stream(number)
        except h2.exceptions.ProtocolError:
            return

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _rest(self) -> None:
        """Set the time after which somebody is late: a client without requests, or one that owes a body."""
        now = self._loop.time()
        if not self._streams:
            if self._draining:
                self._transport.close()
            self.deadline = now + self._limits.idle
        elif self._writable is None and not self._starved:
            owed = any(not stream.request.body.complete for stream in self._streams.values())
            self.deadline = now + self._limits.stalled if owed else math.inf

    def _end(self, code: h2.errors.ErrorCodes) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._http.close_connection(code)
        self._flush()
        self._transport.close()

    # ---- the listener's calls --------------------------------------------------------------------------------------

    def overdue(self) -> None:
        """Something did not come in time."""
        owing = [stream for stream in self._streams.values() if not stream.request.body.complete]
        if self._writable is not None or (self._streams and not owing):
            self._transport.abort()
        elif owing:
            self.deadline = self._loop.time() + self._limits.stalled
            for stream in owing:
                stream.request.body.fail(error(1410, f"nothing more of the body for {self._limits.stalled} s"))
        else:
            self._end(h2.errors.ErrorCodes.NO_ERROR)

    def drain(self) -> None:
        """Take no more requests; hang up once what was asked is answered."""
        self._draining = True
        self._rest()

    def abort(self) -> None:
        """Hang up now."""
        self._transport.abort()
