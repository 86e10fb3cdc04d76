"""Sending to a real Kafka: order, places, sizes, lists that are stored whole."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from openmessaging.drivers.kafka.sender import Flight
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Durability
from tests.drivers.kafka.conftest import opened, receive, run


class Report:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 77


def landed(*offsets: int | None) -> Flight:
    finished: list[Flight] = []
    flight = Flight(len(offsets), 3, Durability.FSYNC, finished.append)
    for offset in offsets:
        failure = KafkaError(KafkaError._MSG_TIMED_OUT) if offset is None else None
        flight.landed(failure, Report(offset or 0))
    assert finished == [flight]
    return flight


def test_a_batch_has_a_place_where_its_messages_lie_together() -> None:
    together = landed(5, 6, 7).placement
    assert together is not None
    assert (together.partition, together.base_offset, together.store_ms) == (3, 5, 77)
    apart = landed(5, 6, 9).placement
    assert apart is not None
    assert apart.base_offset == -1
    assert landed(5, None, 6).placement is None


def test_what_the_client_does_not_take_fails_the_batch() -> None:
    finished: list[Flight] = []
    flight = Flight(3, 0, Durability.MEMORY, finished.append)
    flight.refuse(KafkaError(KafkaError._QUEUE_FULL), 2)
    assert finished == []
    flight.landed(None, Report(1))
    assert finished == [flight]
    assert flight.failure is not None


async def many(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 3) as point:
        async with point.create_producer() as producer:
            sends = []
            for number in range(3000):
                message = producer.create_message(queue, b"%d" % number, message_key=f"k{number % 7}")
                sends.append(producer.send(message))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            results = await asyncio.gather(*sends)
        assert len({(result.partition, result.offset) for result in results}) == 3000
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            seen: dict[str, list[int]] = {}
            for message in await receive(consumer, 3000):
                seen.setdefault(message.message_key, []).append(int(message.data))
        assert seen == {f"k{key}": list(range(key, 3000, 7)) for key in range(7)}


def test_messages_of_a_key_keep_their_order(kafka: Any, queue: str) -> None:
    run(many(kafka, queue))


async def sizes(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        largest = point.max_body_bytes
        assert 1_000_000 < largest < 1 << 20
        async with point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x" * largest))
            with pytest.raises(OMSRuntimeException) as over:
                await producer.send(producer.create_message(queue, b"x" * (largest + 1)))
            assert over.value.code == 1413
            wide = {f"p{number}": "y" * 10_000 for number in range(5)}  # over what is left beside the body
            with pytest.raises(OMSRuntimeException) as over:
                await producer.send(producer.create_message(queue, b"x" * largest, properties=wide))
            assert over.value.code == 1413
            assert over.value.next_step
            await producer.send(producer.create_message(queue, b"small"))


def test_what_is_too_large_is_refused(kafka: Any, queue: str) -> None:
    run(sizes(kafka, queue))


async def whole(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 2) as point:
        other = f"{queue}-other"
        await point.resource_manager().create_queue(other)
        async with point.create_producer() as producer:
            messages = [producer.create_message(queue, b"%d" % number, message_key=str(number)) for number in range(20)]
            results = await producer.send([*messages, producer.create_message(other, b"last")])
            assert len(results) == 21
            too_wide = {f"p{number}": "y" * 10_000 for number in range(5)}
            bad = producer.create_message(other, b"x" * point.max_body_bytes, properties=too_wide)
            with pytest.raises(OMSRuntimeException) as refused:
                await producer.send([producer.create_message(queue, b"never"), bad])
            assert refused.value.code == 1413
            await producer.send([producer.create_message(queue, b"then"), producer.create_message(other, b"then")])
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            bodies = [message.data for message in await receive(consumer, 21)]
            assert sorted(bodies) == sorted([*[b"%d" % number for number in range(20)], b"then"])
            assert await consumer.receive(timeout=0.5) is None
        async with point.create_pull_consumer(other, group=queue) as consumer:
            assert [message.data for message in await receive(consumer, 2)] == [b"last", b"then"]


def test_a_list_over_queues_and_partitions_is_stored_whole_or_not_at_all(kafka: Any, queue: str) -> None:
    run(whole(kafka, queue))


async def taking_over(kafka: Any, queue: str) -> None:
    """The producer fails for good, as when the broker has forgotten it: the next send has another one."""
    async with opened(kafka, queue) as point, point.create_producer() as producer:
        await producer.send(producer.create_message(queue, b"1"))
        sender = (await point.get_driver())._sender
        before: Producer = sender._producer
        flight = Flight(1, 0, Durability.FSYNC, sender._finished.append)
        outcome: list[Any] = []
        flight.done = lambda placement, failure: outcome.append(failure)
        flight.failure = KafkaError(KafkaError._FATAL, "it is over", fatal=True)
        sender._flying += 1
        sender._arrive([flight])
        assert outcome[0].code == 1500
        assert sender._producer is not before
        await producer.send(producer.create_message(queue, b"2"))


def test_a_producer_that_is_over_has_a_successor(kafka: Any, queue: str) -> None:
    run(taking_over(kafka, queue))
