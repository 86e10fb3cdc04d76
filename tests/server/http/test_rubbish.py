"""Rubbish on the HTTP port: never a 500, never a hang, and the next client is served."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmessaging.server.http.routes import all_routes
from openmessaging.server.http.table import Route
from tests.servers import Serving

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
ROUTES = [each for each in all_routes() if isinstance(each, Route) and each.path.startswith("/v1/")]

SEEDS = [
    b"POST /v1/queues/q/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello",
    b"GET /v1/queues/q?namespace=default HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n\r\n",
    b"POST /v1/queues HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n"
    b'e\r\n{"name": "ab"}\r\n0\r\n\r\n',
    b"POST /v1/queues/q/messages HTTP/1.1\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
    b"GET /v1/native HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x85\x01\x02\x03\x04\x05\x06\x07\x08\x09",
    PREFACE + bytes.fromhex("00000004000000000000000c010500000001828684410f7777772e6578616d706c65"),
    PREFACE + bytes.fromhex("00000004000000000000000408000000000000000001000008060000000000") + bytes(8),
]


@st.composite
def torn(draw: Callable[..., object]) -> bytes:
    """A request with some of its bytes changed, cut or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))  # type: ignore[arg-type]
    for _ in range(draw(st.integers(0, 6))):  # type: ignore[arg-type]
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 3))
        piece: bytes = draw(st.binary(max_size=8))  # type: ignore[assignment]
        if kind == 0:
            data[at : at + len(piece)] = piece
        elif kind == 1:
            del data[at : at + len(piece)]
        elif kind == 2:
            data[at:at] = piece
        else:
            data[at:at] = data[: len(piece) * 4]
    return bytes(data)


def answer_to(node: Serving, data: bytes) -> bytes:
    """All that comes until the server hangs up: soon, for nothing more is sent."""
    with socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10) as connection:
        received = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                received += more
        except ConnectionError:
            pass
        return received


@settings(max_examples=150, suppress_health_check=QUIET)
@given(data=st.one_of(torn(), st.binary(max_size=200), st.binary(max_size=100).map(lambda more: PREFACE + more)))
def test_torn_bytes(node: Serving, data: bytes) -> None:
    assert b"HTTP/1.1 500" not in answer_to(node, data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        *("text", "json", "data", "messages", "messageKey", "properties", "receipts", "queue", "send", "ack", "to"),
        *("name", "maxMessages", "delay", "seconds", "every", "message", "source", "targets", "operators", "config"),
    ]
)
documents = st.dictionaries(names, values, max_size=6) | values


@settings(max_examples=150, suppress_health_check=QUIET)
@given(
    route=st.sampled_from(ROUTES),
    document=documents,
    segment=st.text(min_size=1, max_size=20),
    query=st.dictionaries(st.sampled_from(["namespace", "limit", "where", "after", "x"]), st.text(max_size=10)),
    kind=st.sampled_from(["application/json", "application/msgpack", "text/plain", ""]),
)
def test_wrong_documents(
    node: Serving, route: Route, document: object, segment: str, query: dict[str, str], kind: str
) -> None:
    path = route.path
    for part in {part for part in path.split("/") if part.startswith("{")}:
        path = path.replace(part, httpx.QueryParams({"": segment}).__str__()[1:].replace("+", "%20"))
    body = json.dumps(document).encode("utf-8", "replace")
    asked = {"params": query, "content": body, "headers": {"content-type": kind}}
    with (
        httpx.Client(base_url=node.http, timeout=20) as client,
        client.stream(route.method, path, **asked) as answer,  # type: ignore[arg-type]
    ):
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return  # it has no end
        answer.read()
    assert answer.status_code != 500, answer.text
    if answer.status_code >= 400 and route.method != "HEAD":
        assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_the_next_client_is_served(node: Serving, version: str) -> None:
    with httpx.Client(base_url=node.http, timeout=20, http1=version == "1.1", http2=version == "2") as client:
        assert client.get("/v1/namespaces").status_code == 200
