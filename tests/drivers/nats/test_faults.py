"""Broken connections, killed servers, killed consumers: nothing acknowledged is lost, nothing is stored twice."""

import asyncio
from collections import Counter

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Nats, free_port
from tests.drivers.nats.conftest import SYNCED
from tests.drivers.nats.test_driver import connect
from tests.firewall import Between

MESSAGES = 1_500


class Checker:
    """What was sent and confirmed, and what was received and acknowledged."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.confirmed: set[int] = set()
        self.received: Counter[int] = Counter()
        self.ids: dict[int, set[str | None]] = {}
        self.acknowledged: set[int] = set()

    async def produce(self, producer: oms.Producer, queue: str) -> None:
        for begin in range(0, MESSAGES, 50):
            numbers = range(begin, begin + 50)
            sends = [producer.send(producer.create_message(queue, b"%d" % at)) for at in numbers]
            await asyncio.gather(*sends)
            self.confirmed |= set(numbers)
            self.moved.set()

    async def reach(self, count: int) -> None:
        while len(self.confirmed) < count:
            self.moved.clear()
            await self.moved.wait()

    async def consume(self, consumer: oms.PullConsumer) -> None:
        while len(self.acknowledged) < MESSAGES:
            messages = await consumer.batch_receive(100, timeout=20)
            assert messages, f"{MESSAGES - len(self.acknowledged)} are missing"
            for message in messages:
                number = int(message.data)
                self.received[number] += 1
                self.ids.setdefault(number, set()).add(message.message_id)
            try:
                await consumer.ack(messages)
            except OMSRuntimeException as late:
                assert late.code == 1418  # its lease was over: it comes again
                continue
            self.acknowledged |= {int(message.data) for message in messages}

    def check(self, stored: int) -> None:
        assert self.confirmed <= self.acknowledged
        assert stored == MESSAGES, "something was stored twice, or not at all"
        assert all(len(ids) == 1 for ids in self.ids.values())


async def restarting(queue: str) -> None:
    checker = Checker()
    with Nats() as server:
        async with connect(server) as access_point, access_point.create_producer() as producer:
            consumer = access_point.create_pull_consumer(queue, group="g", invisible_time=2.0)
            await consumer.startup()
            working = [
                asyncio.ensure_future(checker.produce(producer, queue)),
                asyncio.ensure_future(checker.consume(consumer)),
            ]
            for at in (300, 900):
                await checker.reach(at)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            await asyncio.wait_for(asyncio.gather(*working), 60)
            await consumer.shutdown()
            info = await access_point.resource_manager().describe_queue(queue)
            checker.check(info.messages)


def test_a_server_that_is_killed_and_started_again(queue: str) -> None:
    asyncio.run(restarting(queue))


async def cutting(server: Nats, queue: str) -> None:
    checker = Checker()
    async with Between(server.port) as between:
        url = f"oms:nats://127.0.0.1:{between.port}/local"
        async with oms.connect(url, SYNCED) as access_point, access_point.create_producer() as producer:
            consumer = access_point.create_pull_consumer(queue, group="g", invisible_time=2.0)
            await consumer.startup()
            working = [
                asyncio.ensure_future(checker.produce(producer, queue)),
                asyncio.ensure_future(checker.consume(consumer)),
            ]
            for at in (200, 500, 900, 1_300):
                await checker.reach(at)
                between.loses_answers = True  # what is confirmed now, nobody hears of
                await asyncio.sleep(0.02)
                between.tear()
                between.loses_answers = False
            await asyncio.wait_for(asyncio.gather(*working), 60)
            await consumer.shutdown()
            info = await access_point.resource_manager().describe_queue(queue)
            checker.check(info.messages)


def test_connections_that_break_in_the_middle(server: Nats, queue: str) -> None:
    asyncio.run(cutting(server, queue))


async def dying(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(100)])
        common = {"group": "g", "invisible_time": 1.0, "prefetch": 0}
        killed = connect(server)
        one = killed.create_pull_consumer(queue, **common)
        await one.startup()
        held = await one.batch_receive(40, timeout=5)
        assert held
        driver = await killed.get_driver()
        await driver.disconnect()  # without a word to the server
        async with access_point.create_pull_consumer(queue, **common) as other:
            seen: set[bytes] = set()
            while len(seen) < 100:
                messages = await other.batch_receive(100, timeout=5)
                assert messages
                seen |= {message.data for message in messages}
                await other.ack(messages)


def test_what_a_killed_consumer_held_goes_to_another(server: Nats, queue: str) -> None:
    asyncio.run(dying(server, queue))


async def unreachable() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(OMSRuntimeException, match="nats-server") as caught:
        async with oms.connect(f"oms:nats://127.0.0.1:{free_port()}/local"):
            pass
    assert caught.value.code == 10000
    async with Between(free_port()) as silent:
        silent.loses_requests = True
        with pytest.raises(OMSRuntimeException) as caught:
            async with oms.connect(f"oms:nats://127.0.0.1:{silent.port}/local"):
                pass
        assert caught.value.code == 10000
    assert loop.time() - begun < 12


def test_a_server_that_is_not_there_is_told_soon() -> None:
    asyncio.run(unreachable())
