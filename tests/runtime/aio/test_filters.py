"""Filters of groups and queues on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio.primitives import Event

COLORS = ("red", "blue", "green")
RED = "color = 'red'"


async def fill(access_point, count: int, batch: int = 0, **headers: object) -> None:
    async with access_point.create_producer() as producer:
        made = [
            producer.create_message(
                "orders",
                b"%d" % at,
                properties={"color": COLORS[at % 3], "weight": at},
                message_key=f"k{at % 2}",
                **headers,
            )
            for at in range(count)
        ]
        for at in range(0, count, batch or count):
            await producer.send(made[at : at + (batch or count)])


async def all_of(consumer, timeout: float = 0.0) -> list[int]:
    found = []
    while messages := await consumer.batch_receive(timeout=timeout):
        await consumer.ack(messages)
        found += [int(message.data) for message in messages]
    return found


async def info_of(access_point, group: str = "g"):
    return await access_point.resource_manager().describe_group("orders", group)


async def refused(consumer) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as caught:
        await consumer.start()
    assert (caught.value.code, caught.value.field) == (1418, "filter")
    return caught.value


@pytest.mark.parametrize("order", ["none", "key"])
@pytest.mark.parametrize("batch", [1, 7, 0])
async def test_a_group_gets_what_matches_and_moves_past_the_rest(url: str, order, batch: int) -> None:
    async with connect(url) as access_point:
        await fill(access_point, 30, batch)
        async with access_point.create_pull_consumer("orders", "g", order=order, filter=RED) as consumer:
            assert sorted(await all_of(consumer)) == list(range(0, 30, 3))
            info = await info_of(access_point)
            assert (info.lag, info.floors, info.config.filter) == (0, [30], RED)
            await fill(access_point, 3)
            assert (await consumer.receive(timeout=5)).properties["color"] == "red"


async def test_a_far_match_is_found_at_once(url: str) -> None:
    async with connect(url, {"flush": "never"}) as access_point:
        await fill(access_point, 20_000, 500)
        async with access_point.create_pull_consumer("orders", "g", filter="weight = 19999") as consumer:
            assert await all_of(consumer) == [19_999]
        async with access_point.create_pull_consumer("orders", "h", filter="weight = 19999") as consumer:
            message = await consumer.receive(timeout=10)
            assert message.data == b"19999"
            assert await consumer.receive(timeout=0.01) is None


async def test_what_failed_comes_again(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, 6)
        soon = Backoff(initial=0.01, jitter=0.0)
        async with access_point.create_pull_consumer("orders", "g", filter=RED, backoff=soon) as consumer:
            for message in await consumer.batch_receive():
                await message.nack()
            again = [await consumer.receive(timeout=5), await consumer.receive(timeout=5)]
            assert sorted((message.data, message.delivery_count) for message in again) == [(b"0", 2), (b"3", 2)]


async def test_push(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, 9)
        seen, done = [], Event()

        def listen(message, context) -> None:
            seen.append(int(message.data))
            if len(seen) == 3:
                done.set()

        consumer = access_point.create_push_consumer("g", filter=RED)
        await consumer.bind_queue("orders", listen)
        async with consumer:
            assert await done.wait_within(10)
        assert seen == [0, 3, 6]
        assert (await info_of(access_point)).lag == 0


async def test_broadcast(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, 6)
        async with access_point.create_pull_consumer("orders", broadcast=True, filter=RED) as consumer:
            assert await all_of(consumer) == [0, 3]


async def test_header_fields_and_tags(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, 3, correlation_id="c")
        await fill(access_point, 3)
        text = "header.correlationId = 'c' AND header.messageKey = 'k0' AND header.priority = 5"
        async with access_point.create_pull_consumer("orders", "g", filter=text) as consumer:
            assert await all_of(consumer) == [0, 2]
        async with access_point.create_producer() as producer:
            for tag in ("a", "b", "c"):
                await producer.send(producer.create_message("tagged", tag.encode(), properties={"TAGS": tag}))
        async with access_point.create_pull_consumer("tagged", "g", filter="a || c") as consumer:
            assert [message.data for message in await consumer.batch_receive()] == [b"a", b"c"]


async def test_the_filter_belongs_to_the_group(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, 6)
        async with access_point.create_pull_consumer("orders", "g", filter=RED):
            pass
        for other in ("color = 'blue'", ""):
            failure = await refused(access_point.create_pull_consumer("orders", "g", filter=other))
            assert "color = 'red'" in failure.reason
        async with access_point.create_pull_consumer("orders", "g") as consumer:
            assert await all_of(consumer) == [0, 3]
        async with access_point.create_pull_consumer("orders", "g", filter="color = 'blue'", update=True) as consumer:
            await fill(access_point, 3)
            assert await all_of(consumer) == [1]
        async with access_point.create_pull_consumer("orders", "none") as consumer:
            assert len(await all_of(consumer)) == 9


async def test_a_wrong_filter_is_shown_where(memory: str) -> None:
    async with connect(memory) as access_point:
        failure = await refused(access_point.create_pull_consumer("orders", "g", filter="color = upper('red')"))
        assert "        ^^^^^^" in str(failure)
        assert await access_point.resource_manager().list_queues() == set()


async def test_the_filter_of_a_queue(url: str) -> None:
    async with connect(url) as access_point:
        manager = access_point.resource_manager()
        await fill(access_point, 12)
        await manager.filter("orders", "weight < 6")
        assert await manager.get_filter("orders") == "weight < 6"
        assert await manager.list_filters() == {"default://orders": "weight < 6"}
        async with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            assert await all_of(consumer) == [0, 3]
        async with access_point.create_pull_consumer("orders", "h") as consumer:
            assert await all_of(consumer) == [0, 1, 2, 3, 4, 5]
            await manager.filter("orders", "")
            assert await manager.get_filter("orders") is None
            assert await manager.list_filters() == {}
            await fill(access_point, 8)
            assert await all_of(consumer) == list(range(8))
        await manager.filter("orders", "FALSE")
        await manager.delete_filter("orders")
        assert await manager.get_filter("orders") is None
        with pytest.raises(OMSRuntimeException, match="column 8"):
            await manager.filter("orders", "weight <")
        with pytest.raises(OMSDestinationException):
            await manager.filter("never", RED)


async def test_a_filter_survives_closing(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path / 'store'}"
    async with connect(url) as access_point:
        await fill(access_point, 6)
        await access_point.resource_manager().filter("orders", "weight > 0")
        async with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            await consumer.receive(timeout=1)
    async with connect(url) as access_point:
        async with access_point.create_pull_consumer("orders", "g", filter=RED) as consumer:
            assert await all_of(consumer, 1.0) == [3]
        assert (await info_of(access_point)).lag == 0
