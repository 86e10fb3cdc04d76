"""The listener: limits of time and number, TLS with HTTP/2, the orderly end, rights on every resource."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.table import Route
from tests.server.security.helpers import add_user
from tests.server.security.test_tls import Files
from tests.servers import Serving, serving

POST = b"POST /v1/queues/q/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n"


def connect(node: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 15)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def until(condition: Callable[[], bool]) -> None:
    """Soon it holds: what the server does after its answer has no event of its own."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /v1/qu", b"HTTP/1.1 408 "),
        (POST + b"half", b"HTTP/1.1 408 "),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00"),
        (b"PRI * HT", b""),
    ],
)
def test_who_is_late_is_hung_up_on(sent: bytes, answer: bytes) -> None:
    limits = {"head": 0.2, "idle": 0.2, "stalled": 0.2}
    with serving("oms:memory:", http={"listen": "127.0.0.1:0", **limits}) as node, connect(node) as connection:
        began = time.monotonic()
        if sent:
            connection.sendall(sent)
        received = until_closed(connection)
        assert received.startswith(answer)
        assert time.monotonic() - began < 10


def test_so_many_and_no_more() -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0", "max_connections": 1}) as node, connect(node) as first:
        first.sendall(b"GET /v1/namespaces HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.1 200 ")
        with connect(node) as second:
            assert until_closed(second).startswith(b"HTTP/1.1 503 ")


def test_bodies_of_all_together_are_bounded() -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0", "max_bodies_bytes": 50_000}) as node:
        answer = httpx.post(f"{node.http}/v1/queues/q/messages", content=bytes(60_000))
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, 1502, "1")
        assert httpx.post(f"{node.http}/v1/queues/q/messages", content=bytes(40_000)).status_code == 200
        until(lambda: node.node.http.body_bytes == 0)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_that_does_not_read_is_hung_up_on(version: str) -> None:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0", "stalled": 0.3}) as node:
        with httpx.Client(base_url=node.http, timeout=20) as client:
            for _ in range(8):
                client.post("/v1/queues/q/messages", content=b"x" * (1 << 20))
        with connect(node) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            request = b"GET /v1/queues/q/messages HTTP/1.1\r\nhost: localhost\r\n\r\n"
            if version == "2":
                preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
                path = b"/v1/queues/q/messages"
                block = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x41\x09localhost"
                request = preface + len(block).to_bytes(3) + bytes.fromhex("010500000001") + block
            connection.sendall(request * (8 if version == "1.1" else 1))
            until(lambda: node.node.http.connections == 0)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_an_answer_that_breaks_off_is_seen_to(version: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ValueError("broken")

    async def stream(_: Request) -> Response:
        return Response(200, [("content-type", "text/plain")], pieces())

    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}) as node:
        node.node.http.app.table.add(Route(method="GET", path="/test/stream", handler=stream, summary=""))
        with (
            httpx.Client(base_url=node.http, http1=version == "1.1", http2=version == "2", timeout=20) as client,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            client.get("/test/stream")


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_answers_may_come_in_pieces(version: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    async def stream(_: Request) -> Response:
        return Response(200, [("content-type", "text/plain")], pieces())

    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}) as node:
        node.node.http.app.table.add(Route(method="GET", path="/test/stream", handler=stream, summary=""))
        with httpx.Client(base_url=node.http, http1=version == "1.1", http2=version == "2", timeout=20) as client:
            assert client.get("/test/stream").content == b"x" * 2_000_000
            assert client.head("/test/stream").content == b""
            packed = client.get("/v1/openapi.json", headers={"accept-encoding": "gzip"})
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.json()["openapi"] == "3.1.0"


def test_http2_by_alpn(tmp_path: Path) -> None:
    files = Files(tmp_path)
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, tls=files.section) as node:
        for two, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
            with httpx.Client(base_url=node.http, verify=files.client(), http2=two, timeout=20) as client:
                answer = client.get("/v1/namespaces")
                assert (answer.status_code, answer.http_version) == (200, version)


def test_the_end_answers_who_waits() -> None:
    found: list[httpx.Response] = []
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}) as node:
        url = f"{node.http}/v1/queues/q/groups/g/receive"
        httpx.post(f"{node.http}/v1/queues", json={"name": "q"})
        waiting = threading.Thread(target=lambda: found.append(httpx.post(url, json={"wait": 50}, timeout=60)))
        waiting.start()
        app = node.node.http.app
        until(lambda: bool(app._polls))
        began = time.monotonic()
        asyncio.run_coroutine_threadsafe(node.node.http.close(10), node.loop).result(20)
        waiting.join(10)
        assert time.monotonic() - began < 8
    assert found[0].json() == {"messages": []}


def test_rights_count_on_every_resource(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    boss = add_user(users, "boss", "* *")
    worker = add_user(users, "worker", "receive default://orders")
    with (
        serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as node,
        httpx.Client(base_url=node.http, headers={"authorization": f"Bearer {boss}"}) as all_rights,
        httpx.Client(base_url=node.http, headers={"authorization": f"Bearer {worker}"}) as some,
    ):
        assert all_rights.post("/v1/queues/orders/messages", content=b"x").status_code == 200
        assert all_rights.post("/v1/queues/secrets/messages", content=b"x").status_code == 200
        got = some.post("/v1/queues/orders/groups/g/receive")
        assert got.status_code == 200, got.text
        receipt = got.json()["messages"][0]["receipt"]
        assert some.post("/v1/queues/orders/groups/g/ack", json={"receipts": [receipt]}).json()["settled"] == 1
        for method, path, document in (
            ("POST", "/v1/queues/orders/messages", {"text": "x"}),
            ("POST", "/v1/queues/secrets/groups/g/receive", {}),
            ("GET", "/v1/queues/secrets/messages", None),
            ("DELETE", "/v1/queues/orders", None),
            ("POST", "/v1/queues/orders/purge", None),
            ("PATCH", "/v1/queues/orders", {"retention": "keep"}),
            ("POST", "/v1/commit", {"send": [{"queue": "orders", "messages": [{}]}]}),
            ("PUT", "/v1/schedules/s", {"queue": "orders", "message": {}, "every": 60}),
            ("POST", "/v1/routes", {"name": "r", "source": "secrets", "targets": ["orders"]}),
            ("POST", "/v1/queues/secrets/request", {"text": "x"}),
        ):
            answer = some.request(method, path, json=document)
            assert (answer.status_code, answer.json()["code"]) == (403, 1403), (method, path, answer.text)
        assert httpx.get(f"{node.http}/v1/queues").status_code == 401
        assert httpx.get(f"{node.http}/v1/openapi.json").status_code == 200


def test_what_few_need_at_once_is_imported_when_it_is_needed() -> None:
    """A server is ready sooner without it."""
    program = "import sys, openmessaging.server.http.routes, openmessaging.server.http.listener; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"h2", "wsproto", "httpcore"}.isdisjoint(loaded)
