"""A broker that is killed, connections that are cut: nothing acknowledged is lost, duplicates only as allowed."""

import asyncio
from collections import Counter
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers.kafka import Kafka
from openmessaging.testing.servers.server import free_port
from tests.drivers.kafka.conftest import run
from tests.firewall import Between

MESSAGES = 2_000
KEYS = 10
PATIENCE = {"OPERATION_TIMEOUT": 60_000}


class History:
    """What was sent and confirmed, and what came, in its order."""

    def __init__(self) -> None:
        self.confirmed: set[int] = set()
        self.offsets: list[tuple[int, int]] = []
        self.came: dict[str, list[int]] = {}
        self.settled: set[int] = set()
        self.moved = asyncio.Event()

    async def produce(self, producer: oms.Producer, queue: str) -> None:
        for begin in range(0, MESSAGES, 20):
            sends = [
                producer.send(producer.create_message(queue, b"%d" % number, message_key=f"k{number % KEYS}"))
                for number in range(begin, begin + 20)
            ]
            for result in await asyncio.gather(*sends):
                self.offsets.append((result.partition, result.offset))
            self.confirmed.update(range(begin, begin + 20))
            self.moved.set()
            await asyncio.sleep(0)

    async def consume(self, consumer: oms.PullConsumer) -> None:
        while len(self.settled) < MESSAGES:
            messages = await consumer.batch_receive(100, timeout=60)
            assert messages, f"{MESSAGES - len(self.settled)} do not come"
            for message in messages:
                number = int(message.data)
                self.came.setdefault(message.message_key or "", []).append(number)
                try:
                    await message.ack()
                except OMSRuntimeException as gone:
                    assert gone.code == 1418
                else:
                    self.settled.add(number)

    async def reach(self, count: int) -> None:
        while len(self.confirmed) < count:
            self.moved.clear()
            await self.moved.wait()

    def check(self) -> None:
        assert self.confirmed == self.settled == set(range(MESSAGES))
        assert len(set(self.offsets)) == MESSAGES  # stored once: the producer is idempotent
        for numbers in self.came.values():
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first)  # the order of a key
        counts = Counter(number for numbers in self.came.values() for number in numbers)
        assert max(counts.values()) <= 4  # once more for each fault, at most


async def through_faults(url: str, queue: str, fault: Any) -> None:
    history = History()
    async with oms.connect(url, PATIENCE) as point:
        await point.resource_manager().create_queue(queue, partitions=3)
        producer = point.create_producer()
        consumer = point.create_pull_consumer(queue, group=queue, invisible_time=60.0)
        async with producer, consumer:
            work = asyncio.gather(history.produce(producer, queue), history.consume(consumer))
            for count in (MESSAGES // 4, MESSAGES // 2):
                await history.reach(count)
                await fault()
            await work
            await consumer.flush()
        history.check()
        assert (await point.resource_manager().describe_group(queue, queue)).lag == 0


async def restarting(server: Kafka, queue: str) -> None:
    def restart() -> None:
        server.kill()
        server.start()

    await through_faults(server.url, queue, lambda: asyncio.to_thread(restart))


@pytest.mark.timeout(240)
def test_a_broker_that_is_killed_twice_loses_nothing(kafka: Kafka, queue: str) -> None:
    asyncio.run(asyncio.wait_for(restarting(kafka, queue), 200))


async def cutting(queue: str) -> None:
    port = free_port()
    with Kafka(through=port) as server:
        between = Between(server.port)
        between.server = await asyncio.start_server(between.pass_on, "127.0.0.1", port)

        async def tear() -> None:
            between.tear()
            await asyncio.sleep(0)

        try:
            await through_faults(server.url, queue, tear)
        finally:
            between.server.close()
            between.tear()


@pytest.mark.timeout(240)
def test_connections_that_are_cut_lose_nothing(queue: str) -> None:
    asyncio.run(asyncio.wait_for(cutting(queue), 200))


async def hanging(kafka: Kafka, queue: str) -> None:
    async with oms.connect(kafka.url, {"OPERATION_TIMEOUT": 1_000}) as point:
        await point.resource_manager().create_queue(queue)
        async with point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"before"))
            kafka.pause()
            try:
                with pytest.raises(OMSRuntimeException) as late:
                    await producer.send(producer.create_message(queue, b"meanwhile"))
                assert late.value.code == 1410
                assert late.value.indefinite
            finally:
                kafka.resume()
            result = await producer.send(producer.create_message(queue, b"after"))
            assert result.offset >= 1


def test_a_broker_that_hangs_is_told_in_time(kafka: Kafka, queue: str) -> None:
    run(hanging(kafka, queue))
