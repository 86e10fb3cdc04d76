"""Queues, groups and reading on a real Kafka, as users see them."""

import asyncio
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Capability, Durability
from tests.drivers.kafka.conftest import opened, receive, run, send


async def refused(call: Any) -> int:
    with pytest.raises(OMSRuntimeException) as refusal:
        await call
    assert refusal.value.next_step
    return refusal.value.code


async def administering(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 3, retention="keep", retention_age=3600.0, retention_bytes=1 << 30) as point:
        manager = point.resource_manager()
        info = await manager.describe_queue(queue)
        assert (info.name, info.partitions, info.messages) == (f"default://{queue}", 3, 0)
        kept = {"retention": "keep", "retention_age": 3600.0, "retention_bytes": 1 << 30, "compact": False}
        assert info.config.items() >= kept.items()
        assert await refused(manager.create_queue(queue)) == 1406
        await manager.update_queue(queue, compact=True, tombstone_age=60.0)
        config = (await manager.describe_queue(queue)).config
        assert (config["compact"], config["tombstone_age"]) == (True, 60.0)
        assert await refused(manager.update_queue(queue, retention="consumed")) == 1400
        assert await refused(manager.update_queue(f"{queue}-not", compact=True)) == 1404
        assert await refused(manager.create_queue("n" * 250)) == 1418
        await manager.create_queue(f"sales://{queue}")
        assert f"sales://{queue}" in await manager.list_queues("sales")
        assert f"default://{queue}" in await manager.list_queues()
        assert "sales" in await manager.list_namespaces()
        assert await refused(manager.list_queues("nowhere")) == 1405
        for name in (queue, f"sales://{queue}"):
            await manager.delete_queue(name)
        assert await refused(manager.delete_queue(queue)) == 1404
        assert await refused(manager.describe_queue(queue)) == 1404


def test_queues_are_topics(kafka: Any, queue: str) -> None:
    run(administering(kafka, queue))


async def missing(kafka: Any, queue: str) -> None:
    async with oms.connect(kafka.url, {"auto_create": False}) as point:
        assert Capability.TRANSACTIONS not in point.capabilities
        async with point.create_producer() as producer:
            assert await refused(producer.send(producer.create_message(queue, b""))) == 1404
            assert await refused(producer.send(producer.create_message(queue, b"", message_key="k"))) == 1404
        assert await refused(point.create_pull_consumer(queue, "g").startup()) == 1404
        assert await refused(point.resource_manager().describe_group(queue, "g")) == 1404


def test_a_queue_that_is_not_there_is_missing_at_once(kafka: Any, queue: str) -> None:
    run(missing(kafka, queue))


async def making(kafka: Any, queue: str) -> None:
    async with oms.connect(kafka.url, {"partitions": 3}) as point:
        async with point.create_pull_consumer(queue, "g") as consumer, point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x"))
            (message,) = await receive(consumer, 1)
            await message.ack()
        assert (await point.resource_manager().describe_queue(queue)).partitions == 3
        assert await refused((await point.get_driver()).read(f"default://{queue}-not", 0, 0, 1)) == 1404


def test_a_queue_is_made_at_its_first_use(kafka: Any, queue: str) -> None:
    run(making(kafka, queue))


async def emptying(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 2) as point:
        await send(point, queue, *[b"x"] * 5)
        manager = point.resource_manager()
        assert (await manager.describe_queue(queue)).messages == 5
        assert await manager.purge_queue(queue) == 5
        assert (await manager.describe_queue(queue)).messages == 0


def test_a_queue_is_emptied(kafka: Any, queue: str) -> None:
    run(emptying(kafka, queue))


async def following(iterator: Any) -> Any:
    for _ in range(1000):
        if await iterator.has_next():  # transactions are seen some time after they were told to be done
            break
        await asyncio.sleep(0.01)
    return await iterator.next()


async def walking(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        results = await send(point, queue, *[b"%d" % number for number in range(7)])
        assert [result.offset for result in results] == list(range(7))
        assert {result.durability for result in results} == {Durability.FSYNC}
        async with point.create_producer() as producer:  # leaves a mark between
            await producer.send([producer.create_message(queue, b"%d" % number) for number in (7, 8)])
            await producer.send(producer.create_message(queue, b"9"))
        async with point.create_streaming_consumer() as consumer:
            (stream,) = await point.resource_manager().list_streams(queue)
            iterator = await consumer.seek_to_beginning(stream)
            ahead = [await following(iterator) for _ in range(10)]
            assert [message.data for message in ahead] == [b"%d" % number for number in range(10)]
            offsets = [message.offset for message in ahead]
            assert offsets == sorted(set(offsets))
            assert offsets[:9] == list(range(9))  # the mark of the transaction comes some time after it
            assert not await iterator.has_next()
            behind = [(await iterator.previous()).data for _ in range(10)]
            assert behind == [b"%d" % number for number in reversed(range(10))]
            assert not await iterator.has_previous()
        driver = await point.get_driver()
        full = f"default://{queue}"
        born = ahead[3].header.born_timestamp
        found = await driver.find_time(full, 0, born)
        assert 0 <= found <= 3
        end = await driver.find_time(full, 0, born + 3_600_000)
        assert end in (11, 12)
        assert await driver.read(full, 0, 99, 10) == []
        assert await driver.read(full, 0, end, 10, 0.2) == []
        waiting = asyncio.create_task(driver.read(full, 0, end, 10, 20.0))
        await send(point, queue, b"10")
        (delivery,) = await waiting
        assert delivery.base_offset >= end
        with pytest.raises(OMSRuntimeException, match="numbered from 0"):
            await driver.read(full, 1, 0, 1)


def test_partitions_are_walked_both_ways_by_kafkas_offsets(kafka: Any, queue: str) -> None:
    run(walking(kafka, queue))


async def grouping(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 2) as point:
        manager = point.resource_manager()
        await send(point, queue, *[b"%d" % number for number in range(10)])
        assert await refused(manager.describe_group(queue, queue)) == 1404
        async with point.create_pull_consumer(queue, group=queue, prefetch=0) as consumer:
            for message in await receive(consumer, 4):
                await message.ack()
            await consumer.flush()
            info = await manager.describe_group(queue, queue)
            assert (info.lag, info.name) == (6, queue)
            assert [each.name for each in await manager.list_groups(queue)] == [queue]
            await manager.seek_group(queue, queue, "earliest")  # of a consumer that is here
            again = []
            for _ in range(10):
                again += await receive(consumer, 1)
                await again[-1].ack()
            assert sorted(message.data for message in again) == [b"%d" % number for number in range(10)]
        assert (await manager.describe_group(queue, queue)).lag == 0
        await manager.seek_group(queue, queue, "offset:2")  # of nobody
        assert (await manager.describe_group(queue, queue)).lag == 6
        assert await refused(manager.seek_group(queue, "no-such-group", "earliest")) == 1404
        await manager.delete_group(queue, queue)
        assert await refused(manager.describe_group(queue, queue)) == 1404


def test_groups_are_kafkas(kafka: Any, queue: str) -> None:
    run(grouping(kafka, queue))


async def moving(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as here, oms.connect(kafka.url) as there:
        await send(here, queue, b"x")
        async with here.create_pull_consumer(queue, group=queue) as consumer:
            await (await receive(consumer, 1))[0].ack()
            await consumer.flush()
            assert await refused(there.resource_manager().seek_group(queue, queue, "earliest")) == 1400
            assert await refused(there.resource_manager().delete_group(queue, queue)) == 1400


def test_a_group_with_consumers_elsewhere_is_not_moved(kafka: Any, queue: str) -> None:
    run(moving(kafka, queue))
