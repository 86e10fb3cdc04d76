"""A connection, from a raw socket: what a client may send, must not, and what becomes of the others."""

import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from openmessaging import blocking
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.server import Limits
from openmessaging.wire import (
    Fetch,
    Frame,
    FrameReader,
    Hello,
    Kind,
    Refusal,
    Send,
    SendItem,
    Settle,
    Settled,
    Welcome,
    encode_frame,
)
from openmessaging.wire.bodies import Body, Step, decode_body
from tests.servers import Serving, serving

QUEUE = "default://orders"


class Raw:
    """A client by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.reader = FrameReader(1 << 30)
        self.frames: list[Frame] = []

    def tell(self, kind: int, request: int, body: Body | bytes) -> None:
        self.socket.sendall(encode_frame(kind, request, body if isinstance(body, bytes) else body.encoded()))

    def call(self, request: int, operation: str, *arguments: object) -> None:
        self.tell(Kind.CALL, request, msgspec.msgpack.encode([operation, arguments]))

    def next(self) -> Frame | None:
        """The next frame but for PING; None when the server has hung up."""
        while True:
            while not self.frames:
                try:
                    data = self.socket.recv(1 << 16)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return None
                self.frames = self.reader.feed(data)
            frame = self.frames.pop(0)
            if frame.kind != Kind.PING:
                return frame

    def hello(self) -> Welcome:
        self.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", "by hand"))
        frame = self.next()
        assert frame is not None
        assert frame.kind == Kind.WELCOME
        return decode_body(frame.kind, frame.body)

    def refused(self) -> Refusal:
        frame = self.next()
        assert frame is not None
        assert frame.kind == Kind.ERROR, Kind(frame.kind)
        return decode_body(frame.kind, frame.body)


@pytest.fixture
def server(tmp_path) -> Iterator[Serving]:
    with serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}) as running:
        yield running


@pytest.fixture
def raw(server: Serving) -> Iterator[Raw]:
    raw = Raw(server.port)
    yield raw
    raw.socket.close()


def test_what_the_server_says_of_itself(raw: Raw) -> None:
    welcome = raw.hello()
    assert (welcome.version, welcome.max_body_bytes) == (1, 4 << 20)
    assert "key-order" in welcome.capabilities
    assert abs(welcome.now_ms - time.time() * 1000) < 5000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "bytes, the limits are"),
        (encode_frame(Kind.PING, 1), "the first frame is not HELLO"),
        (encode_frame(Kind.HELLO, 1, b"\xc1"), "the body of a HELLO frame"),
        (encode_frame(Kind.HELLO, 1, Hello("MQTT", [1], "", "").encoded()), "this is the native protocol"),
        (encode_frame(Kind.HELLO, 1, Hello("OMS", [9], "", "").encoded()), "protocol versions"),
        ((64 << 20).to_bytes(4, "big"), "67,108,864 bytes"),
    ],
)
def test_who_does_not_speak_the_protocol_is_told_and_hung_up_on(raw: Raw, data: bytes, reason: str) -> None:
    raw.socket.sendall(data)
    assert reason in raw.refused().reason
    assert raw.next() is None


def test_a_forged_length_after_hello_ends_the_connection_and_no_other(server: Serving, raw: Raw) -> None:
    raw.hello()
    raw.socket.sendall((1 << 31).to_bytes(4, "big"))
    assert "2,147,483,648 bytes" in raw.refused().reason
    assert raw.next() is None
    with blocking.connect(server.url) as access_point, access_point.create_producer() as producer:
        assert producer.send(producer.create_message("orders", b"x")).offset == 0


def test_bytes_that_are_no_batch_are_refused_and_nothing_is_stored(server: Serving, raw: Raw) -> None:
    raw.hello()
    with blocking.connect(server.url) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"x" * 100))
        good = access_point.get_driver().read(QUEUE, 0, 0, 1)[0].data
        for number, bad in enumerate((b"", b"\0" * 20, good[:-1], good + b"x", good[:-1] + b"?")):
            raw.tell(Kind.SEND, number + 2, Send([SendItem(QUEUE, 0, bad)]))
            refusal = raw.refused()
            assert (refusal.code, refusal.field) == (1418, "batch")
        assert access_point.resource_manager().describe_queue("orders").messages == 1


def test_requests_that_are_wrong_are_answered_and_the_connection_goes_on(raw: Raw) -> None:
    raw.hello()
    raw.call(2, "describe_queue", "default://missing")
    assert raw.refused().code == 1404
    raw.call(3, "describe_queue")
    assert raw.refused().code == 1418
    raw.call(4, "rm -rf")
    assert raw.refused().code == 1418
    raw.call(5, "subscribe", 7)
    assert raw.refused().code == 1418
    raw.tell(Kind.FETCH, 6, Fetch(99, 1, 1, 0))
    assert raw.refused().field == "subscription"
    raw.tell(Kind.SETTLE, 7, Settle(99, [Step(0, 1, None)]))
    assert raw.refused().field == "subscription"
    raw.tell(Kind.PING, 8, b"")
    pong = raw.next()
    assert pong is not None
    assert (pong.kind, pong.request) == (Kind.PONG, 8)


def test_steps_of_a_settle_fail_one_by_one(raw: Raw) -> None:
    raw.hello()
    raw.call(2, "subscribe", {"destination": QUEUE, "group": "g", "config": {}})
    frame = raw.next()
    assert frame is not None
    assert frame.kind == Kind.RESULT
    raw.tell(Kind.SETTLE, 3, Settle(1, [Step(0, 5, None), Step(9, 5, None), Step(4, 5, None)]))
    frame = raw.next()
    assert frame is not None
    settled: Settled = decode_body(Kind.SETTLED, frame.body)
    assert [(place, refusal.code) for place, refusal in settled.failures] == [(0, 1418), (1, 1418), (2, 1418)]


def test_a_frame_in_pieces_delays_nobody(server: Serving, raw: Raw) -> None:
    raw.hello()
    raw.socket.sendall(encode_frame(Kind.CALL, 2, bytes(1000))[:500])  # and nothing more
    with blocking.connect(server.url) as access_point, access_point.create_producer() as producer:
        for _ in range(20):
            producer.send(producer.create_message("orders", b"x"))


def test_silence_before_hello_ends(tmp_path) -> None:
    with serving(f"oms:embedded://{tmp_path}/store", limits=Limits(handshake=0.05)) as server:
        raw = Raw(server.port)
        assert "no HELLO" in raw.refused().reason
        assert raw.next() is None


def test_who_is_not_heard_of_is_hung_up_on_and_who_answers_is_not(tmp_path) -> None:
    with serving(f"oms:embedded://{tmp_path}/store", limits=Limits(heartbeat=0.25)) as server:
        silent, alive = Raw(server.port), Raw(server.port)
        silent.hello()
        alive.hello()
        until = time.monotonic() + 1.2

        def answer() -> None:
            while time.monotonic() < until:
                alive.tell(Kind.PONG, 0, b"")
                time.sleep(0.02)

        answering = threading.Thread(target=answer)
        answering.start()
        assert silent.next() is None
        answering.join()
        alive.call(2, "list_namespaces")
        frame = alive.next()
        assert frame is not None
        assert frame.kind == Kind.RESULT


def test_connections_are_limited(tmp_path) -> None:
    with serving(f"oms:embedded://{tmp_path}/store", limits=Limits(max_connections=1)) as server:
        first, second = Raw(server.port), Raw(server.port)
        first.hello()
        assert second.refused().code == 1503
        assert second.next() is None


def test_a_client_that_does_not_read_is_given_no_leases_and_holds_up_nobody(tmp_path) -> None:
    limits = Limits(unread_bytes=64 << 10, heartbeat=0.2, stuck=0.3)
    with (
        serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}, limits) as server,
        blocking.connect(server.url) as access_point,
        access_point.create_producer() as producer,
    ):
        for _ in range(20):
            producer.send([producer.create_message("orders", bytes(100_000)) for _ in range(10)])
        stuck = Raw(server.port)
        stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.hello()
        stuck.call(2, "subscribe", {"destination": QUEUE, "group": "g", "config": {}})
        for request in range(20):
            stuck.tell(Kind.FETCH, 10 + request, Fetch(1, 10, 1 << 20, 10_000))
        end = time.monotonic() + 10
        while server.server.connections == 2 and time.monotonic() < end:
            producer.send(producer.create_message("other", b"x"))
        assert server.server.connections == 1, "it is hung up on"
        info = access_point.resource_manager().describe_group("orders", "g")
        assert info.in_flight < 200, "leases are for who reads"


@pytest.mark.parametrize(
    ("properties", "headers", "code"), [({"p": "x" * 70_000}, {}, 1411), ({}, {"h": "x" * 70_000}, 1412)]
)
def test_properties_and_headers_have_limits_too(raw: Raw, properties: dict, headers: dict, code: int) -> None:
    raw.hello()
    record = Record(b"x", None, properties or None, headers or None)
    batch = encode([record], shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=0)
    raw.tell(Kind.SEND, 2, Send([SendItem(QUEUE, None, batch.head + batch.payload)]))
    assert raw.refused().code == code
    raw.tell(Kind.PING, 3, b"")
    assert raw.next().kind == Kind.PONG  # the connection goes on
