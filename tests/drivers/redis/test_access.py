"""Sending to Redis, and what its own client sees of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio as redis

import openmessaging as oms
from openmessaging.drivers.redis import access, names
from openmessaging.drivers.redis.access import RedisDriver
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSDestinationException, OMSMessageFormatException, OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Durability, OutgoingBatch
from openmessaging.testing.servers import Server

PROPERTIES = {
    "text": "Grüße",
    "flag": True,
    "whole": -(1 << 63),
    "real": 2.5,
    "bytes": b"\x00\xff",
    "body": "b",
    "key": "k",
    "oms-x": "y",
    "a b,=%": 1,
}


def run(server: Server, work: Callable[[oms.AccessPoint], Awaitable[None]], **attributes: object) -> None:
    async def main() -> None:
        async with oms.connect(server.url, attributes) as access_point:
            await work(access_point)

    asyncio.run(asyncio.wait_for(main(), 60))


def batch(name: str, *bodies: bytes, partition: int | None = None) -> OutgoingBatch:
    records = [Record(body, None, None, {"bornTimestamp": 1, "messageId": "1"}) for body in bodies]
    return OutgoingBatch(f"default://{name}", partition, encode_own(records, 1))


async def driver_of(access_point: oms.AccessPoint) -> RedisDriver:
    driver = await access_point.get_driver()
    assert isinstance(driver, RedisDriver)
    return driver


def test_everything_of_a_message_comes_back(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            message = producer.create_message(
                queue,
                b"\x00\xffbody",
                message_key="alice",
                properties=PROPERTIES,
                correlation_id="c-1",
                trace_id="t-1",
            )
            result = await producer.send(message)
            assert result.durability is Durability.FSYNC
            async with access_point.create_pull_consumer(queue, group="billing") as consumer:
                got = await consumer.receive(5)
                assert got is not None
                assert got.data == b"\x00\xffbody"
                assert dict(got.properties) == PROPERTIES
                assert [type(got.properties[name]) for name in PROPERTIES] == list(map(type, PROPERTIES.values()))
                assert (got.message_key, got.delivery_count) == ("alice", 1)
                headers, more = got.header, got.extension_header
                assert (headers.message_id, more.offset) == (result.message_id, result.offset)
                assert more.store_timestamp == result.store_timestamp == result.offset >> 20
                assert (more.correlation_id, more.trace_id) == ("c-1", "t-1")
                assert headers.born_host == message.header.born_host
                assert headers.born_timestamp == message.header.born_timestamp
                await consumer.ack(got)

    run(server, work)


def test_the_systems_own_client_reads_ours_and_ours_reads_its(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        async with access_point.create_producer() as producer:
            sent = await producer.send(producer.create_message(queue, b"ours", message_key="k", properties={"n": 1}))
        ((entry, fields),) = await client.xrange(queue)
        assert names.offset_of(entry) == sent.offset
        assert fields == {
            b"body": b"ours",
            b"key": b"k",
            b"n": b"1",
            b"oms-types": b"n=long",
            b"oms": f"{sent.message_id} {sent.origin.born_ms} {sent.origin.born_host}".encode(),
        }
        native = queue + "-native"
        first = await client.xadd(native, {"temperature": "21", "raw": b"\xff", "key": "\n", "oms-bornTimestamp": "x"})
        await client.xadd(native, {"body": "theirs", "key": "bob"})
        async with access_point.create_pull_consumer(native, group="g") as consumer:
            one, two = await consumer.batch_receive(2, 5)
            assert dict(one.properties) == {
                "temperature": "21", "raw": b"\xff", "key": "\n", "oms-bornTimestamp": "x"
            }  # fmt: skip
            assert (one.data, one.message_key, two.data, two.message_key) == (b"", None, b"theirs", "bob")
            assert one.header.born_timestamp == one.extension_header.store_timestamp == int(first.split(b"-")[0])
            assert one.header.message_id is not None
            assert one.header.message_id != two.header.message_id
            await consumer.ack([one, two])
            await consumer.flush()
        assert (await client.xpending(native, "g"))["pending"] == 0
        assert await client.xlen(native) == 2, "what others made is not trimmed"
        await client.aclose()

    run(server, work)


def test_batches_are_whole_and_their_offsets_follow(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        await manager.create_queue(queue, 3)
        async with access_point.create_producer() as producer:
            many = await producer.send([producer.create_message(queue, b"%d" % at, partition=1) for at in range(700)])
            assert [each.offset - many[0].offset for each in many] == list(range(700))
            driver = await driver_of(access_point)
            with pytest.raises(OMSDestinationException, match="1404"):
                # the second queue is gone although the driver knew it: nothing of the first is stored
                driver._partitions["default://nowhere"] = 2
                await driver.send([batch(queue, b"x", partition=0), batch("nowhere", b"y")])
            assert (await manager.describe_queue(queue)).messages == 700
            placements = await driver.send([batch(queue, b"x", partition=0), batch(queue, b"y", b"z", partition=2)])
            assert [each.partition for each in placements] == [0, 2]
            spread = [await producer.send(producer.create_message(queue, b"t")) for _ in range(3)]
            assert {each.partition for each in spread} == {0, 1, 2}

    run(server, work)


def test_long_batches_go_in_parts(server: Server, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "CALL_MESSAGES", 40)
    monkeypatch.setattr(access, "CALL_ARGUMENTS", 500)

    async def work(access_point: oms.AccessPoint) -> None:
        driver = await driver_of(access_point)
        stored, other = await driver.put([batch(queue, *[b"%d" % at for at in range(100)]), batch(queue, b"end")])
        assert not isinstance(stored, OMSRuntimeException)
        assert not isinstance(other, OMSRuntimeException)
        assert (stored.base_offset, stored.durability) == (-1, Durability.FSYNC)
        read = await driver.read(f"default://{queue}", 0, 0, 1000)
        assert sum(delivery.last for delivery in read) == 101
        assert read[-1].base_offset + read[-1].last - 1 == other.base_offset
        with pytest.raises(OMSRuntimeException, match="1418"):
            await driver.send([batch(queue, *[b""] * 100)])

    run(server, work)


def test_what_is_refused_is_said_for_each_batch(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        await client.set(f"{queue}-text", "no stream")
        driver = await driver_of(access_point)
        many = Record(b"", None, {f"p{at}": "" for at in range(2_000)}, {"bornTimestamp": 1, "messageId": "1"})
        outcomes = await driver.put(
            [
                batch(queue, b"a"),
                batch(f"{queue}-text", b"b"),
                OutgoingBatch(f"default://{queue}", 0, encode_own([many], 1)),
                batch(queue, b"c", partition=9),
                batch(queue, b"d"),
            ]
        )
        codes = [each.code if isinstance(each, OMSRuntimeException) else 0 for each in outcomes]
        assert codes == [0, 1418, 1411, 1418, 0]
        await client.aclose()

    run(server, work)

    async def strict(access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            with pytest.raises(OMSDestinationException, match=r"1404.*Create it"):
                await producer.send(producer.create_message(f"{queue}-none", b""))
            with pytest.raises(OMSMessageFormatException, match="1413"):
                await producer.send(producer.create_message(f"{queue}-none", b"x" * (RedisDriver.max_body_bytes + 1)))

    run(server, strict, auto_create=False)


def test_a_queue_made_anew_with_other_partitions_is_noticed(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        await manager.create_queue(queue, 2)
        async with oms.connect(server.url) as other, other.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"1"))
            await manager.delete_queue(queue)
            await manager.create_queue(queue, 1)
            with pytest.raises(OMSRuntimeException, match="1503"):
                await producer.send(producer.create_message(queue, b"2"))
            assert (await producer.send(producer.create_message(queue, b"3"))).partition == 0

    run(server, work)


def test_a_call_that_is_made_again_is_answered_and_not_done_again(server: Server, queue: str) -> None:
    """What a retry after a lost answer does."""

    async def work(access_point: oms.AccessPoint) -> None:
        driver = await driver_of(access_point)
        (first,) = await driver.send([batch(queue, b"once")])
        driver._number -= 1
        (again,) = await driver.send([batch(queue, b"once")])
        assert again == first
        assert (await access_point.resource_manager().describe_queue(queue)).messages == 1

    run(server, work)
