"""Leases over streams: settling, attempts, redelivery, several consumers."""

import asyncio
import time

import redis.asyncio as redis

import openmessaging as oms
from openmessaging.drivers.redis.names import WAITING
from openmessaging.testing.servers import Server
from tests.drivers.redis.test_access import run


async def send(access_point: oms.AccessPoint, queue: str, count: int) -> None:
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, b"%d" % at) for at in range(count)])


def test_attempts_delays_and_dead_letters(server: Server, queue: str) -> None:
    backoff = oms.Backoff(initial=0.05, factor=1.0, jitter=0.0, max_delivery=3)

    async def work(access_point: oms.AccessPoint) -> None:
        await send(access_point, queue, 3)
        async with access_point.create_pull_consumer(queue, group="g", backoff=backoff, prefetch=1) as consumer:
            failing, released, rejected = await consumer.batch_receive(3, 5)
            began = time.monotonic()
            await failing.nack(0.4)
            released.lease.release((released.leased_offset,))
            await rejected.reject("never")
            await consumer.flush()
            first = await consumer.receive(5)
            assert first is not None
            assert (first.data, first.delivery_count) == (released.data, 1), "released: the attempt does not count"
            await first.ack()
            for attempt in (2, 3):
                again = await consumer.receive(5)
                assert again is not None
                assert (again.data, again.delivery_count) == (failing.data, attempt)
                if attempt == 2:
                    assert time.monotonic() - began > 0.39
                await again.nack(reason="broken")
            await consumer.flush()
            assert await consumer.receive(0.3) is None
            info = await access_point.resource_manager().describe_group(queue, "g")
            assert (info.lag, info.in_flight, info.retrying) == (0, 0, 0)
        async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="look") as consumer:
            dead = {message.data: message for message in await consumer.batch_receive(2, 5)}
            assert dead[b"0"].properties["dead-letter.reason"] == "broken"
            assert dead[b"0"].properties["dead-letter.delivery-count"] == 3
            assert dead[b"2"].properties["dead-letter.reason"] == "never"
            assert dead[b"0"].header.message_id == failing.header.message_id

    run(server, work)


def test_what_waits_is_seen_and_survives_its_consumer(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        await send(access_point, queue, 2)
        manager = access_point.resource_manager()
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            one, two = await consumer.batch_receive(2, 5)
            await one.nack(0.5)
            await consumer.flush()
            info = await manager.describe_group(queue, "g")
            assert (info.lag, info.in_flight, info.retrying) == (2, 1, 1)
            client = redis.Redis(port=server.port)
            assert {WAITING.encode()} < {each["name"] for each in await client.xinfo_consumers(queue, "g")}
            await client.aclose()
            await two.ack()
            await consumer.flush()
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            again = await consumer.receive(5)
            assert again is not None
            assert (again.data, again.delivery_count) == (one.data, 2)

    run(server, work)


def test_a_lease_ends_at_its_time_and_lasts_longer_when_extended(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        await send(access_point, queue, 2)
        async with (
            access_point.create_pull_consumer(queue, group="g", invisible_time=0.3, prefetch=1) as holder,
            access_point.create_pull_consumer(queue, group="g", invisible_time=30, prefetch=1) as other,
        ):
            kept, lost = [await holder.receive(5), await holder.receive(5)]
            assert kept is not None
            assert lost is not None
            began = time.monotonic()
            await kept.extend(1.2)
            await holder.flush()
            again = await other.receive(5)
            assert again is not None
            assert (again.data, again.delivery_count) == (lost.data, 2)
            assert 0.2 < time.monotonic() - began < 1.0
            await again.ack()
            again = await other.receive(5)
            assert again is not None
            assert (again.data, again.delivery_count) == (kept.data, 2)
            assert time.monotonic() - began > 1.1
            await again.ack()
            await other.flush()

    run(server, work)


def test_two_consumers_share_and_a_dead_ones_messages_go_to_the_other(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        await manager.create_queue(queue, 3)
        await send(access_point, queue, 60)
        crashing = oms.connect(server.url)
        await crashing.startup()
        dying = crashing.create_pull_consumer(queue, group="g", invisible_time=0.5, prefetch=1)
        await dying.startup()
        held = await dying.batch_receive(20, 5)
        assert 1 <= len(held) <= 20
        driver = await crashing.get_driver()
        dying._intake._keeper.stop()  # nobody renews its leases any more, as if its process had died
        seen: dict[bytes, int] = {}
        async with access_point.create_pull_consumer(queue, group="g", prefetch=1) as living:
            while len(seen) < 60:
                messages = await living.batch_receive(20, 5)
                assert messages, f"only {len(seen)}"
                for message in messages:
                    assert message.data not in seen
                    seen[message.data] = message.delivery_count or 0
                await living.ack(messages)
            await living.flush()
        counts = sorted({seen[message.data] for message in held})
        assert counts == [2], "the dead one's attempt counts"
        assert (await manager.describe_group(queue, "g")).lag == 0
        await driver.close()

    run(server, work)


def test_each_broadcast_consumer_gets_everything_and_leaves_nothing(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        await manager.create_queue(queue)
        async with (
            access_point.create_pull_consumer(queue, group="g", broadcast=True) as one,
            access_point.create_pull_consumer(queue, group="g", broadcast=True) as two,
        ):
            assert len((await manager.describe_queue(queue)).groups) == 2
            await send(access_point, queue, 5)
            for consumer in (one, two):
                messages = await consumer.batch_receive(5, 5)
                assert [message.data for message in messages] == [b"0", b"1", b"2", b"3", b"4"]
                await consumer.ack(messages)
        assert (await manager.describe_queue(queue)).groups == []

    run(server, work)


def test_a_deleted_group_is_an_error_of_the_next_receive(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        await send(access_point, queue, 1)
        async with access_point.create_pull_consumer(queue, group="g", prefetch=1) as consumer:
            message = await consumer.receive(5)
            assert message is not None
            await access_point.resource_manager().delete_group(queue, "g")
            failure = None
            try:
                await asyncio.wait_for(consumer.receive(5), 10)
            except oms.OMSRuntimeException as caught:
                failure = caught
            assert failure is not None
            assert failure.code == 1404

    run(server, work)
