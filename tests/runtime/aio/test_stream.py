"""The streaming consumer on the embedded store, both faces: `previous` is the mirror of `next`."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.runtime.aio.access_point import AccessPoint
from openmessaging.runtime.aio.stream import StreamingIterator
from tests.runtime.running import run


async def fill(access_point: AccessPoint, sizes: list[int]) -> int:
    """Batches of these sizes; how many messages that is."""
    number = 0
    async with access_point.create_producer() as producer:
        for size in sizes:
            await producer.send([producer.create_message("s", b"%d" % (number + n)) for n in range(size)])
            number += size
    return number


async def test_a_walk_forward_and_back(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, [2, 1, 3])
        async with access_point.create_streaming_consumer() as consumer:
            streams = await consumer.list_streams("s")
            assert streams == ["default://s#0"] == await access_point.resource_manager().list_streams("s")
            iterator = await consumer.seek_to_beginning(streams[0])
            assert not await iterator.has_previous()
            forward = [await iterator.next() for _ in range(6)]
            assert [message.offset for message in forward] == list(range(6))
            assert not await iterator.has_next()
            for call in (iterator.next, iterator.next_position):
                with pytest.raises(OMSRuntimeException, match="ends here") as caught:
                    await call()
                assert caught.value.code == 1414
            back = [await iterator.previous() for _ in range(6)]
            assert [message.message_id for message in back] == [message.message_id for message in forward[::-1]]
            for call in (iterator.previous, iterator.previous_position):
                with pytest.raises(OMSRuntimeException, match="begins here"):
                    await call()
            assert await iterator.next_position() == "offset:0"


async def test_seeking_by_offset_and_time_is_clamped(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, [3])
        async with access_point.create_streaming_consumer() as consumer:
            at = await consumer.seek("default://s#0", "offset:1")
            assert ((await at.next()).offset, await at.previous_position()) == (1, "offset:1")
            assert (await (await consumer.seek("s#0", "offset:-5")).next()).offset == 0
            assert not await (await consumer.seek("s#0", "offset:99")).has_next()
            assert (await (await consumer.seek("s#0", "ts:0")).next()).offset == 0
            assert (await (await consumer.seek("s#0", "ts:99999999999999")).previous()).offset == 2
            for stream, position in [("s#0", "cursor:4"), ("s#0", "offset:x"), ("s", "offset:0"), ("s#7", "offset:0")]:
                with pytest.raises(OMSRuntimeException) as caught:
                    await consumer.seek(stream, position)
                assert caught.value.code == 1418
            with pytest.raises(OMSDestinationException):
                await consumer.seek_to_end("never#0")
        with pytest.raises(OMSRuntimeException, match="1503"):
            await consumer.seek_to_end("s#0")
        with pytest.raises(OMSRuntimeException, match="1503"):
            await consumer.list_streams("s")


async def test_more_arrives_at_the_end(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, [1])
        async with access_point.create_streaming_consumer() as consumer:
            iterator = await consumer.seek_to_end("s#0")
            assert not await iterator.has_next()
            await fill(access_point, [1])
            assert await iterator.has_next()
            assert (await iterator.next()).offset == 1


async def walk(iterator: StreamingIterator, steps: list[bool], count: int, at: int) -> None:
    for forward in steps:
        if forward and at < count:
            assert await iterator.next_position() == f"offset:{at}"
            assert (await iterator.next()).data == b"%d" % at
            at += 1
        elif not forward and at > 0:
            at -= 1
            assert await iterator.previous_position() == f"offset:{at}"
            assert (await iterator.previous()).data == b"%d" % at
        assert await iterator.has_next() == (at < count)
        assert await iterator.has_previous() == (at > 0)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.lists(st.booleans(), max_size=40), st.integers(0, 30))
def test_every_walk_is_like_one_over_a_list(sizes: list[int], steps: list[bool], start: int) -> None:
    async def body() -> None:
        async with connect(f"oms:memory:{uuid.uuid4().hex}") as access_point:
            count = await fill(access_point, sizes)
            async with access_point.create_streaming_consumer() as consumer:
                iterator = await consumer.seek("s#0", f"offset:{start}")
                await walk(iterator, steps, count, min(start, count))

    run(body)
