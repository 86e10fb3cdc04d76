"""Reading streams by position."""

import asyncio
import time

import pytest
import redis.asyncio as redis

import openmessaging as oms
from openmessaging.drivers.redis.reading import start_of
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Server
from tests.drivers.redis.test_access import run
from tests.drivers.redis.test_source import send


def test_a_stream_is_walked_both_ways(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        for at in range(5):
            await client.xadd(queue, {"body": f"{at}"}, id=f"{1_000 + at // 2}-{at}")
        async with access_point.create_streaming_consumer() as streams:
            (stream,) = await streams.list_streams(queue)
            walk = await streams.seek_to_beginning(stream)
            forward = [await walk.next() for _ in range(5)]
            assert [message.data for message in forward] == [b"0", b"1", b"2", b"3", b"4"]
            assert not await walk.has_next()
            assert [(await walk.previous()).data for _ in range(5)] == [b"4", b"3", b"2", b"1", b"0"]
            assert not await walk.has_previous()
            assert [message.offset for message in forward] == [(1_000 + at // 2 << 20) + at for at in range(5)]
            for position, body in (("ts:1001", b"2"), ("ts:0", b"0"), (f"offset:{forward[3].offset}", b"3")):
                assert (await (await streams.seek(stream, position)).next()).data == body
            end = await streams.seek_to_end(stream)
            assert (await end.previous()).data == b"4"
            assert not await (await streams.seek(stream, "ts:2000")).has_next()
        await client.aclose()

    run(server, work)


def test_a_read_waits_for_what_comes(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        await access_point.resource_manager().create_queue(queue)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            began = time.monotonic()
            assert await consumer.receive_from(queue, 0, 0, timeout=0.2) == []
            assert time.monotonic() - began > 0.19
            reading = asyncio.ensure_future(consumer.receive_from(queue, 0, 0, timeout=5))
            await send(access_point, queue, 3)
            assert [message.data for message in await reading] == [b"0", b"1", b"2"]
            with pytest.raises(OMSRuntimeException, match="1418"):
                await consumer.receive_from(queue, 1, 0)

    run(server, work)


def test_positions() -> None:
    assert start_of("earliest") == "0-0"
    assert start_of("latest") == "$"
    assert start_of("ts:5") == "4-18446744073709551615"
    assert start_of(f"offset:{(7 << 20) + 3}") == "7-2"
    for wrong in ("now", "ts:", "offset:x", "offset:-1"):
        with pytest.raises(OMSRuntimeException, match="1418"):
            start_of(wrong)
