"""What a client can reach, driven by bytes without a socket: a connection of the native protocol, and one of HTTP.

The first byte of an input says into how large pieces the rest is cut. Whatever comes, nothing is raised into the loop,
no request fails for a reason that is the server's own, and the connection ends when the client goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from openmessaging.server.connection import Connection
from openmessaging.server.http.http1 import Http1
from openmessaging.server.node import Node
from openmessaging.wire import MAGIC, VERSION, Hello, Kind, encode_frame
from tests.servers import config_of

_INPUTS_OF_A_NODE = 2_000
"""So that what inputs have stored does not grow for ever."""
HELLO = encode_frame(Kind.HELLO, 1, Hello(MAGIC, [VERSION], "fuzz", "fuzz").encoded())


class Wire(asyncio.Transport):
    """A transport that keeps what is written, as if the client read it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_reading(self) -> bool:
        return True

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class Failures(logging.Handler):
    """What was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Edge:
    """A node in memory, and connections to it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self._failures.found.append(str(context)))
        self._failures = Failures()
        logging.getLogger("openmessaging").addHandler(self._failures)
        self._node: Node | None = None
        self._inputs = 0

    def native(self, data: bytes) -> bytes:
        """A client of the native protocol that has said HELLO; what it is answered."""
        return self._drive(lambda node: Connection(node.server.broker), HELLO, data)

    def greeting(self, data: bytes) -> bytes:
        """A client of the native protocol that has said nothing."""
        return self._drive(lambda node: Connection(node.server.broker), b"", data)

    def http(self, data: bytes) -> bytes:
        """A client of HTTP. Raises AssertionError when it is told that the server failed."""
        answer = self._drive(lambda node: Http1(node.http), b"", data)
        assert not answer.startswith(b"HTTP/1.1 500"), answer
        assert b"\r\n\r\nHTTP/1.1 500" not in answer, answer
        return answer

    def _drive(self, connect: Callable[[Node], asyncio.Protocol], first: bytes, data: bytes) -> bytes:
        node = self._fresh()
        wire = Wire()

        async def talk() -> None:
            wire.protocol = connect(node)
            wire.protocol.connection_made(wire)
            size = (data[0] if data else 0) + 1
            pieces = [first, *(data[at : at + size] for at in range(1, len(data), size))]
            for piece in pieces:
                if piece and not wire.closed:
                    wire.protocol.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)
            wire.protocol.connection_lost(None)
            for _ in range(3):
                await asyncio.sleep(0)

        self._loop.run_until_complete(asyncio.wait_for(talk(), 10))
        found, self._failures.found = self._failures.found, []
        assert not found, found
        return bytes(wire.written)

    def _fresh(self) -> Node:
        self._inputs += 1
        if self._node is not None and self._inputs % _INPUTS_OF_A_NODE == 0:
            self.close()
        if self._node is None:
            self._node = Node(config_of(f"oms:memory:fuzz{self._inputs}", http={"listen": "127.0.0.1:0"}))
            self._loop.run_until_complete(self._node.start())
        return self._node

    def close(self) -> None:
        """End the node."""
        if self._node is not None:
            self._loop.run_until_complete(self._node.close())
            self._node = None
