"""Clients that ask for much in one breath and do not read it: what the server holds for them, and what others wait."""

import asyncio
import threading
import time

import msgspec

import openmessaging as oms
from openmessaging import blocking
from openmessaging.server import Limits
from openmessaging.wire import Fetch, Kind, encode_frame
from tests.server.test_connection import QUEUE, Raw
from tests.servers import serving

BODY = bytes(100_000)
FETCH = Fetch(1, 10_000, 8 << 20, 0).encoded()
READ = msgspec.msgpack.encode(["read", [QUEUE, 0, 0, 10, 0.0]])


def asks_for_all(port: int, fetches: int, reads: int) -> Raw:
    """A client that has asked, and reads nothing yet."""
    raw = Raw(port)
    raw.hello()
    raw.call(2, "subscribe", {"destination": QUEUE, "group": "g", "config": {}})
    assert raw.next().kind == Kind.RESULT
    frames = [encode_frame(Kind.FETCH, 10 + at, FETCH) for at in range(fetches)]
    frames += [encode_frame(Kind.CALL, 1000 + at, READ) for at in range(reads)]
    raw.socket.sendall(b"".join(frames))
    return raw


def test_what_is_asked_in_one_breath_is_done_as_it_is_read(tmp_path) -> None:
    with (
        serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}, Limits(unread_bytes=64 << 10)) as server,
        blocking.connect(server.url) as access_point,
        access_point.create_producer() as producer,
    ):
        for _ in range(40):
            producer.send([producer.create_message("orders", BODY) for _ in range(10)])
        raw = asks_for_all(server.port, 200, 40)
        manager = access_point.resource_manager()
        before = -1
        while (now := manager.describe_group("orders", "g").in_flight) != before:
            before = now
            time.sleep(0.1)
        assert now * len(BODY) <= 30_000_000, "one or two fetches, and what the sockets hold"
        answered = [raw.next() for _ in range(240)]
        assert sorted(each.request for each in answered) == [*range(10, 210), *range(1000, 1040)]
        assert manager.describe_group("orders", "g").in_flight == 400
        raw.socket.close()


def test_a_backlog_of_single_messages_is_handed_out_in_slices(tmp_path) -> None:
    """A turn of the server's loop stays short whatever one client asks for; what others sent comes in between."""
    turns: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()  # of the processor: others may be busy
        run(handle)
        if threading.current_thread().name == "serving":
            turns.append(time.thread_time() - start)

    async def fill(url: str) -> None:
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            for _ in range(2000):
                await producer.send(producer.create_message("orders", b"x"))

    with serving(f"oms:embedded://{tmp_path}/store", {"flush": "never"}) as server:
        asyncio.run(fill(server.url))
        asyncio.Handle._run = timed  # type: ignore[method-assign]
        try:
            raw = asks_for_all(server.port, 30, 0)
            sizes = [len(raw.next().body) for _ in range(30)]
        finally:
            asyncio.Handle._run = run  # type: ignore[method-assign]
        assert sum(size > 100 for size in sizes) >= 15, "no slice holds more than some hundred batches"
        assert max(turns) < 0.04
        raw.socket.close()
