"""Leases, settlement and order over a real server."""

import asyncio
import time
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Backoff
from openmessaging.testing.servers import Nats
from tests.drivers.nats.test_driver import connect


async def taken(consumer: oms.PullConsumer, timeout: float = 5.0) -> oms.ReceivedMessage:
    message = await consumer.receive(timeout=timeout)
    assert message is not None
    return message


async def failing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"x", properties={"p": 1}))
        backoff = Backoff(initial=0.05, jitter=0.0, max_delivery=3)
        async with access_point.create_pull_consumer(queue, group="g", backoff=backoff) as consumer:
            first = await taken(consumer)
            await first.nack(delay=0.4, reason="later")
            begun = time.monotonic()
            second = await taken(consumer)
            assert time.monotonic() - begun > 0.3
            assert (second.data, second.delivery_count, second.message_id) == (b"x", 2, first.message_id)
            await second.nack()
            third = await taken(consumer)
            assert third.delivery_count == 3
            await third.nack(reason="broken")
            await consumer.flush()
            assert await consumer.receive(timeout=0.3) is None
        letters = f"{queue}.g.dead-letter"
        async with access_point.create_pull_consumer(letters, group="ops") as consumer:
            letter = await taken(consumer)
            assert (letter.data, letter.message_id, letter.properties["p"]) == (b"x", first.message_id, 1)
            assert letter.properties["dead-letter.reason"] == "broken"
            assert letter.properties["dead-letter.delivery-count"] == 3
            assert letter.properties["dead-letter.offset"] == 1
            await letter.reject("again")
        assert f"default://{letters}.ops.dead-letter" in await access_point.resource_manager().list_queues()


def test_attempts_delays_and_dead_letters(server: Nats, queue: str) -> None:
    asyncio.run(failing(server, queue))


async def expiring(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(2)])
        common: dict[str, Any] = {"group": "g", "invisible_time": 1.0, "prefetch": 0}
        async with (
            access_point.create_pull_consumer(queue, **common) as one,
            access_point.create_pull_consumer(queue, **common) as other,
        ):
            held = await taken(one)
            mine = await taken(other)
            assert {held.data, mine.data} == {b"0", b"1"}
            await mine.extend(3.0)
            again = await taken(other)
            assert (again.data, again.delivery_count) == (held.data, 2)
            with pytest.raises(OMSRuntimeException, match="1418"):
                await held.ack()
            await again.ack()
            assert await one.receive(timeout=1.0) is None, "it was to stay hidden for longer than the group's time"
            await mine.ack()
            await other.flush()
        assert (await access_point.resource_manager().describe_group(queue, "g")).lag == 0


def test_leases_end_and_last(server: Nats, queue: str) -> None:
    asyncio.run(expiring(server, queue))


async def releasing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(20)])
        async with access_point.create_pull_consumer(queue, group="g", prefetch=20) as consumer:
            await (await taken(consumer)).ack()
        async with access_point.create_pull_consumer(queue, group="g", prefetch=20) as consumer:
            left = set()
            while len(left) < 19:
                message = await taken(consumer)
                assert message.delivery_count == 2, "NATS counts every delivery"
                left.add(message.data)
                await message.ack()


def test_what_was_not_handled_goes_back_at_once(server: Nats, queue: str) -> None:
    asyncio.run(releasing(server, queue))


async def dying_of_leases(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message(queue, b"it kills"))
        backoff = Backoff(initial=0.05, jitter=0.0, max_delivery=2)
        common: dict[str, Any] = {"group": "g", "invisible_time": 0.5, "backoff": backoff, "prefetch": 0}
        async with access_point.create_pull_consumer(queue, **common) as consumer:
            first = await taken(consumer)
            second = await taken(consumer)
            assert (first.delivery_count, second.delivery_count) == (1, 2)
            with pytest.raises(OMSRuntimeException, match="1418"):
                await first.ack()
            async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="ops") as ops:
                assert (await taken(ops)).data == b"it kills"


def test_a_message_that_nobody_answers_dies(server: Nats, queue: str) -> None:
    asyncio.run(dying_of_leases(server, queue))


async def changing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_pull_consumer(queue, group="g", invisible_time=5.0, start="latest"):
            pass
        async with access_point.create_pull_consumer(queue, group="g", invisible_time=7.0):
            pass
        manager = access_point.resource_manager()
        assert (await manager.describe_group(queue, "g")).config.invisible_time == 5.0
        async with access_point.create_pull_consumer(queue, group="g", invisible_time=7.0, update=True):
            pass
        assert (await manager.describe_group(queue, "g")).config.invisible_time == 7.0
        with pytest.raises(OMSUnsupportException, match="order"):
            await access_point.create_pull_consumer(queue, group="h", order="key").startup()


def test_a_group_keeps_its_settings_until_they_are_changed(server: Nats, queue: str) -> None:
    asyncio.run(changing(server, queue))


async def vanishing(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_pull_consumer(queue, group="g") as consumer:
        waiting = asyncio.ensure_future(consumer.receive(timeout=10))
        await asyncio.sleep(0.1)
        await access_point.resource_manager().delete_group(queue, "g")
        with pytest.raises(OMSRuntimeException, match="1404"):
            await waiting


def test_a_group_that_is_deleted_is_told(server: Nats, queue: str) -> None:
    asyncio.run(vanishing(server, queue))
