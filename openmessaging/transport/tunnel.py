"""A transport whose bytes something else than a socket carries: messages of a WebSocket, bodies of HTTP requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from openmessaging.model.errors import OMSRuntimeException

logger = logging.getLogger("openmessaging.transport")
PIECE_BYTES = 256 << 10
"""What is carried at a time, at most."""
LINGER = 5.0
"""Seconds that what was written before `close` may take to go out."""


class Tunnel(asyncio.Transport):
    """A transport for a protocol. `run` carries its bytes until one of the ends hangs up.

    Args:
        protocol: the protocol; its calls come from the running loop.
        extra: what `get_extra_info` knows.
    """

    def __init__(self, protocol: asyncio.Protocol, extra: dict[str, Any] | None = None) -> None:
        super().__init__(extra)
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._out = bytearray()
        self._high, self._low = 64 << 10, 16 << 10
        self._full = False
        self._written = asyncio.Event()
        """Set while there is something to be carried, or the end is near."""
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = self._aborted = False
        self._ways: list[asyncio.Task[None]] = []

    async def run(self, receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[object]]) -> None:
        """Carry bytes both ways until an end hangs up; the protocol is told why.

        Args:
            receive: waits for bytes from the other end; nothing when it has hung up. Raises OSError.
            send: carries bytes there; returns when there is room for more. Raises OSError.
        """
        self._protocol.connection_made(self)
        self._ways = [self._loop.create_task(self._inward(receive)), self._loop.create_task(self._outward(send))]
        if self._aborted:
            self.abort()
        try:
            await asyncio.wait(self._ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing = True
            for way in self._ways:
                way.cancel()
            ended = await asyncio.gather(*self._ways, return_exceptions=True)
            failures = [each for each in ended if isinstance(each, Exception)]
            for each in failures:
                if not isinstance(each, OSError | OMSRuntimeException):
                    logger.error("a connection failed", exc_info=each)
            self._protocol.connection_lost(failures[0] if failures else None)

    async def _inward(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        while True:
            data = await receive()
            if not data:
                return
            await self._reading.wait()
            if not self._closing:
                self._protocol.data_received(data)

    async def _outward(self, send: Callable[[bytes], Awaitable[object]]) -> None:
        while self._out or not self._closing:
            if not self._out:
                self._written.clear()
                await self._written.wait()
                continue
            piece = bytes(self._out[:PIECE_BYTES])
            del self._out[:PIECE_BYTES]
            await send(piece)
            if self._full and len(self._out) <= self._low:
                self._full = False
                self._protocol.resume_writing()

    # ---- asyncio.Transport -----------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have bytes carried."""
        if self._aborted:
            return
        self._out += data
        self._written.set()
        if not self._full and len(self._out) > self._high:
            self._full = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From where on the protocol is asked to write no more, and where it may again; bytes."""
        self._high = 64 << 10 if high is None else high
        self._low = self._high // 4 if low is None else low

    def is_closing(self) -> bool:
        """Whether this end hangs up."""
        return self._closing

    def pause_reading(self) -> None:
        """Take nothing more from the other end."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Take it again."""
        self._reading.set()

    def close(self) -> None:
        """Hang up once what was written has been carried, or has taken too long."""
        if not self._closing:
            self._closing = True
            self._written.set()
            self._loop.call_later(LINGER, self.abort)

    def abort(self) -> None:
        """Hang up at once."""
        self._closing = self._aborted = True
        self._out.clear()
        self._written.set()
        for way in self._ways:
            way.cancel()
