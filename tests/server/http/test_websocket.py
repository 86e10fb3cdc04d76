"""WebSocket: handshake, messages, limits, the end."""

from __future__ import annotations

import socket

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    RejectConnection,
    Request,
    TextMessage,
)

from openmessaging.server.http import request as http_request
from openmessaging.server.http.table import SocketRoute
from openmessaging.server.http.websocket import WebSocket
from tests.servers import Serving


async def echo(_: http_request.Request, conversation: WebSocket) -> None:
    while (message := await conversation.receive()) is not None:
        await conversation.send(message)
        if message == "bye":
            return


class Client:
    """A WebSocket over a blocking socket."""

    def __init__(self, node: Serving, path: str, subprotocols: list[str] | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10)
        self._frames = WSConnection(ConnectionType.CLIENT)
        self.send(Request("localhost", path, subprotocols=subprotocols or []))

    def send(self, event: Event) -> None:
        self._socket.sendall(self._frames.send(event))

    def next(self) -> Event:
        while True:
            for event in self._frames.events():
                return event
            self._frames.receive_data(self._socket.recv(65536) or None)

    def close(self) -> None:
        self._socket.close()


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
