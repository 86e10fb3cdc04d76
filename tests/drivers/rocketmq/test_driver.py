"""The driver over a real broker and its proxy, next to RocketMQ's own client."""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Backoff, Durability
from openmessaging.testing.servers import Missing, Rocketmq, free_port

PROPERTIES: dict[str, Any] = {
    "s": "größe",
    "i": 1 << 60,
    "d": 2.5,
    "b": True,
    "x": b"\xff\x00",
    "TAGS": "a\nb",
    "e": "",
}
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def server() -> Iterator[Rocketmq]:
    try:
        Rocketmq.require()
        running = Rocketmq().start()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    try:
        yield running
    finally:
        running.__exit__()


@pytest.fixture
def queue() -> str:
    return f"q-{secrets.token_hex(4)}"


def connect(server: Rocketmq, **attributes: Any) -> oms.AccessPoint:
    given = {"name_server": f"127.0.0.1:{server.names_port}", "sync_flush": True, **attributes}
    return oms.connect(server.url, given)


async def taken(consumer: oms.PullConsumer, timeout: float = 30.0) -> oms.ReceivedMessage:
    message = await consumer.receive(timeout=timeout)
    assert message is not None
    return message


async def keeping(server: Rocketmq, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            message = producer.create_message(
                queue, b"", message_key="k ", properties=PROPERTIES, correlation_id="c", trace_id="t"
            )
            sent = await producer.send(message)
            assert (sent.partition, sent.offset, sent.durability) == (0, 0, Durability.FSYNC)
            many = await producer.send([producer.create_message(queue, b"%d" % at) for at in range(100)])
            assert [result.offset for result in many] == list(range(1, 101))
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            got = await taken(consumer)
            assert (got.data, got.message_key, dict(got.properties)) == (b"", "k ", PROPERTIES)
            assert (got.message_id, got.delivery_count) == (sent.message_id, 1)
            assert (got.get_header("correlationId"), got.get_header("traceId")) == ("c", "t")
            await got.ack()
            seen: set[int] = set()
            while len(seen) < 100:
                messages = await consumer.batch_receive(100, timeout=30)
                assert messages
                seen |= {int(message.data) for message in messages}
                await consumer.ack(messages)
            assert seen == set(range(100))
            await consumer.flush()


def test_a_message_keeps_all_it_has(server: Rocketmq, queue: str) -> None:
    asyncio.run(keeping(server, queue))


async def failing(server: Rocketmq, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x", properties={"p": 1}))
        backoff = Backoff(initial=1.0, jitter=0.0, max_delivery=3)
        async with access_point.create_pull_consumer(queue, group="g", backoff=backoff) as consumer:
            first = await taken(consumer)
            begun = time.monotonic()
            await first.nack(delay=2.0)
            second = await taken(consumer)
            assert time.monotonic() - begun > 1.5
            assert (second.data, second.delivery_count, second.message_id) == (b"x", 2, first.message_id)
            await second.extend(20.0)
            await second.nack()
            third = await taken(consumer)
            assert third.delivery_count == 3
            await third.nack(reason="broken")
            await consumer.flush()
        async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="ops") as consumer:
            letter = await taken(consumer)
            assert (letter.data, letter.message_id, letter.properties["p"]) == (b"x", first.message_id, 1)
            assert letter.properties["dead-letter.reason"] == "broken"
            await letter.ack()


def test_attempts_delays_and_dead_letters(server: Rocketmq, queue: str) -> None:
    asyncio.run(failing(server, queue))


async def sharing(server: Rocketmq, queue: str) -> None:
    """Two consumers, of which one vanishes with what it holds: the other gets all."""
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(60)])
        common: dict[str, Any] = {"group": "g", "invisible_time": 10.0, "prefetch": 0}
        lost = connect(server)
        one = lost.create_pull_consumer(queue, **common)
        await one.startup()
        held = await one.batch_receive(20, timeout=30)
        assert held
        await (await lost.get_driver()).disconnect()  # without a word
        async with access_point.create_pull_consumer(queue, **common) as other:
            seen: dict[bytes, int] = {}
            while len(seen) < 60:
                messages = await other.batch_receive(60, timeout=40)
                assert messages
                seen |= {message.data: message.delivery_count or 0 for message in messages}
                await other.ack(messages)
            assert {seen[message.data] for message in held} == {2}


def test_what_a_killed_consumer_held_goes_to_another(server: Rocketmq, queue: str) -> None:
    asyncio.run(sharing(server, queue))


