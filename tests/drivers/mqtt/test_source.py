"""What a group's consumers get from a broker of MQTT, and what becomes of it."""

import asyncio
import time

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Server
from tests.drivers.mqtt.test_access import run
from tests.firewall import Between


def test_attempts_delays_and_dead_letters(server: Server, queue: str) -> None:
    backoff = oms.Backoff(initial=0.05, factor=1.0, jitter=0.0, max_delivery=3)

    async def work(access_point: oms.AccessPoint) -> None:
        async with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer(queue, group="g", backoff=backoff) as consumer,
        ):
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(2)])
            first, second = [await consumer.receive(5) for _ in range(2)]
            assert first is not None
            assert second is not None
            began = time.monotonic()
            await first.nack(0.3)
            second.lease.release((second.leased_offset,))
            again = await consumer.receive(5)
            assert again is not None
            assert (again.data, again.delivery_count) == (b"1", 1), "released: the attempt does not count"
            await again.ack()
            for attempt in (2, 3):
                again = await consumer.receive(5)
                assert again is not None
                assert (again.data, again.delivery_count) == (b"0", attempt)
                assert time.monotonic() - began > 0.29
                if attempt == 3:
                    break
                await again.nack()
            await again.nack(reason="broken")
            with pytest.raises(OMSRuntimeException, match="1404"):
                await consumer.flush()  # nobody takes the dead letter, so the message stays
            async with access_point.create_pull_consumer(f"{queue}.g.dead-letter", group="look") as graves:
                again = await consumer.receive(5)
                assert again is not None
                await again.nack(reason="broken")
                await consumer.flush()
                dead = await graves.receive(5)
                assert dead is not None
                assert dead.data == b"0"
                assert dead.properties["dead-letter.reason"] == "broken"
                await dead.ack()

    run(server, work)


def test_consumers_of_a_group_share_and_a_lease_that_ends_comes_again(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        async with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer(queue, group="g", invisible_time=0.3, prefetch=1) as one,
            access_point.create_pull_consumer(queue, group="g", prefetch=1) as two,
            access_point.create_pull_consumer(queue, group="other") as third,
        ):
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(10)])
            halves = [[await consumer.receive(5) for _ in range(5)] for consumer in (one, two)]
            bodies = sorted(message.data for half in halves for message in half if message)
            assert bodies == [b"%d" % at for at in range(10)]
            again = [await one.receive(5) for _ in range(5)]
            assert {message.delivery_count for message in again if message} == {2}
            all_of_it = [await third.receive(5) for _ in range(10)]
            assert len({message.data for message in all_of_it if message}) == 10

    run(server, work)


def test_a_named_consumer_that_died_finds_its_messages_again(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        name = {"CLIENT_ID": f"shop-{queue}"}
        async with access_point.create_producer() as producer, Between(server.port) as between:
            dying = oms.connect(f"oms:mqtt://127.0.0.1:{between.port}/local", name)
            await dying.startup()
            consumer = dying.create_pull_consumer(queue, group="g", prefetch=1)
            await consumer.startup()
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(4)])
            done, lost = [await consumer.receive(5) for _ in range(2)]
            assert done is not None
            assert lost is not None
            await done.ack()
            await consumer.flush()
            await asyncio.sleep(0.1)  # the broker has it: nothing says when
            consumer._intake._subscriptions[f"default://{queue}"]._source._session._keeper.cancel()
            between.tear()  # and nobody connects again, as if its process had died
            await producer.send(producer.create_message(queue, b"4"))
            successor = oms.connect(server.url, name)
            async with successor, successor.create_pull_consumer(queue, group="g") as heir:
                got = [await heir.receive(5) for _ in range(4)]
                assert [message.data for message in got if message] == [b"1", b"2", b"3", b"4"]
                assert got[0] is not None
                assert got[0].delivery_count == 2
                await heir.ack([message for message in got if message])
                await heir.flush()
            await dying.shutdown()

    run(server, work)
