"""Programs that know nothing of us, with the client that most of them use: they read what we write, we read what they
write."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest

import openmessaging as oms
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from tests.drivers.rabbitmq.test_access import run, send, take

NUMBERS = itertools.count()


@pytest.fixture
def queue() -> str:
    return f"native.{next(NUMBERS)}"


@asynccontextmanager
async def native(rabbit: Rabbitmq) -> AsyncIterator[Any]:
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbit.port}/")
    async with connection:
        yield await connection.channel()


def test_a_native_consumer_reads_the_queue_by_its_name(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, native(rabbit) as channel:
            await send(access_point, queue, b"ours", message_key="k", properties={"n": 5, "text": "t"})
            theirs = await channel.get_queue(queue)
            found = await theirs.get(timeout=5)
            assert found.body == b"ours"
            assert found.headers["n"] == 5
            assert found.headers["text"] == "t"
            assert found.headers["oms-messageKey"] == "k"
            assert found.delivery_mode == 2
            assert found.message_id
            await found.ack()

    run(go())


def test_we_read_what_a_native_program_sends_to_the_queue_or_to_the_exchange(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, native(rabbit) as channel:
            await access_point.resource_manager().create_queue(queue)
            sent = aio_pika.Message(
                b"theirs",
                headers={"n": 5, "text": "t"},
                message_id="m1",
                correlation_id="c1",
                timestamp=datetime.fromtimestamp(1_700_000_000, UTC),
            )
            await channel.default_exchange.publish(sent, routing_key=queue)
            await (await channel.get_exchange(queue)).publish(aio_pika.Message(b"bare"), routing_key="whatever")
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                theirs, bare = await take(consumer, 2)
                assert (theirs.data, bare.data) == (b"theirs", b"bare")
                assert dict(theirs.properties) == {"n": 5, "text": "t"}
                assert theirs.message_id == "m1"
                assert theirs.extension_header.correlation_id == "c1"
                assert theirs.header.born_timestamp == 1_700_000_000_000
                assert bare.header.born_timestamp
                await consumer.ack([theirs, bare])

    run(go())


def test_a_native_queue_bound_to_the_exchange_is_one_more_group(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, native(rabbit) as channel:
            await access_point.resource_manager().create_queue(queue)
            mine = await channel.declare_queue(exclusive=True)
            await mine.bind(queue)
            await send(access_point, queue, b"1")
            found = await mine.get(timeout=5, no_ack=True)
            assert found.body == b"1"

    run(go())


def test_a_classic_queue_that_a_native_program_made_can_be_used(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, native(rabbit) as channel:
            await channel.declare_queue(queue, durable=True)
            await channel.default_exchange.publish(aio_pika.Message(b"1"), routing_key=queue)
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                (one,) = await take(consumer, 1)
                await one.nack(0.0)
                (again,) = await take(consumer, 1)
                assert again.delivery_count == 2
                await again.ack()
                await consumer.flush()
            assert (await access_point.resource_manager().describe_queue(queue)).messages == 0

    run(go())


def test_a_queue_without_our_exchange_says_what_is_missing(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, native(rabbit) as channel:
            await channel.declare_queue(queue, durable=True)
            with pytest.raises(oms.OMSDestinationException) as caught:
                await send(access_point, queue, b"x")
            assert caught.value.code == 1404
            await asyncio.sleep(0)

    run(go())