async def restarting(server: Rocketmq, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        confirmed: set[int] = set()
        await producer.send(producer.create_message(queue, b"0"))

        async def send(number: int) -> None:
            while True:
                try:
                    await producer.send(producer.create_message(queue, b"%d" % number))
                    return
                except OMSRuntimeException as failure:
                    if not failure.retryable:
                        raise

        async def produce() -> None:
            for begin in range(0, 1_000, 20):
                numbers = range(begin, begin + 20)
                await asyncio.gather(*map(send, numbers))
                confirmed.update(numbers)
                if begin == 400:
                    halfway.set()

        halfway = asyncio.Event()
        producing = asyncio.ensure_future(produce())
        await asyncio.wait_for(halfway.wait(), 60)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(producing, 90)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            seen: set[int] = set()
            while not confirmed <= seen:
                messages = await consumer.batch_receive(100, timeout=40)
                assert messages, f"{len(confirmed - seen)} are missing"
                seen |= {int(message.data) for message in messages}
                await consumer.ack(messages)


def test_nothing_confirmed_is_lost_when_the_server_is_killed(server: Rocketmq, queue: str) -> None:
    asyncio.run(restarting(server, queue))


async def refusing(server: Rocketmq, queue: str) -> None:
    async with connect(server, name_server="") as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException, match="1404") as caught:
            await producer.send(producer.create_message(queue, b""))
        assert "name_server" in caught.value.next_step
    async with connect(server) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException, match="1413"):
            await producer.send(producer.create_message(queue, b"x" * (4 << 20)))
        with pytest.raises(OMSUnsupportException, match="delayTime"):
            await producer.send(producer.create_message(queue, b"", delay=1.0))
        with pytest.raises(OMSRuntimeException, match="10 s"):
            await access_point.create_pull_consumer(queue, group="g", invisible_time=5.0).startup()
        with pytest.raises(OMSUnsupportException, match="order"):
            await access_point.create_pull_consumer(queue, group="g", order="key").startup()


def test_what_it_cannot_do_is_refused(server: Rocketmq, queue: str) -> None:
    asyncio.run(refusing(server, queue))


def native(server: Rocketmq, topic: str, received: bytes) -> tuple[bytes, dict[str, str]]:
    """RocketMQ's own client: sends one message, and receives the one that has a body."""
    from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

    configuration = ClientConfiguration(f"127.0.0.1:{server.port}", Credentials())
    consumer = SimpleConsumer(configuration, "native", {topic: FilterExpression()})
    consumer.startup()
    producer = Producer(configuration, (topic,))
    producer.startup()
    try:
        message = Message()
        message.topic, message.body, message.keys = topic, b"theirs", "bob"
        message.add_property("colour", "red")
        producer.send(message)
        while True:
            for got in consumer.receive(16, 15):
                consumer.ack(got)
                if got.body == received:
                    return got.body, dict(got.properties)
    finally:
        producer.shutdown()
        consumer.shutdown()


async def beside(server: Rocketmq, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"ours", message_key="k", properties={"n": 2}))
        body, properties = await asyncio.to_thread(native, server, queue, b"ours")
        assert (body, properties["n"], properties["oms-types"]) == (b"ours", "2", "n=long")
        assert properties["oms-messageKey"] == "k"
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            found = {message.data: message for message in [await taken(consumer), await taken(consumer)]}
            theirs = found[b"theirs"]
            assert (theirs.message_key, dict(theirs.properties)) == ("bob", {"colour": "red"})
            assert theirs.message_id
            await consumer.ack(list(found.values()))


def test_its_client_reads_ours_and_ours_reads_its(server: Rocketmq, queue: str) -> None:
    asyncio.run(beside(server, queue))


async def code_of(attributes: dict[str, Any], url: str = "oms:rocketmq://127.0.0.1:1/local") -> int:
    try:
        await oms.connect(url, attributes).startup()
    except OMSRuntimeException as failure:
        assert failure.next_step
        return failure.code
    return 1200


def test_attributes_and_dead_ports() -> None:
    begun = time.monotonic()
    assert asyncio.run(code_of({}, f"oms:rocketmq://127.0.0.1:{free_port()}/local")) == 10000
    assert time.monotonic() - begun < 10
    for wrong in ({"name_server": "x"}, {"sync_flush": 1}, {"ACCOUNT_KEY": "k"}):
        assert asyncio.run(code_of(wrong)) == 1418
