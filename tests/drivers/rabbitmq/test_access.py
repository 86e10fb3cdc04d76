"""What the driver does on a real RabbitMQ."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.spi import Capability, Durability
from openmessaging.testing.servers.rabbitmq import Rabbitmq

NUMBERS = itertools.count()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


@pytest.fixture
def queue() -> str:
    return f"orders.{next(NUMBERS)}"


@asynccontextmanager
async def connected(rabbit: Rabbitmq, **attributes: Any) -> AsyncIterator[Any]:
    async with oms.connect(rabbit.url, attributes) as access_point:
        yield access_point


async def send(access_point: Any, queue: str, *bodies: bytes, **headers: Any) -> Any:
    async with access_point.create_producer() as producer:
        return await producer.send([producer.create_message(queue, body, **headers) for body in bodies])


async def take(consumer: Any, count: int, timeout: float = 10.0) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        more = await consumer.batch_receive(count - len(found), timeout)
        assert more, f"only {len(found)} of {count} came"
        found += more
    return found


def test_every_kind_of_property_and_header_comes_back(rabbit: Rabbitmq, queue: str) -> None:
    properties = {
        "text": "grün ✓",
        "empty": "",
        "yes": True,
        "small": -5,
        "large": (1 << 63) - 1,
        "double": 0.1,
        "infinite": float("inf"),
        "binary": b"\x00\xff",
        "readable": b"abc",
        "oms-mine": "kept",
        "x-y": "z",
        "a=b,c": 1.5,
    }

    async def go() -> None:
        async with connected(rabbit) as access_point, access_point.create_producer() as producer:
            message = producer.create_message(queue, b"\x00body", message_key="älice")
            for name, value in properties.items():
                message.properties[name] = value
            header = message.extension_header
            header.correlation_id = "c" * 300
            header.trace_id = "trace"
            sent = await producer.send(message)
            assert sent.durability is Durability.FSYNC
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                (found,) = await take(consumer, 1)
                assert dict(found.properties) == properties
                assert {name: type(value) for name, value in found.properties.items()} == {
                    name: type(value) for name, value in properties.items()
                }
                assert found.data == b"\x00body"
                assert found.message_key == "älice"
                assert found.message_id == sent.message_id
                assert found.header.born_timestamp == message.header.born_timestamp
                assert found.header.born_host == message.header.born_host
                assert found.extension_header.correlation_id == "c" * 300
                assert found.extension_header.trace_id == "trace"
                assert found.delivery_count == 1
                await found.ack()

    run(go())


def test_what_was_given_back_comes_again_and_is_counted(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point:
            await send(access_point, queue, b"later", b"now", b"released", b"dead", b"done")
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                first = {each.data: each for each in await take(consumer, 5)}
                begun = asyncio.get_running_loop().time()
                await first[b"later"].nack(0.3)
                await first[b"now"].nack(0.0)
                first[b"released"].lease.release((first[b"released"].leased_offset,))
                await first[b"dead"].reject("unfit")
                await first[b"done"].ack()
                await consumer.flush()
                again = await take(consumer, 3)
                assert {each.data: each.delivery_count for each in again} == {b"later": 2, b"now": 2, b"released": 1}
                assert again[-1].data == b"later"
                assert asyncio.get_running_loop().time() - begun >= 0.3
                await again[-1].nack(0.1)
                (third,) = await take(consumer, 1)
                assert (third.data, third.delivery_count) == (b"later", 3)
                await consumer.ack([*again[:2], third])
                await consumer.flush()
                assert await consumer.batch_receive(10, 0.2) == []
            async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="look") as consumer:
                (dead,) = await take(consumer, 1)
                assert dead.data == b"dead"
                assert dead.properties["dead-letter.reason"] == "unfit"
                await dead.ack()

    run(go())


def test_the_last_failure_makes_a_dead_letter(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point:
            await send(access_point, queue, b"bad")
            backoff = oms.Backoff(initial=0.05, max_delivery=3)
            async with access_point.create_pull_consumer(queue, group="g", backoff=backoff) as consumer:
                for attempt in (1, 2, 3):
                    (bad,) = await take(consumer, 1)
                    assert bad.delivery_count == attempt
                    await bad.nack(reason=f"failure {attempt}")
                await consumer.flush()
            async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="look") as consumer:
                (dead,) = await take(consumer, 1)
                assert dead.properties["dead-letter.delivery-count"] == 3
                assert dead.properties["dead-letter.reason"] == "failure 3"
                await dead.ack()

    run(go())


def test_a_lease_that_is_over_gives_its_messages_to_others(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point:
            await send(access_point, queue, b"slow")
            options = {"group": "g", "invisible_time": 0.3, "backoff": oms.Backoff(initial=0.05)}
            async with access_point.create_pull_consumer(queue, **options) as sleepy:
                (slow,) = await take(sleepy, 1)
                async with access_point.create_pull_consumer(queue, **options) as other:
                    (again,) = await take(other, 1)
                    assert (again.data, again.delivery_count) == (b"slow", 2)
                    await again.ack()
                with pytest.raises(oms.OMSRuntimeException) as caught:
                    await slow.ack()
                assert caught.value.code == 1418

    run(go())


def test_two_consumers_share_and_one_that_dies_leaves_its_messages_to_the_other(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point, connected(rabbit) as doomed:
            await send(access_point, queue, *(b"%d" % number for number in range(40)))
            one = doomed.create_pull_consumer(queue, group="g")
            await one.startup()
            async with access_point.create_pull_consumer(queue, group="g") as two:
                held = await take(one, 10)
                seen = await take(two, 10)
                driver = await doomed.get_driver()
                driver._link._connection._writer_task.cancel()  # as a crash would
                seen += await take(two, 30)
                assert {each.data for each in seen} == {b"%d" % number for number in range(40)}
                again = [each for each in seen if each.delivery_count > 1]
                assert {each.data for each in held} <= {each.data for each in again}
                await two.ack(seen)

    run(go())


def test_groups_get_what_is_sent_when_they_exist_and_the_first_one_all_before(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point:
            await send(access_point, queue, b"1", b"2")
            async with (
                access_point.create_pull_consumer(queue, group="late", start="latest") as late,
                access_point.create_pull_consumer(queue, group="first") as first,
                access_point.create_pull_consumer(queue, group="second") as second,
            ):
                await send(access_point, queue, b"3")
                assert [each.data for each in await take(first, 3)] == [b"1", b"2", b"3"]
                assert [each.data for each in await take(second, 1)] == [b"3"]
                assert [each.data for each in await take(late, 1)] == [b"3"]
            manager = access_point.resource_manager()
            await manager.delete_group(queue, "first")
            async with access_point.create_pull_consumer(queue, group="heir") as heir:
                assert {each.data for each in await take(heir, 3)} == {b"1", b"2", b"3"}

    run(go())


def test_broadcast_consumers_get_everything_from_now_on(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point:
            await send(access_point, queue, b"before")
            async with (
                access_point.create_pull_consumer(queue, group="all", broadcast=True) as one,
                access_point.create_pull_consumer(queue, group="all", broadcast=True) as two,
            ):
                await send(access_point, queue, b"after")
                for consumer in (one, two):
                    (found,) = await take(consumer, 1)
                    assert found.data == b"after"
                    await found.ack()

    run(go())


def test_partitions_keep_their_messages(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit, auto_create=False) as access_point:
            manager = access_point.resource_manager()
            await manager.create_queue(queue, 5)
            assert (await manager.describe_queue(queue)).partitions == 5
            async with connected(rabbit) as other, other.create_producer() as producer:
                messages = [producer.create_message(queue, b"%d" % n, message_key=f"k{n % 7}") for n in range(70)]
                sent = await asyncio.gather(*map(producer.send, messages))
                async with access_point.create_pull_consumer(queue, group="g") as consumer:
                    found = await take(consumer, 70)
                    assert {each.data: each.partition for each in found} == {
                        message.data: result.partition for message, result in zip(messages, sent, strict=True)
                    }
                    for key in {each.message_key for each in found}:
                        bodies = [int(each.data) for each in found if each.message_key == key]
                        assert bodies == sorted(bodies)
                    await consumer.ack(found)

    run(go())


def test_what_expired_is_not_delivered(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit) as access_point, access_point.create_producer() as producer:
            assert Capability.EXPIRY in (await access_point.get_driver()).capabilities
            brief = producer.create_message(queue, b"brief")
            brief.extension_header.expire_time = 4_000_000_000_000
            gone = producer.create_message(queue, b"gone", ttl=0.2)
            await producer.send([gone, brief])
            await asyncio.sleep(0.4)
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                (found,) = await take(consumer, 1)
                assert found.data == b"brief"
                assert found.extension_header.expire_time == brief.extension_header.expire_time
                await found.nack(0.1)
                (again,) = await take(consumer, 1)
                assert again.extension_header.expire_time == brief.extension_header.expire_time
                await again.ack()

    run(go())


def test_queues_are_made_described_purged_and_deleted(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit, auto_create=False) as access_point:
            manager = access_point.resource_manager()
            for missing in (manager.describe_queue(queue), manager.purge_queue(queue), manager.delete_queue(queue)):
                with pytest.raises(oms.OMSDestinationException) as caught:
                    await missing
                assert caught.value.code == 1404
                assert caught.value.next_step
            await manager.create_queue(queue)
            with pytest.raises(oms.OMSDestinationException) as caught:
                await manager.create_queue(queue)
            assert caught.value.code == 1406
            with pytest.raises(oms.OMSUnsupportException):
                await manager.create_queue(queue + "2", retention="keep")
            await send(access_point, queue, b"1", b"2")
            assert (await manager.describe_queue(queue)).messages == 2
            assert await manager.purge_queue(queue) == 2
            with pytest.raises(oms.OMSDestinationException):
                await manager.delete_group(queue, "g")
            for refused in (manager.describe_group(queue, "g"), manager.list_queues()):
                with pytest.raises(oms.OMSUnsupportException):
                    await refused
            with pytest.raises(oms.OMSRuntimeException) as wrong:
                await manager.create_queue(queue + "3", 0)
            assert wrong.value.code == 1418
            await manager.delete_queue(queue)
            with pytest.raises(oms.OMSDestinationException):
                await manager.describe_queue(queue)

    run(go())


def test_errors_have_the_standard_s_codes(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit, auto_create=False) as access_point:
            with pytest.raises(oms.OMSDestinationException) as caught:
                await send(access_point, queue, b"x")
            assert caught.value.code == 1404
            with pytest.raises(oms.OMSDestinationException):
                async with access_point.create_pull_consumer(queue, group="g"):
                    pass
        async with connected(rabbit) as access_point, access_point.create_producer() as producer:
            message = producer.create_message(queue, b"x")
            message.properties["n" * 129] = "too long a name"
            with pytest.raises(oms.OMSMessageFormatException) as caught:
                await producer.send(message)
            assert caught.value.code == 1411
            for headers in ({"delay_time": 1000}, {"priority": 9}):
                with pytest.raises(oms.OMSUnsupportException):
                    await producer.send(producer.create_message(queue, b"x", **headers))
            for wrong in ({"order": "key"}, {"start": "ts:5"}, {"start": "somewhere"}):
                with pytest.raises(oms.OMSRuntimeException) as caught:
                    async with access_point.create_pull_consumer(queue, group="g", **wrong):
                        pass
                assert caught.value.code in (1400, 1418)

    run(go())


def test_one_that_is_deleted_under_a_sender_and_a_consumer_is_missing(rabbit: Rabbitmq, queue: str) -> None:
    async def go() -> None:
        async with connected(rabbit, auto_create=False) as access_point, access_point.create_producer() as producer:
            manager = access_point.resource_manager()
            await manager.create_queue(queue)
            await manager.create_queue(queue + "other")
            await producer.send(producer.create_message(queue, b"x"))
            async with access_point.create_pull_consumer(queue, group="g") as consumer:
                (found,) = await take(consumer, 1)
                await found.ack()
                await consumer.flush()
                async with connected(rabbit) as other:
                    await other.resource_manager().delete_queue(queue)
                results = await asyncio.gather(
                    *(producer.send(producer.create_message(name, b"y")) for name in (queue, queue + "other")),
                    return_exceptions=True,
                )
                assert getattr(results[0], "code", None) == 1404
                assert isinstance(results[1], oms.SendResult)
                with pytest.raises(oms.OMSDestinationException):
                    await consumer.receive(5)

    run(go())
