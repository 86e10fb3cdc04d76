"""Cancelling a task at any moment neither loses a message nor settles it twice."""

import asyncio
import random

import pytest

from openmessaging import connect
from openmessaging.model.spi import Delivery
from openmessaging.runtime.aio.primitives import Fetching


async def fill(access_point, queue: str, count: int) -> None:
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, b"%d" % number) for number in range(count)])


@pytest.mark.parametrize("seed", range(6))
async def test_receivers_cancelled_at_random_moments(url: str, seed: int) -> None:
    chance = random.Random(seed)
    total = 200
    async with connect(url) as access_point:
        acknowledged: list[int] = []

        async def work(consumer) -> None:
            while True:
                message = await consumer.receive()
                acknowledged.append(message.offset)
                await message.ack()
                await asyncio.sleep(0)

        async def feed() -> None:
            for _ in range(total // 10):
                await fill(access_point, "orders", 10)

        async with access_point.create_pull_consumer("orders", group="g", prefetch=chance.choice([1, 7])) as consumer:
            feeding = asyncio.ensure_future(feed())
            tasks = [asyncio.ensure_future(work(consumer)) for _ in range(4)]
            while len(acknowledged) < total:
                await asyncio.sleep(chance.choice([0, 0, 0.0005]))
                victim = chance.randrange(4)
                tasks[victim].cancel()
                tasks[victim] = asyncio.ensure_future(work(consumer))
            await feeding
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(acknowledged) == list(range(total))
        info = await access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_senders_cancelled_at_random_moments(memory: str, seed: int) -> None:
    chance = random.Random(seed)
    async with connect(memory) as access_point, access_point.create_producer(buffer_bytes=50) as producer:
        confirmed: list[str] = []

        async def work(name: int) -> None:
            for number in range(30):
                result = await producer.send(producer.create_message("orders", b"%d.%d" % (name, number)))
                confirmed.append(result.message_id)

        tasks = [asyncio.ensure_future(work(name)) for name in range(8)]
        for task in chance.sample(tasks, 4):
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await asyncio.wait_for(producer.send(producer.create_message("orders", b"last")), 5)).offset >= 120
        async with access_point.create_pull_consumer("orders") as consumer:
            stored = [message.message_id for message in await consumer.batch_receive(10_000)]
            while more := await consumer.batch_receive(10_000, timeout=0):
                stored += [message.message_id for message in more]
        assert len(stored) == len(set(stored))
        assert set(confirmed) <= set(stored)


async def test_what_a_fetch_had_brought_is_landed_although_its_caller_was_cancelled() -> None:
    landed: list[list[Delivery]] = []
    fetching = Fetching(lambda source, deliveries: landed.append(deliveries))
    delivery = Delivery("q", 0, 0, 0, b"", 0, 1)

    async def fetch(wait: float) -> list[Delivery]:
        try:
            await asyncio.sleep(wait)
        except asyncio.CancelledError:
            return [delivery]
        return []

    task = asyncio.ensure_future(fetching.run([(None, fetch)], 60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert landed == [[delivery]]


async def test_a_cancelled_consumer_block_gives_everything_back(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "orders", 10)

        async def work() -> None:
            async with access_point.create_pull_consumer("orders", group="g") as consumer:
                async for message in consumer:
                    await message.ack()
                    await asyncio.sleep(60)

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        info = await access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (9, 0)


async def test_a_cancelled_flush_leaves_the_producer_usable(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(linger=0.01) as producer:
        future = producer.send_async(producer.create_message("orders", b""))
        future.cancel()
        flushing = asyncio.ensure_future(producer.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        assert (await producer.send(producer.create_message("orders", b""))).offset == 1
