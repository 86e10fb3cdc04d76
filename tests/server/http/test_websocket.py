"""WebSocket: handshake, messages, limits, the end."""

from __future__ import annotations

import asyncio
import socket

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from openmessaging.server.http import request as http_request
from openmessaging.server.http.table import SocketRoute
from openmessaging.server.http.websocket import WebSocket
from tests.servers import Serving, serving


async def echo(_: http_request.Request, conversation: WebSocket) -> None:
    while (message := await conversation.receive()) is not None:
        await conversation.send(message)
        if message == "bye":
            return


class Client:
    """A WebSocket over a blocking socket."""

    def __init__(
        self, node: Serving, path: str, subprotocols: list[str] | None = None, host: str = "localhost", token: str = ""
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10)
        self._frames = WSConnection(ConnectionType.CLIENT)
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        self.send(Request(host, path, subprotocols=subprotocols or [], extra_headers=headers))

    def send(self, event: Event) -> None:
        self.socket.sendall(self._frames.send(event))

    def next(self) -> Event:
        while True:
            for event in self._frames.events():
                return event
            self._frames.receive_data(self.socket.recv(65536) or None)

    def close(self) -> None:
        self.socket.close()


def with_echo(node: Serving) -> None:
    table = node.node.http.app.table
    if not any(route.path == "/test/echo" for route in table.routes):
        table.add(
            SocketRoute(
                path="/test/echo", handler=echo, summary="", subprotocols=("oms-test",), max_message_bytes=100_000
            )
        )


def test_messages_go_both_ways(node: Serving) -> None:
    with_echo(node)
    client = Client(node, "/test/echo", ["other", "oms-test"])
    accepted = client.next()
    assert isinstance(accepted, AcceptConnection)
    assert accepted.subprotocol == "oms-test"
    client.send(TextMessage("hello"))
    assert client.next() == TextMessage("hello")
    client.send(BytesMessage(b"x" * 60_000))
    received = b""
    while len(received) < 60_000:
        event = client.next()
        assert isinstance(event, BytesMessage)
        received += bytes(event.data)
    assert received == b"x" * 60_000
    client.send(TextMessage("bye"))
    assert client.next() == TextMessage("bye")
    assert isinstance(client.next(), CloseConnection)
    client.close()


def test_a_message_too_large_ends_it(node: Serving) -> None:
    with_echo(node)
    client = Client(node, "/test/echo")
    assert isinstance(client.next(), AcceptConnection)
    client.send(BytesMessage(b"x" * 200_000))
    ended = client.next()
    assert isinstance(ended, CloseConnection)
    assert ended.code == 1009
    client.close()


def test_where_none_is_taken(node: Serving) -> None:
    with_echo(node)
    for path, status in (("/v1/queues", 400), ("/v1/nothing", 404)):
        client = Client(node, path)
        refused = client.next()
        assert isinstance(refused, RejectConnection)
        assert refused.status_code == status
        client.close()


def test_pings_pieces_and_a_goodbye(node: Serving) -> None:
    with_echo(node)
    client = Client(node, "/test/echo")
    assert isinstance(client.next(), AcceptConnection)
    client.send(Ping(b"there?"))
    assert client.next() == Pong(b"there?")
    client.send(TextMessage("in ", message_finished=False))
    client.send(TextMessage("pieces"))
    assert client.next() == TextMessage("in pieces")
    client.send(CloseConnection(1000))
    ended = client.next()
    assert isinstance(ended, CloseConnection)
    assert ended.code == 1000
    client.close()


@pytest.mark.parametrize(
    "frame", [b"\xff\xff\xff\xff", b"\x81\x85abcdhello", b"\x81\x82\0\0\0\0\xc3\x28", b"\x82\x05hello"]
)
def test_frames_that_are_none_end_it(node: Serving, frame: bytes) -> None:
    with_echo(node)
    client = Client(node, "/test/echo")
    assert isinstance(client.next(), AcceptConnection)
    client.socket.sendall(frame)
    client.socket.shutdown(socket.SHUT_WR)
    while client.socket.recv(65536):
        pass
    client.close()


def test_no_handshake_of_another_version(node: Serving) -> None:
    with_echo(node)
    with socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10) as plain:
        plain.sendall(
            b"GET /test/echo HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nhost: localhost\r\n\r\n"
        )
        assert plain.recv(4096).startswith(b"HTTP/1.1 426 ")


def test_other_subprotocols_are_refused(node: Serving) -> None:
    with_echo(node)
    client = Client(node, "/test/echo", ["other"])
    refused = client.next()
    assert isinstance(refused, RejectConnection)
    assert refused.status_code == 400
    client.close()


def test_a_handler_that_fails_ends_it(node: Serving) -> None:
    async def fail(_: http_request.Request, conversation: WebSocket) -> None:
        await conversation.receive()
        raise ValueError("no")

    table = node.node.http.app.table
    table.add(SocketRoute(path="/test/fail", handler=fail, summary=""))
    client = Client(node, "/test/fail")
    assert isinstance(client.next(), AcceptConnection)
    client.send(TextMessage("x"))
    ended = client.next()
    assert isinstance(ended, CloseConnection)
    assert (ended.code, ended.reason) == (1011, "the server failed")
    client.close()


def test_who_is_silent_is_pinged_and_given_up() -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0", "idle": 0.2}) as node:
        with_echo(node)
        client = Client(node, "/test/echo")
        assert isinstance(client.next(), AcceptConnection)
        assert isinstance(client.next(), Ping)
        while client.socket.recv(65536):
            pass
        client.close()


def test_a_stopping_server_says_so() -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}) as node:
        with_echo(node)
        client = Client(node, "/test/echo")
        assert isinstance(client.next(), AcceptConnection)
        asyncio.run_coroutine_threadsafe(node.node.http.close(5), node.loop).result(10)
        ended = client.next()
        assert isinstance(ended, CloseConnection)
        assert ended.code == 1001
        client.close()
