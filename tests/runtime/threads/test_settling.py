# Generated from tests/runtime/aio/test_settling.py by scripts/unasync.py: change that file instead.
"""Messages of qos 1: settled before anybody gets them, both faces."""

import logging

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Backoff
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.threads import settling
from openmessaging.runtime.threads.primitives import Event

SOON = Backoff(initial=0.0, maximum=0.0, jitter=0.0, max_delivery=5)


def fill(access_point, queue: str, *levels: int) -> None:
    """Messages of these levels of qos, in one batch."""
    with access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, b"%d" % at, qos=level) for at, level in enumerate(levels)])


def test_what_was_received_never_comes_again_and_the_rest_does(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "q", 0, 1, 0, 1)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            first = [consumer.receive(timeout=5) for _ in range(2)]
            assert [(each.data, each.header.qos) for each in first] == [(b"0", 0), (b"1", 1)]
            first[1].ack()  # no error: it is settled
            with pytest.raises(OMSRuntimeException) as caught:
                first[1].nack()
            assert caught.value.code == 1418
            first[0].nack(delay=0)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            again = consumer.batch_receive(timeout=5)
            again += consumer.batch_receive(timeout=0.1)
        assert sorted(each.data for each in again) == [
            b"0",
            b"2",
            b"3",
        ]  # 3 was held ready, and handed to nobody before


