"""Messages of qos 1: settled before anybody gets them, both faces."""

import logging

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Backoff
from openmessaging.runtime.aio import settling
from openmessaging.runtime.aio.primitives import Event
from openmessaging.runtime.interceptor import ConsumerInterceptor

SOON = Backoff(initial=0.0, maximum=0.0, jitter=0.0, max_delivery=5)


async def fill(access_point, queue: str, *levels: int) -> None:
    """Messages of these levels of qos, in one batch."""
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, b"%d" % at, qos=level) for at, level in enumerate(levels)])


async def test_what_was_received_never_comes_again_and_the_rest_does(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "q", 0, 1, 0, 1)
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            first = [await consumer.receive(timeout=5) for _ in range(2)]
            assert [(each.data, each.header.qos) for each in first] == [(b"0", 0), (b"1", 1)]
            await first[1].ack()  # no error: it is settled
            with pytest.raises(OMSRuntimeException) as caught:
                await first[1].nack()
            assert caught.value.code == 1418
            await first[0].nack(delay=0)
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            again = await consumer.batch_receive(timeout=5)
            again += await consumer.batch_receive(timeout=0.1)
        assert sorted(each.data for each in again) == [
            b"0",
            b"2",
            b"3",
        ]  # 3 was held ready, and handed to nobody before


async def test_each_kind_of_sending_says_it(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer(name="p") as producer:
        await access_point.resource_manager().create_queue("q", deduplication_window=60)
        await producer.send(producer.create_message("q", b"one", qos=1))
        await producer.send([producer.create_message("q", b"list", qos=1)])
        await producer.send([producer.create_message("q", b"key", qos=1, message_key=key) for key in "ab"])
        await producer.send_async(producer.create_message("q", b"later", qos=1))
        await producer.send_once(producer.create_message("q", b"once", qos=1), key="k")
        async with producer.transaction() as transaction:
            await transaction.send(producer.create_message("q", b"together", qos=1))
        await producer.flush()
        async with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            found = []
            while len(found) < 7:
                found += await consumer.batch_receive(timeout=5)
            assert {each.header.qos for each in found} == {1}
        assert (await access_point.resource_manager().describe_group("q", "g")).lag == 0


async def test_a_delayed_one_and_a_dead_letter_stay_what_they_are(url: str) -> None:
    async with connect(url) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(producer.create_message("q", b"soon", qos=1, delay=0.05))
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            message = await consumer.receive(timeout=5)
            assert (message.data, message.header.qos) == (b"soon", 1)
        assert (await access_point.resource_manager().describe_group("q", "g")).lag == 0


async def test_a_listener_that_fails_does_not_get_it_again(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "q", 1, 0, 1)
        seen: list[bytes] = []
        done = Event()
        told: list[bytes] = []

        class Hook(ConsumerInterceptor):
            def on_error(self, message, context, failure) -> None:
                told.append(message.data)

        def listener(message, context) -> None:
            seen.append(message.data)
            if seen.count(b"1") == 2 and b"2" in seen:
                done.set()
            if message.header.qos == 1 or seen.count(b"1") == 1:
                raise ValueError("no")

        consumer = access_point.create_push_consumer("g", backoff=SOON)
        consumer.add_interceptor(Hook())
        with caplog.at_level(logging.WARNING):
            async with consumer:
                await consumer.bind_queue("q", listener)
                assert await done.wait_within(10)
        assert sorted(seen) == [b"0", b"1", b"1", b"2"]
        assert sorted(told) == [b"0", b"1", b"2"]
        assert "of qos 1: it is lost" in caplog.text


async def test_a_batch_listener_that_fails_gets_the_others_again(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "q", 1, 0, 1, 0)
        seen: list[list[bytes]] = []
        done = Event()

        def listener(messages, context) -> None:
            seen.append([message.data for message in messages])
            if len(seen) == 1:
                raise ValueError("no")
            if sum(map(len, seen)) >= 6:
                done.set()

        async with access_point.create_push_consumer("g", backoff=SOON, batch_size=10) as consumer:
            await consumer.bind_queue("q", listener, batch=True)
            assert await done.wait_within(10)
        assert seen[0] == [b"0", b"1", b"2", b"3"]
        assert sorted(body for each in seen[1:] for body in each) == [b"1", b"3"]


async def test_what_cannot_be_settled_is_handed_to_nobody(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "q", 0, 1, 0)
        async with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            subscription = consumer._intake.subscription("default://q")
            failing = [True]
            real = subscription.flush

            async def flush() -> None:
                if failing.pop():
                    raise error(1501, "the disk is full")
                await real()

            subscription.flush = flush
            with pytest.raises(OMSRuntimeException) as caught:
                await consumer.batch_receive(timeout=5)
            assert caught.value.code == 1501
            failing.append(False)
            found = await consumer.batch_receive(timeout=5)
            assert [each.data for each in found] == [b"0", b"2"]  # 1 is settled, and may be lost


async def test_one_whose_lease_is_over_is_left_to_the_next(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "q", 1, 0)
        async with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            await consumer._intake._fill(1, None)
            held = list(reversed(consumer._intake.ready))
            await access_point.resource_manager().seek_group("q", "g", "earliest")
            kept = await settling.settle_first(held)
            assert [each.data for each in kept] == [b"1"]
            consumer._intake.ready.clear()
            assert [each.data for each in await consumer.batch_receive(timeout=5)] == [b"0", b"1"]


async def test_a_transaction_takes_one_that_is_settled(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "q", 1, 0)
        async with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer("q", group="g") as consumer,
        ):
            messages = [await consumer.receive(timeout=5), await consumer.receive(timeout=5)]
            async with producer.transaction() as transaction:
                await transaction.ack(messages)
                await transaction.send(producer.create_message("r", b"both"))
        assert (await access_point.resource_manager().describe_group("q", "g")).lag == 0


