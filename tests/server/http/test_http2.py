"""HTTP/2, by prior knowledge."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterator

import h2.connection
import h2.events
import httpx
import pytest

from tests.servers import Serving


def test_many_requests_share_a_connection(node: Serving, queue: str) -> None:
    async def work() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=node.http, http1=False, http2=True, timeout=20) as client:
            path = f"/v1/queues/{queue}/messages"
            return await asyncio.gather(*(client.post(path, content=b"%d" % number) for number in range(40)))

    answers = asyncio.run(work())
    assert {(each.http_version, each.status_code) for each in answers} == {("HTTP/2", 200)}
    assert sorted(each.json()["offset"] for each in answers) == list(range(40))


def test_large_bodies_and_errors(node: Serving, queue: str) -> None:
    with httpx.Client(base_url=node.http, http1=False, http2=True, timeout=20) as client:
        assert client.post(f"/v1/queues/{queue}/messages", content=bytes(3 << 20)).status_code == 200
        refused = client.post(f"/v1/queues/{queue}/messages", content=bytes((4 << 20) + 1))
        assert (refused.status_code, refused.json()["code"]) == (413, 1413)
        assert client.get("/v1/nothing").status_code == 404
        assert client.head("/v1/queues").status_code == 200


class Raw:
    """HTTP/2 frame by frame."""

    def __init__(self, node: Serving) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 15)
        self.http = h2.connection.H2Connection()
        self.http.initiate_connection()
        self.last = -1
        self.events: deque[h2.events.Event] = deque()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def ask(self, method: str, path: str, *more: tuple[str, str], end: bool = True) -> int:
        self.last += 2
        pseudo = [(":method", method), (":path", path), (":authority", "localhost"), (":scheme", "http")]
        self.http.send_headers(self.last, [*pseudo, *more], end_stream=end)
        self.flush()
        return self.last

    def until(self, kind: type, stream: int | None = None) -> h2.events.Event:
        while True:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    return event
            data = self.socket.recv(65536)
            assert data, f"hung up before {kind.__name__}"
            self.events.extend(self.http.receive_data(data))
            self.flush()


@pytest.fixture
def raw(node: Serving) -> Iterator[Raw]:
    made = Raw(node)
    yield made
    made.socket.close()


def test_a_stream_given_up_takes_nothing(raw: Raw, client: httpx.Client, queue: str) -> None:
    client.post("/v1/queues", json={"name": queue})
    stream = raw.ask("POST", f"/v1/queues/{queue}/groups/g/receive", ("content-type", "application/json"), end=False)
    raw.http.send_data(stream, b'{"wait": 50}', end_stream=True)
    raw.flush()
    client.get(f"/v1/queues/{queue}")
    raw.http.reset_stream(stream)
    assert raw.until(h2.events.ResponseReceived, raw.ask("GET", "/v1/namespaces"))
    client.post(f"/v1/queues/{queue}/messages", content=b"x")
    got = client.post(f"/v1/queues/{queue}/groups/g/receive", json={"wait": 5}).json()["messages"]
    assert [each["deliveryCount"] for each in got] == [1]


def test_answers_wait_for_the_window(raw: Raw, client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", content=b"x" * 300_000)
    stream = raw.ask("GET", f"/v1/queues/{queue}/messages")
    size = 0
    while size < 300_000:
        event = raw.until(h2.events.DataReceived, stream)
        assert isinstance(event, h2.events.DataReceived)
        size += len(event.data)
        raw.http.acknowledge_received_data(event.flow_controlled_length, stream)
        raw.flush()
    assert raw.until(h2.events.StreamEnded, stream)


def test_an_answer_before_the_body_ends_the_stream(raw: Raw) -> None:
    stream = raw.ask("POST", "/v1/nothing", ("content-length", "1000"), end=False)
    assert raw.until(h2.events.StreamReset, stream)
    assert raw.until(h2.events.ResponseReceived, raw.ask("GET", "/v1/namespaces"))


def test_too_many_headers_and_too_many_resets(raw: Raw) -> None:
    stream = raw.ask("GET", "/v1/namespaces", *((f"x-{number}", "y") for number in range(600)))
    assert raw.until(h2.events.StreamReset, stream)
    with pytest.raises((AssertionError, ConnectionError)):
        for _ in range(3000):
            number = raw.ask("POST", "/v1/queues", end=False)
            raw.http.reset_stream(number)
        raw.flush()
        raw.until(h2.events.ConnectionTerminated)
        raw.until(h2.events.ResponseReceived)


def test_the_end_of_a_connection(raw: Raw) -> None:
    raw.until(h2.events.RemoteSettingsChanged)
    raw.http.close_connection()
    raw.flush()
    while raw.socket.recv(65536):
        pass  # until it hangs up; a timeout would raise
