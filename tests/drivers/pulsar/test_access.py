"""The driver over a real server: what a message keeps, leases, order, delays, queues, groups, and what is refused."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Durability
from openmessaging.testing.servers import Server
from tests.drivers.pulsar.conftest import SYNCED

pytestmark = pytest.mark.timeout(300)  # the first one starts the server

PROPERTIES: dict[str, Any] = {
    "s": "größe",
    "i": 1 << 60,
    "d": 2.5,
    "b": True,
    "x": b"\xff\x00",
    "two words": "  a\r\nb ",
    "oms-x": "",
}


def connect(server: Server, **attributes: Any) -> oms.AccessPoint:
    return oms.connect(server.url, {**SYNCED, **attributes})


async def keeping(server: Server, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            headers = {"correlation_id": "c", "trace_id": "t"}
            message = producer.create_message(queue, b"\x00", message_key="k ", properties=PROPERTIES, **headers)
            sent = await producer.send(message)
            assert sent.offset > 0
            assert sent.durability == Durability.FSYNC
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            got = await consumer.receive(timeout=10)
            assert got is not None
            assert (got.data, got.message_key, dict(got.properties)) == (b"\x00", "k ", PROPERTIES)
            assert (got.message_id, got.offset, got.partition) == (sent.message_id, sent.offset, 0)
            assert (got.get_header("correlationId"), got.get_header("traceId")) == ("c", "t")
            assert got.header.born_timestamp == message.header.born_timestamp
            assert abs((got.get_header("storeTimestamp") or 0) - time.time() * 1000) < 60_000
            await got.ack()
            await consumer.flush()


def test_a_message_keeps_all_it_has(pulsar_server: Server, queue: str) -> None:
    asyncio.run(keeping(pulsar_server, queue))


async def failing(server: Server, queue: str) -> None:
    backoff = oms.Backoff(initial=0.2, jitter=0.0, max_delivery=3)
    async with connect(server) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message(queue, b"bad", properties={"n": 1}))
        consumer = access_point.create_pull_consumer(queue, group="g", backoff=backoff, invisible_time=5.0)
        async with consumer:
            attempts = []
            for _ in range(3):
                got = await consumer.receive(timeout=10)
                assert got is not None
                attempts.append(got.delivery_count)
                await got.nack(reason="no good")
            assert attempts == [1, 2, 3]
            assert await consumer.receive(timeout=1) is None
        async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="d") as letters:
            letter = await letters.receive(timeout=10)
            assert letter is not None
            assert (letter.data, letter.properties["n"]) == (b"bad", 1)
            assert letter.properties["dead-letter.reason"] == "no good"
            await letter.ack()


def test_what_fails_comes_again_and_ends_as_a_dead_letter(pulsar_server: Server, queue: str) -> None:
    asyncio.run(failing(pulsar_server, queue))


async def expiring(server: Server, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message(queue, b"slow"))
        async with access_point.create_pull_consumer(queue, group="g", invisible_time=1.0) as consumer:
            first = await consumer.receive(timeout=10)
            assert first is not None
            await first.extend(2.0)
            begun = time.monotonic()
            again = await consumer.receive(timeout=10)
            assert again is not None
            assert time.monotonic() - begun > 1.5
            assert again.delivery_count == 2
            with pytest.raises(OMSRuntimeException, match="1418"):
                await first.ack()
            await again.ack()


def test_a_lease_that_is_over(pulsar_server: Server, queue: str) -> None:
    asyncio.run(expiring(pulsar_server, queue))


async def in_order(server: Server, queue: str) -> None:
    async with connect(server, partitions=2) as access_point, access_point.create_producer() as producer:
        for at in range(6):
            await producer.send(producer.create_message(queue, b"%d" % at, message_key="ab"[at % 2]))
        options = {"group": "g", "order": "key", "prefetch": 0}
        async with access_point.create_pull_consumer(queue, **options) as consumer:
            first = {message.message_key: message for message in [await taken(consumer), await taken(consumer)]}
            assert {message.data for message in first.values()} == {b"0", b"1"}
            assert await consumer.receive(timeout=0.5) is None, "one message of a key at a time"
            await first["a"].nack(delay=0.5)
            await first["b"].ack()
            seen = [await taken(consumer)]
            await seen[-1].ack()
            while len(seen) < 5:
                seen.append(await taken(consumer))
                await seen[-1].ack()
            assert [message.data for message in seen if message.message_key == "a"] == [b"0", b"2", b"4"]
            assert [message.data for message in seen if message.message_key == "b"] == [b"3", b"5"]
            assert [message.delivery_count for message in seen if message.data == b"0"] == [2]
        with pytest.raises(OMSRuntimeException, match="1418"):
            async with access_point.create_pull_consumer(queue, group="g", order="none", update=True):
                pass


async def taken(consumer: oms.PullConsumer) -> oms.ReceivedMessage:
    message = await consumer.receive(timeout=10)
    assert message is not None
    return message


def test_keys_keep_their_order(pulsar_server: Server, queue: str) -> None:
    asyncio.run(in_order(pulsar_server, queue))


async def delaying(server: Server, queue: str) -> None:
    async with connect(server) as access_point:
        producer, consumer = access_point.create_producer(), access_point.create_pull_consumer(queue, group="g")
        async with producer, consumer:
            begun = time.time()
            await producer.send(producer.create_message(queue, b"later", delay=1.5))
            await producer.send(producer.create_message(queue, b"now"))
            seen = []
            for _ in range(2):
                message = await taken(consumer)
                seen.append((message.data, time.time() - begun))
                await message.ack()
            assert [data for data, _ in seen] == [b"now", b"later"]
            assert seen[1][1] >= 1.5


def test_delayed_messages_never_come_early(pulsar_server: Server, queue: str) -> None:
    asyncio.run(delaying(pulsar_server, queue))


async def broadcasting(server: Server, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message(queue, b"before"))
        one, two = (access_point.create_pull_consumer(queue, broadcast=True, start="earliest") for _ in range(2))
        async with one, two:
            for consumer in (one, two):
                message = await taken(consumer)
                assert message.data == b"before"
                await message.ack()
            assert len((await access_point.resource_manager().describe_queue(queue)).groups) == 2
        assert (await access_point.resource_manager().describe_queue(queue)).groups == []


def test_broadcast_groups_end_with_their_consumers(pulsar_server: Server, queue: str) -> None:
    asyncio.run(broadcasting(pulsar_server, queue))


async def seeking(server: Server, queue: str) -> None:
    async with connect(server) as access_point:
        manager = access_point.resource_manager()
        async with access_point.create_producer() as producer:
            results = [await producer.send(producer.create_message(queue, b"%d" % at)) for at in range(5)]
            await asyncio.sleep(0.01)  # between the times of two messages
            middle = datetime.now(UTC)
            results += [await producer.send(producer.create_message(queue, b"%d" % at)) for at in range(5, 10)]
        for to, first in (("earliest", 0), (middle, 5), (f"offset:{results[3].offset}", 3), ("latest", 10)):
            async with access_point.create_pull_consumer(queue, group="g", prefetch=0):
                pass
            await manager.seek_group(queue, "g", to)
            async with access_point.create_pull_consumer(queue, group="g", prefetch=0) as consumer:
                found: list[int] = []
                while len(found) < 10 - first:
                    messages = await consumer.batch_receive(10, timeout=10)
                    assert messages, to
                    found += [int(message.data) for message in messages]
                    await consumer.ack(messages)
                assert sorted(found) == list(range(first, 10)), to
                assert await consumer.receive(timeout=0.3) is None
        with pytest.raises(OMSRuntimeException, match="1404"):
            await manager.seek_group(queue, "nobody", "earliest")
        stream = [message async for message in manager.browse(queue)]
        assert [int(message.data) for message in stream] == list(range(10))
        assert [message.offset for message in stream] == [result.offset for result in results]
        driver, name = await access_point.get_driver(), f"default://{queue}"
        before = [await driver.read_before(name, 0, result.offset) for result in results]
        assert before[0] is None
        assert [each.base_offset for each in before[1:] if each] == [result.offset for result in results[:-1]]
        last = await driver.read_before(name, 0, results[-1].offset + (1 << 40))
        assert last is not None
        assert last.base_offset == results[-1].offset
        assert await driver.find_time(name, 0, int(time.time() * 1000) + 60_000) > results[-1].offset
        group = await manager.describe_group(queue, "g")
        assert group.config.invisible_time == 30.0
        await manager.delete_group(queue, "g")
        assert await manager.list_groups(queue) == []


def test_groups_are_moved_and_queues_browsed(pulsar_server: Server, queue: str) -> None:
    asyncio.run(seeking(pulsar_server, queue))


async def managing(server: Server, queue: str) -> None:
    async with connect(server) as access_point:
        manager = access_point.resource_manager()
        namespace = f"n{queue[2:]}"
        await manager.create_namespace(namespace)
        assert namespace in await manager.list_namespaces()
        await manager.create_queue(f"{namespace}://{queue}.x", 3, retention_age=3600.0)
        assert await manager.list_queues(namespace) == {f"{namespace}://{queue}.x"}
        assert (await manager.describe_queue(f"{namespace}://{queue}.x")).partitions == 3
        assert (await manager.describe_queue(f"{namespace}://{queue}.x")).config == {"retention_age": 3600.0}
        await manager.update_queue(f"{namespace}://{queue}.x", retention="keep")
        assert (await manager.describe_queue(f"{namespace}://{queue}.x")).config == {"retention": "keep"}
        await manager.create_queue(queue)
        wrong = {
            1400: manager.delete_namespace(namespace),
            1404: manager.describe_queue("nowhere"),
            1405: manager.create_queue("nospace://q"),
            1406: manager.create_queue(queue),
            1407: manager.create_namespace(namespace),
        }
        for code, call in wrong.items():
            with pytest.raises(OMSRuntimeException) as caught:
                await call
            assert (caught.value.code, bool(caught.value.next_step)) == (code, True)
        await manager.delete_queue(f"{namespace}://{queue}.x")
        await manager.delete_namespace(namespace)
        assert namespace not in await manager.list_namespaces()
        with pytest.raises(OMSRuntimeException, match="1405"):
            await manager.list_queues(namespace)
    async with connect(server, auto_create=False) as access_point, access_point.create_producer() as producer:
        for code, message in ((1404, ("nowhere", b"")), (1413, (queue, b"x" * (5 << 20)))):
            with pytest.raises(OMSRuntimeException, match=str(code)):
                await producer.send(producer.create_message(*message))


def test_queues_namespaces_and_errors(pulsar_server: Server, queue: str) -> None:
    asyncio.run(managing(pulsar_server, queue))