async def test_an_interceptor_that_refuses_one_does_not_bring_it_back(memory: str) -> None:
    class Hook(ConsumerInterceptor):
        def pre_receive(self, message, context) -> None:
            raise ValueError("no")

    async with connect(memory) as access_point:
        await fill(access_point, "q", 1)
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            consumer.add_interceptor(Hook())
            with pytest.raises(ValueError, match="no"):
                await consumer.receive(timeout=5)
            assert await consumer.receive(timeout=0.05) is None


async def test_a_stream_shows_it_as_often_as_one_looks(url: str) -> None:
    async with connect(url) as access_point:
        await fill(access_point, "q", 1)
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            for _ in range(2):
                assert [each.data for each in await consumer.receive_from("q", 0, 0)] == [b"0"]
            assert (await consumer.receive(timeout=5)).data == b"0"


async def test_a_service_settles_a_plain_message_first_and_refuses_a_contradiction(memory: str) -> None:
    async with connect(memory) as access_point:
        seen: list[bytes] = []
        done = Event()

        def handler(request) -> None:
            seen.append(request.data)
            if request.data == b"end":
                done.set()
            elif request.reply_to is None:
                raise ValueError("no")

        async with (
            access_point.create_service("q", handler, backoff=SOON, concurrency=1),
            access_point.create_producer() as producer,
        ):
            await producer.send(producer.create_message("q", b"lost", qos=1))
            await producer.request(producer.create_message("q", b"asked", qos=1))
            with pytest.raises(OMSRuntimeException) as caught:
                await producer.request(producer.create_message("q", b"", qos=1), idempotent=True)
            assert (caught.value.code, caught.value.field) == (1418, "qos")
            await producer.send(producer.create_message("q", b"end"))
            assert await done.wait_within(10)
        assert sorted(seen) == [b"asked", b"end", b"lost"]


async def test_a_lease_that_is_over_is_told_to_who_hands_on_deliveries(memory: str) -> None:
    async with connect(memory) as access_point:
        await fill(access_point, "q", 0, 1)
        async with access_point.create_pull_consumer("q", group="g") as consumer:
            subscription = consumer._intake.subscription("default://q")
            deliveries = await subscription.fetch(10, 1 << 20, 0.0)
            await access_point.resource_manager().seek_group("q", "g", "earliest")
            with pytest.raises(OMSRuntimeException) as caught:
                await settling.settle_deliveries(subscription, deliveries)
            assert caught.value.code == 1418
            again = await subscription.fetch(10, 1 << 20, 0.0)
            await settling.settle_deliveries(subscription, again)
        assert (await access_point.resource_manager().describe_group("q", "g")).lag == 1
