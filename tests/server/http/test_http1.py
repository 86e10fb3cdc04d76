"""HTTP/1.1 as bytes: pipelining, limits, rubbish, the orderly end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.servers import Serving

SEND = b"POST /v1/queues/%s/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx"


@pytest.fixture
def connection(node: Serving) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10) as made:
        yield made


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def test_pipelined_requests_are_answered_in_order(connection: socket.socket, queue: str) -> None:
    connection.sendall(SEND % queue.encode() * 50 + b"GET /v1/nothing HTTP/1.1\r\nconnection: close\r\n\r\n")
    received = until_closed(connection)
    assert received.count(b"HTTP/1.1 200 OK") == 50
    assert [int(part.split(b",")[0]) for part in received.split(b'"offset":')[1:]] == list(range(50))
    assert b"HTTP/1.1 404 " in received


def test_the_body_is_asked_for(connection: socket.socket, queue: str) -> None:
    head, _, body = (SEND % queue.encode()).partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n")
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert until_closed(connection).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01\x02 rubbish\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /v1/queues HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /v1/queues?" + b"y" * 70_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET /v1/queues HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", b"431"),
        (b"POST /v1/queues HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /v1/queues HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"POST /v1/queues HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_what_is_wrong_is_answered_and_ends(connection: socket.socket, sent: bytes, status: bytes) -> None:
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)
    assert until_closed(connection).startswith(b"HTTP/1.1 " + status)


def test_half_a_body_stores_nothing(node: Serving, connection: socket.socket, queue: str) -> None:
    connection.sendall(SEND.replace(b"length: 1", b"length: 9") % queue.encode())
    connection.shutdown(socket.SHUT_WR)
    assert b" 400 " in until_closed(connection).partition(b"\r\n")[0]

    async def queues() -> list[str]:
        return await node.node.driver.list_queues("default")

    assert f"default://{queue}" not in asyncio.run_coroutine_threadsafe(queues(), node.loop).result(10)
