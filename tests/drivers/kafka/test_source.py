"""Consumers of groups on a real Kafka: settling, coming again, order, sharing."""

import asyncio
import contextlib
import sys
import time
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Backoff
from tests.drivers.kafka.conftest import opened, receive, run, send


async def settling(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        await send(point, queue, *[b"%d" % number for number in range(6)])
        async with point.create_pull_consumer(queue, group=queue, backoff=Backoff(max_delivery=9)) as consumer:
            first = await receive(consumer, 6)
            assert [message.delivery_count for message in first] == [1] * 6
            for place in (0, 2, 5):  # out of order
                await first[place].ack()
            await first[1].nack(delay=0.5)
            began = time.monotonic()
            (again,) = await receive(consumer, 1)
            assert time.monotonic() - began > 0.4
            assert (again.data, again.delivery_count, again.offset) == (b"1", 2, 1)
            await again.nack(delay=600)
            await consumer.flush()
            await asyncio.sleep(1.5)  # attempts are kept within a second
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            # What was out of order is known, and how often the others came.
            left = {message.data: message.delivery_count for message in await receive(consumer, 3)}
            assert left == {b"1": 3, b"3": 2, b"4": 2}
            assert await consumer.receive(timeout=0.5) is None


def test_messages_are_settled_one_by_one_and_come_again(kafka: Any, queue: str) -> None:
    run(settling(kafka, queue))


async def expiring(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        await send(point, queue, b"slow")
        async with point.create_pull_consumer(queue, group=queue, invisible_time=1.0) as consumer:
            (message,) = await receive(consumer, 1)
            (again,) = await receive(consumer, 1)
            assert again.delivery_count == 2
            with pytest.raises(OMSRuntimeException) as over:
                await message.ack()
            assert over.value.code == 1418
            await again.extend(5.0)
            assert await consumer.receive(timeout=2.0) is None
            await again.ack()


def test_a_lease_that_ends_brings_it_again(kafka: Any, queue: str) -> None:
    run(expiring(kafka, queue))


async def dying(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        await send(point, queue, b"bad", message_key="k", properties={"n": 1})
        async with point.create_pull_consumer(queue, group=queue, backoff=Backoff(0.05, max_delivery=2)) as consumer:
            for _ in range(2):
                (message,) = await receive(consumer, 1)
                await message.nack(reason="it is bad")
            assert await consumer.receive(timeout=0.5) is None
        letters = f"{queue}.{queue}.dead-letter"
        async with point.create_pull_consumer(letters, group="undertaker") as consumer:
            (letter,) = await receive(consumer, 1)
            await letter.ack()
        assert (letter.data, letter.message_key, letter.message_id) == (b"bad", "k", message.message_id)
        assert (letter.properties["n"], letter.properties["dead-letter.reason"]) == (1, "it is bad")
        assert letter.properties["dead-letter.delivery-count"] == 2
        assert (await point.resource_manager().describe_group(queue, queue)).lag == 0


def test_what_fails_too_often_is_a_dead_letter(kafka: Any, queue: str) -> None:
    run(dying(kafka, queue))


async def ordering(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 2) as point:
        for number in range(3):
            for key in "abcd":
                await send(point, queue, b"%d" % number, message_key=key)
        async with point.create_pull_consumer(queue, group=queue, order="key") as consumer:
            first = await receive(consumer, 4)
            assert {(message.message_key, message.data) for message in first} == {(key, b"0") for key in "abcd"}
            assert await consumer.receive(timeout=0.3) is None
            failed = next(message for message in first if message.message_key == "a")
            await failed.nack(delay=0.5)
            for message in first:
                if message is not failed:
                    await message.ack()
            seen: dict[str, list[bytes]] = {key: [] for key in "abcd"}
            for _ in range(9):
                (message,) = await receive(consumer, 1)
                seen[message.message_key].append(message.data)
                await message.ack()
            assert seen == {"a": [b"0", b"1", b"2"], **{key: [b"1", b"2"] for key in "bcd"}}


def test_one_message_of_a_key_is_out_and_others_wait(kafka: Any, queue: str) -> None:
    run(ordering(kafka, queue))


async def sharing(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 4) as point, oms.connect(kafka.url) as other:
        await send(point, queue, *[b"%d" % number for number in range(40)])
        one = point.create_pull_consumer(queue, group=queue)
        await one.startup()
        held = await receive(one, 40)
        two = other.create_pull_consumer(queue, group=queue)
        await two.startup()
        taken = await receive(two, 1, 60.0)  # partitions move, with what is not settled
        while (more := await two.receive(timeout=1.0)) is not None:
            taken.append(more)
        moved = {message.partition for message in taken}
        assert len(moved) == 2
        for message in held:
            if message.partition in moved:
                with pytest.raises(OMSRuntimeException) as gone:
                    await message.ack()
                assert gone.value.code == 1418
            else:
                await message.ack()
        await two.ack(taken)
        for consumer in (one, two):
            await consumer.flush()
            await consumer.stop()
        assert (await point.resource_manager().describe_group(queue, queue)).lag == 0


def test_two_consumers_share_and_leases_of_what_moves_end(kafka: Any, queue: str) -> None:
    run(sharing(kafka, queue))


VICTIM = """
import asyncio, sys, openmessaging as oms
async def main(url, queue):
    async with oms.connect(url) as point:
        async with point.create_pull_consumer(queue, group=queue, invisible_time=6.0) as consumer:
            for number in range(10):
                message = await consumer.receive()
                if number < 3:
                    await message.ack()
            await consumer.flush()
            await asyncio.sleep(1.5)
            print("held", flush=True)
            await asyncio.sleep(600)
asyncio.run(main(*sys.argv[1:]))
"""


async def killing(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        await send(point, queue, *[b"%d" % number for number in range(10)])
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-c", VICTIM, kafka.url, queue, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdout is not None
        assert await victim.stdout.readline() == b"held\n"
        victim.kill()
        await victim.wait()
        async with point.create_pull_consumer(queue, group=queue, invisible_time=6.0) as consumer:
            found = await receive(consumer, 7)
            assert sorted(message.data for message in found) == [b"%d" % number for number in range(3, 10)]
            assert {message.delivery_count for message in found} == {2}
            await consumer.ack(found)


def test_another_consumer_gets_what_a_killed_one_held(kafka: Any, queue: str) -> None:
    run(killing(kafka, queue))


async def starting(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue, 2) as point:
        await send(point, queue, *[b"old"] * 4)
        late = point.create_pull_consumer(queue, group=f"{queue}-late", start="latest")
        some = point.create_pull_consumer(queue, group=f"{queue}-some", start="offset:1")
        both = [point.create_pull_consumer(queue, group=queue, broadcast=True, start="latest") for _ in range(2)]
        for consumer in (late, some, *both):
            await consumer.startup()
        await send(point, queue, b"new")
        assert [message.data for message in await receive(late, 1)] == [b"new"]
        assert sorted(message.data for message in await receive(some, 3)) == [b"new", b"old", b"old"]
        for consumer in both:
            (message,) = await receive(consumer, 1)
            assert message.data == b"new"
            await message.ack()
            await consumer.flush()
        names = [group.name for group in await point.resource_manager().list_groups(queue)]
        assert names == [f"{queue}-late", f"{queue}-some"]


def test_groups_begin_where_they_are_told_and_broadcast_leaves_none(kafka: Any, queue: str) -> None:
    run(starting(kafka, queue))


async def vanishing(kafka: Any, queue: str) -> None:
    async with (
        oms.connect(kafka.url, {"auto_create": False}) as point,
        point.create_producer() as producer,
    ):
        await point.resource_manager().create_queue(queue)
        await producer.send(producer.create_message(queue, b"x"))
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.port}"})
        await asyncio.to_thread(client.delete_topics([queue])[queue].result, 20)
        codes = []
        while 1404 not in codes:
            with contextlib.suppress(OMSRuntimeException):
                await producer.send(producer.create_message(queue, b"y"))
                continue
            with pytest.raises(OMSRuntimeException) as failure:
                await producer.send(producer.create_message(queue, b"z"))
            codes.append(failure.value.code)
        assert set(codes) <= {1404, 1410}


def test_a_queue_deleted_by_others_is_missing_from_then_on(kafka: Any, queue: str) -> None:
    run(vanishing(kafka, queue))