def test_each_kind_of_sending_says_it(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer(name="p") as producer:
        access_point.resource_manager().create_queue("q", deduplication_window=60)
        producer.send(producer.create_message("q", b"one", qos=1))
        producer.send([producer.create_message("q", b"list", qos=1)])
        producer.send([producer.create_message("q", b"key", qos=1, message_key=key) for key in "ab"])
        producer.send_async(producer.create_message("q", b"later", qos=1))
        producer.send_once(producer.create_message("q", b"once", qos=1), key="k")
        with producer.transaction() as transaction:
            transaction.send(producer.create_message("q", b"together", qos=1))
        producer.flush()
        with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            found = []
            while len(found) < 7:
                found += consumer.batch_receive(timeout=5)
            assert {each.header.qos for each in found} == {1}
        assert (access_point.resource_manager().describe_group("q", "g")).lag == 0


def test_a_delayed_one_and_a_dead_letter_stay_what_they_are(url: str) -> None:
    with connect(url) as access_point:
        with access_point.create_producer() as producer:
            producer.send(producer.create_message("q", b"soon", qos=1, delay=0.05))
        with access_point.create_pull_consumer("q", group="g") as consumer:
            message = consumer.receive(timeout=5)
            assert (message.data, message.header.qos) == (b"soon", 1)
        assert (access_point.resource_manager().describe_group("q", "g")).lag == 0


def test_a_listener_that_fails_does_not_get_it_again(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(url) as access_point:
        fill(access_point, "q", 1, 0, 1)
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
        with caplog.at_level(logging.WARNING), consumer:
            consumer.bind_queue("q", listener)
            assert done.wait_within(10)
        assert sorted(seen) == [b"0", b"1", b"1", b"2"]
        assert sorted(told) == [b"0", b"1", b"2"]
        assert "of qos 1: it is lost" in caplog.text


def test_a_batch_listener_that_fails_gets_the_others_again(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "q", 1, 0, 1, 0)
        seen: list[list[bytes]] = []
        done = Event()

        def listener(messages, context) -> None:
            seen.append([message.data for message in messages])
            if len(seen) == 1:
                raise ValueError("no")
            if sum(map(len, seen)) >= 6:
                done.set()

        with access_point.create_push_consumer("g", backoff=SOON, batch_size=10) as consumer:
            consumer.bind_queue("q", listener, batch=True)
            assert done.wait_within(10)
        assert seen[0] == [b"0", b"1", b"2", b"3"]
        assert sorted(body for each in seen[1:] for body in each) == [b"1", b"3"]


def test_what_cannot_be_settled_is_handed_to_nobody(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "q", 0, 1, 0)
        with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            subscription = consumer._intake.subscription("default://q")
            failing = [True]
            real = subscription.flush

            def flush() -> None:
                if failing.pop():
                    raise error(1501, "the disk is full")
                real()

            subscription.flush = flush
            with pytest.raises(OMSRuntimeException) as caught:
                consumer.batch_receive(timeout=5)
            assert caught.value.code == 1501
            failing.append(False)
            found = consumer.batch_receive(timeout=5)
            assert [each.data for each in found] == [b"0", b"2"]  # 1 is settled, and may be lost


def test_one_whose_lease_is_over_is_left_to_the_next(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "q", 1, 0)
        with access_point.create_pull_consumer("q", group="g", invisible_time=30) as consumer:
            consumer._intake._fill(1, None)
            held = list(reversed(consumer._intake.ready))
            access_point.resource_manager().seek_group("q", "g", "earliest")
            kept = settling.settle_first(held)
            assert [each.data for each in kept] == [b"1"]
            consumer._intake.ready.clear()
            assert [each.data for each in consumer.batch_receive(timeout=5)] == [b"0", b"1"]


def test_a_transaction_takes_one_that_is_settled(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "q", 1, 0)
        with (
            access_point.create_producer() as producer,
            access_point.create_pull_consumer("q", group="g") as consumer,
        ):
            messages = [consumer.receive(timeout=5), consumer.receive(timeout=5)]
            with producer.transaction() as transaction:
                transaction.ack(messages)
                transaction.send(producer.create_message("r", b"both"))
        assert (access_point.resource_manager().describe_group("q", "g")).lag == 0


def test_an_interceptor_that_refuses_one_does_not_bring_it_back(memory: str) -> None:
    class Hook(ConsumerInterceptor):
        def pre_receive(self, message, context) -> None:
            raise ValueError("no")

    with connect(memory) as access_point:
        fill(access_point, "q", 1)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            consumer.add_interceptor(Hook())
            with pytest.raises(ValueError, match="no"):
                consumer.receive(timeout=5)
            assert consumer.receive(timeout=0.05) is None


def test_a_stream_shows_it_as_often_as_one_looks(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "q", 1)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            for _ in range(2):
                assert [each.data for each in consumer.receive_from("q", 0, 0)] == [b"0"]
            assert (consumer.receive(timeout=5)).data == b"0"


def test_a_service_settles_a_plain_message_first_and_refuses_a_contradiction(memory: str) -> None:
    with connect(memory) as access_point:
        seen: list[bytes] = []
        done = Event()

        def handler(request) -> None:
            seen.append(request.data)
            if request.data == b"end":
                done.set()
            elif request.reply_to is None:
                raise ValueError("no")

        with (
            access_point.create_service("q", handler, backoff=SOON, concurrency=1),
            access_point.create_producer() as producer,
        ):
            producer.send(producer.create_message("q", b"lost", qos=1))
            producer.request(producer.create_message("q", b"asked", qos=1))
            with pytest.raises(OMSRuntimeException) as caught:
                producer.request(producer.create_message("q", b"", qos=1), idempotent=True)
            assert (caught.value.code, caught.value.field) == (1418, "qos")
            producer.send(producer.create_message("q", b"end"))
            assert done.wait_within(10)
        assert sorted(seen) == [b"asked", b"end", b"lost"]


def test_a_lease_that_is_over_is_told_to_who_hands_on_deliveries(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "q", 0, 1)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            subscription = consumer._intake.subscription("default://q")
            deliveries = subscription.fetch(10, 1 << 20, 0.0)
            access_point.resource_manager().seek_group("q", "g", "earliest")
            with pytest.raises(OMSRuntimeException) as caught:
                settling.settle_deliveries(subscription, deliveries)
            assert caught.value.code == 1418
            again = subscription.fetch(10, 1 << 20, 0.0)
            settling.settle_deliveries(subscription, again)
        assert (access_point.resource_manager().describe_group("q", "g")).lag == 1
