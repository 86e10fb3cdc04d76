"""The driver over a real server: what a message keeps, queues, groups, and what is refused."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Capability, Durability
from openmessaging.testing.servers import Nats
from tests.drivers.nats.conftest import SYNCED

PROPERTIES: dict[str, Any] = {
    "s": "größe",
    "i": 1 << 60,
    "d": 2.5,
    "b": True,
    "x": b"\xff\x00",
    "two words": "  a\r\nb ",
    "Nats-Rollup": "all",
    "oms-x": "",
}


def connect(server: Nats, **attributes: Any) -> oms.AccessPoint:
    return oms.connect(server.url, {**SYNCED, **attributes})


async def keeping(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            headers = {"correlation_id": "c", "trace_id": "t"}
            message = producer.create_message(queue, b"\x00", message_key="k ", properties=PROPERTIES, **headers)
            sent = await producer.send(message)
            assert (sent.offset, sent.durability) == (1, Durability.FSYNC)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            got = await consumer.receive(timeout=5)
            assert got is not None
            assert (got.data, got.message_key, dict(got.properties)) == (b"\x00", "k ", PROPERTIES)
            assert (got.message_id, got.offset, got.partition, got.delivery_count) == (sent.message_id, 1, 0, 1)
            assert (got.get_header("correlationId"), got.get_header("traceId")) == ("c", "t")
            assert got.header.born_timestamp == message.header.born_timestamp
            assert abs((got.get_header("storeTimestamp") or 0) - time.time() * 1000) < 60_000
            await got.ack()
            await consumer.flush()
        assert (await access_point.resource_manager().describe_group(queue, "g")).lag == 0


def test_a_message_keeps_all_it_has(server: Nats, queue: str) -> None:
    asyncio.run(keeping(server, queue))


async def partitioned(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        manager = access_point.resource_manager()
        await manager.create_queue(queue, 3, retention_age=3600.0, retention_bytes=1 << 30)
        async with access_point.create_producer() as producer:
            keyed = [producer.create_message(queue, b"%d" % at, message_key=f"k{at}") for at in range(30)]
            for result in await asyncio.gather(*map(producer.send, keyed)):
                assert result.partition in (0, 1, 2)
            many = await producer.send([producer.create_message(queue, b"x") for _ in range(2_500)])
            offsets = [result.offset for result in many]
            assert offsets == list(range(offsets[0], offsets[0] + 2_500))
        info = await manager.describe_queue(queue)
        assert (info.partitions, info.messages, info.config["retention_age"]) == (3, 2_530, 3600.0)
        seen = [message async for message in manager.browse(queue)]
        assert len(seen) == 2_530
        assert len({message.offset for message in seen}) == 2_530
        await manager.update_queue(queue, retention_bytes=None)
        assert (await manager.describe_queue(queue)).config == {"retention": "keep", "retention_age": 3600.0}
        assert await manager.purge_queue(queue) == 2_530


def test_partitions_lists_and_browsing(server: Nats, queue: str) -> None:
    asyncio.run(partitioned(server, queue))


async def managing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        manager = access_point.resource_manager()
        namespace = f"n{queue[2:]}"
        await manager.create_namespace(namespace)
        assert namespace in await manager.list_namespaces()
        await manager.create_queue(f"{namespace}://{queue}.x")
        assert await manager.list_queues(namespace) == {f"{namespace}://{queue}.x"}
        await manager.create_queue(queue)
        wrong = {
            1400: manager.delete_namespace(namespace),
            1404: manager.describe_queue("nowhere"),
            1405: manager.create_queue("nospace://q"),
            1406: manager.create_queue(queue),
            1407: manager.create_namespace(namespace),
            1418: manager.create_queue("many", 100_000),
        }
        for code, call in wrong.items():
            with pytest.raises(OMSRuntimeException) as caught:
                await call
            assert caught.value.code == code
            assert caught.value.next_step
        with pytest.raises(OMSUnsupportException, match="compact"):
            await manager.create_queue("table", compact=True)
        with pytest.raises(OMSRuntimeException, match="retention_age"):
            await manager.create_queue("aged", retention_age=-1)
        for missing in (manager.list_queues("nospace"), manager.delete_namespace("nospace")):
            with pytest.raises(OMSRuntimeException, match="1405"):
                await missing
        await manager.delete_queue(f"{namespace}://{queue}.x")
        await manager.delete_namespace(namespace)
        assert namespace not in await manager.list_namespaces()
        with pytest.raises(OMSRuntimeException, match="1400"):
            await manager.delete_namespace("default")
    async with connect(server, auto_create=False) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException, match="1404"):
            await producer.send(producer.create_message("nowhere", b""))
        with pytest.raises(OMSRuntimeException, match="1413"):
            await producer.send(producer.create_message(queue, b"x" * (1 << 20)))


def test_queues_namespaces_and_errors(server: Nats, queue: str) -> None:
    asyncio.run(managing(server, queue))


async def seeking(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        manager = access_point.resource_manager()
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at, message_key="k") for at in range(5)])
            middle = datetime.now(UTC)
            await producer.send([producer.create_message(queue, b"%d" % at, message_key="l") for at in range(5, 10)])
        async with access_point.create_pull_consumer(queue, group="g", prefetch=0) as consumer:
            for to, first in (("earliest", 0), ("offset:4", 3), (middle, 5), ("key:l", 5), ({0: 9}, 8)):
                await manager.seek_group(queue, "g", to)
                found = []
                while len(found) < 10 - first:
                    messages = await consumer.batch_receive(10, timeout=5)
                    assert messages, to
                    found += [int(message.data) for message in messages]
                    await consumer.ack(messages)
                assert found == list(range(first, 10)), to
            await consumer.flush()
        group = await manager.describe_group(queue, "g")
        assert (group.lag, group.in_flight, group.floors) == (0, 0, [11])
        await manager.seek_group(queue, "g", "offset:6")
        group = await manager.describe_group(queue, "g")
        assert (group.lag, group.oldest_ms is not None) == (5, True)
        for to in ("offset:x", {1: 1}):
            with pytest.raises(OMSRuntimeException, match="1418"):
                await manager.seek_group(queue, "g", to)
        assert [each.name for each in await manager.list_groups(queue)] == ["g"]
        assert "g" in {each.name for each in await manager.list_groups()}
        await manager.delete_group(queue, "g")
        with pytest.raises(OMSRuntimeException, match="1404"):
            await manager.describe_group(queue, "g")


def test_groups_can_be_moved(server: Nats, queue: str) -> None:
    asyncio.run(seeking(server, queue))


async def walking(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, b"%d" % at) for at in range(3)])
        async with access_point.create_streaming_consumer() as streaming:
            (name,) = await streaming.list_streams(queue)
            end = await streaming.seek_to_end(name)
            assert (await end.previous()).data == b"2"
            begin = await streaming.seek_to_beginning(name)
            assert [(await begin.next()).data for _ in range(3)] == [b"0", b"1", b"2"]
            assert not await begin.has_next()
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            waiting = asyncio.ensure_future(consumer.receive_from(queue, 0, 4, timeout=10.0))
            await asyncio.sleep(0.1)
            begun = time.monotonic()
            await producer.send(producer.create_message(queue, b"new"))
            assert [message.data for message in await waiting] == [b"new"]
            assert time.monotonic() - begun < 2.0
            assert await consumer.receive_from(queue, 0, 99, timeout=0.2) == []
            with pytest.raises(OMSRuntimeException, match="1418"):
                await consumer.receive_from(queue, 3, 1)


def test_streams_are_walked_and_waited_for(server: Nats, queue: str) -> None:
    asyncio.run(walking(server, queue))


async def broadcasting(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        everyone = [access_point.create_pull_consumer(queue, broadcast=True) for _ in range(2)]
        for each in everyone:
            await each.startup()
        await producer.send(producer.create_message(queue, b"all"))
        for each in everyone:
            message = await each.receive(timeout=5)
            assert message is not None
            await message.ack()
        assert len(await access_point.resource_manager().list_groups(queue)) == 2
        for each in everyone:
            await each.shutdown()
        assert await access_point.resource_manager().list_groups(queue) == []


def test_each_consumer_of_a_broadcast_gets_all(server: Nats, queue: str) -> None:
    asyncio.run(broadcasting(server, queue))


async def expiring(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"short", ttl=0.2))
            await producer.send(producer.create_message(queue, b"long", ttl=60))
        await asyncio.sleep(0.3)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            message = await consumer.receive(timeout=5)
            assert message is not None
            assert message.data == b"long"
            await message.ack()
        deadline = time.monotonic() + 5
        while (await access_point.resource_manager().describe_queue(queue)).messages != 1:
            assert time.monotonic() < deadline, "the server has not dropped what expired"
            await asyncio.sleep(0.1)


def test_what_expires_is_not_delivered_and_goes(server: Nats, queue: str) -> None:
    asyncio.run(expiring(server, queue))


async def asking(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:

        async def answer(message: oms.ReceivedMessage) -> bytes:
            return message.data.upper()

        async with access_point.create_service(queue, answer, group="s"):
            for _ in range(3):
                reply = await producer.request(producer.create_message(queue, b"hello"), timeout=10)
                assert reply.data == b"HELLO"


def test_requests_are_answered_over_queues(server: Nats, queue: str) -> None:
    asyncio.run(asking(server, queue))


async def refusing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        driver = await access_point.get_driver()
        assert Capability.DELAY in driver.capabilities
        assert Capability.TRANSACTIONS not in driver.capabilities
        async with access_point.create_producer() as producer:
            with pytest.raises(OMSUnsupportException, match="priority"):
                await producer.send(producer.create_message(queue, b"", priority=9))
        with pytest.raises(OMSUnsupportException, match="filter"):
            await access_point.create_pull_consumer(queue, group="g", filter="a = 1").startup()
        with pytest.raises(OMSUnsupportException, match="peek"):
            await access_point.resource_manager().peek(queue, "g")


def test_what_it_cannot_do_is_refused(server: Nats, queue: str) -> None:
    asyncio.run(refusing(server, queue))
