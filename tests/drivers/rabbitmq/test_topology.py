"""Queues, groups and delays as RabbitMQ has them."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

import openmessaging as oms
from openmessaging.drivers.rabbitmq.topology import NAMES, delay_ms, native_group
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from tests.drivers.rabbitmq.test_access import run, send, take


@given(st.floats(0.0001, 1e6))
def test_a_delay_is_never_shorter_and_at_most_a_tenth_longer(seconds: float) -> None:
    milliseconds = delay_ms(seconds)
    assert seconds * 1000 - 0.001 <= milliseconds <= max(seconds * 1100, seconds * 1000 + 1)
    assert len(str(milliseconds).rstrip("0")) <= 2


def test_usual_delays_are_what_they_are() -> None:
    assert [delay_ms(each) for each in (0.0001, 0.2, 1.0, 1.234, 30, 300)] == [1, 200, 1000, 1300, 30_000, 300_000]


def test_a_group_s_queue_is_no_queue_of_ours() -> None:
    native = native_group(NAMES.native("sales://orders", 2), "a/b__c")
    assert native == "sales__-orders__p2__group-a__2fb__5f_c"
    assert NAMES.full(native) is None


def test_only_one_of_many_groups_takes_the_queue_over(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point:
            await send(access_point, "race", b"1")
            consumers = [access_point.create_pull_consumer("race", group=f"g{number}") for number in range(6)]
            await asyncio.gather(*(consumer.startup() for consumer in consumers))
            found = await asyncio.gather(*(consumer.receive(1) for consumer in consumers))
            assert [each.data for each in found if each is not None] == [b"1"]
            await asyncio.gather(*(consumer.shutdown() for consumer in consumers))

    run(go())


def test_a_group_keeps_its_queue_however_it_is_joined(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point:
            for group, start, other in (("own", "latest", "earliest"), ("first", "earliest", "latest")):
                async with access_point.create_pull_consumer("joined", group=group, start=start):
                    await send(access_point, "joined", group.encode())
                async with access_point.create_pull_consumer("joined", group=group, start=other) as consumer:
                    (found,) = [each for each in await take(consumer, 1) if each.data == group.encode()][:1] or [None]
                    assert found is not None or group == "first"

    run(go())


def test_counts_of_partitions_are_found(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, oms.connect(rabbit.url) as other:
            for count in (1, 2, 3, 4, 7, 8):
                await access_point.resource_manager().create_queue(f"count{count}", count)
                assert (await other.resource_manager().describe_queue(f"count{count}")).partitions == count

    run(go())
