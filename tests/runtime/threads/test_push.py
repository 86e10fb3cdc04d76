# Generated from tests/runtime/aio/test_push.py by scripts/unasync.py: change that file instead.
"""The push consumer on the embedded store, both faces."""

from time import monotonic

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.threads.primitives import Event, sleep

SOON = Backoff(initial=0.01, jitter=0.0)


def fill(access_point, queue: str, count: int, **headers: object) -> None:
    with access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, b"%d" % number, **headers) for number in range(count)])


def lag(access_point, queue: str = "orders", group: str = "g") -> int:
    return (access_point.resource_manager().describe_group(queue, group)).lag


class Collector:
    """A listener that remembers, and tells when it has seen enough."""

    def __init__(self, enough: int) -> None:
        self.seen: list[bytes] = []
        self.done = Event()
        self._enough = enough

    def __call__(self, message, context) -> None:
        self.seen.append(message.data)
        if len(self.seen) == self._enough:
            self.done.set()


def test_a_listener_gets_all_in_order_and_its_return_acknowledges(url: str) -> None:
    with connect(url) as access_point:
        collector = Collector(20)
        consumer = access_point.create_push_consumer(group="g")
        consumer.bind_queue("orders", collector)
        with consumer:
            fill(access_point, "orders", 10)
            fill(access_point, "orders", 10)
            assert collector.done.wait_within(10)
        assert collector.seen == [b"%d" % number for number in range(10)] * 2
        assert lag(access_point) == 0


def test_a_refused_message_comes_back_and_the_others_go_on(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 5)
        collector = Collector(5)
        refused = []

        def listener(message, context) -> None:
            if message.data == b"1" and message.delivery_count < 3:
                refused.append(message.delivery_count)
                raise ValueError("not yet")
            collector(message, context)

        with access_point.create_push_consumer(group="g", backoff=SOON) as consumer:
            consumer.bind_queue("orders", listener)
            assert collector.done.wait_within(10)
        assert refused == [1, 2]
        assert collector.seen == [b"0", b"2", b"3", b"4", b"1"]
        assert lag(access_point) == 0


def test_the_bad_message_of_a_batch_is_found_by_halving(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 16)
        calls: list[int] = []
        done = Event()

        def listener(messages, context) -> None:
            calls.append(len(messages))
            if any(message.data == b"5" for message in messages):
                raise ValueError("poison")
            if messages[-1].data == b"15":
                done.set()

        backoff = Backoff(max_delivery=1)
        with access_point.create_push_consumer(group="g", backoff=backoff, batch_size=16) as consumer:
            consumer.bind_queue("orders", listener, batch=True)
            assert done.wait_within(10)
        assert calls[:3] == [16, 8, 4]
        assert lag(access_point) == 0
        name = (access_point.resource_manager().describe_group("orders", "g")).dead_letter_queue
        with access_point.create_pull_consumer(name, group="u") as consumer:
            assert [message.data for message in consumer.batch_receive(timeout=5)] == [b"5"]


def test_manual_acknowledgement_by_context(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 4)
        done = Event()
        errors: list[OMSRuntimeException] = []

        def listener(messages, context) -> None:
            context.success(messages[0], messages[1].receipt)
            try:
                context.success(messages[0].receipt.parse(str(messages[0].receipt)).__class__("", "", 0, 9, 1, 1))
            except OMSRuntimeException as failure:
                errors.append(failure)
            done.set()

        with access_point.create_push_consumer(group="g", ack="manual", batch_size=4) as consumer:
            consumer.bind_queue("orders", listener, batch=True)
            assert done.wait_within(10)
            consumer.flush()
        assert errors[0].code == 1418
        assert lag(access_point) == 2

        seen = Event()

        def single(message, context) -> None:
            context.ack()
            context.ack()
            seen.set()

        with access_point.create_push_consumer(group="h", ack="manual") as consumer:
            consumer.bind_queue("orders", single)
            assert seen.wait_within(10)
        assert lag(access_point, group="h") < 4


def test_a_plain_function_may_listen_and_be_replaced(memory: str) -> None:
    with connect(memory) as access_point:
        first: list[bytes] = []
        second = Collector(2)
        arrived = Event()

        def listener(message, context) -> None:
            first.append(message.data)
            arrived.set()

        with access_point.create_push_consumer(group="g") as consumer:
            consumer.bind_queue("orders", listener)
            fill(access_point, "orders", 1)
            assert arrived.wait_within(10)
            consumer.bind_queue("orders", second)
            fill(access_point, "orders", 1)
            batches = Collector(3)

            def by_batch(messages, context) -> None:
                for message in messages:
                    batches(message, context)

            while len(second.seen) < 1:
                sleep(0.001)
            consumer.bind_queue("orders", by_batch, batch=True)
            fill(access_point, "orders", 3)
            assert batches.done.wait_within(10)
            consumer.unbind_queue("orders")
            assert consumer.get_bind_queues() is None
            fill(access_point, "orders", 1)
            sleep(0.02)
        assert (first, second.seen, len(batches.seen)) == ([b"0"], [b"0"], 3)
        assert lag(access_point) == 1


def test_partitions_one_at_a_time_and_in_parallel(memory: str) -> None:
    with connect(memory) as access_point:
        access_point.resource_manager().create_queue("wide", partitions=3)
        for partition in range(3):
            fill(access_point, "wide", 4, partition=partition)
        working: dict[int, int] = {}
        most_at_once: list[int] = []
        done = Event()
        seen: list[tuple[int, int]] = []

        def listener(message, context) -> None:
            working[message.partition] = working.get(message.partition, 0) + 1
            assert working[message.partition] == 1
            most_at_once.append(sum(working.values()))
            sleep(0.01)
            working[message.partition] -= 1
            seen.append((message.partition, message.offset))
            if len(seen) == 12:
                done.set()

        with access_point.create_push_consumer(group="g") as consumer:
            consumer.bind_queue("wide", listener)
            assert done.wait_within(10)
        assert max(most_at_once) > 1
        for partition in range(3):
            assert [offset for where, offset in seen if where == partition] == [0, 1, 2, 3]


def test_concurrency_is_bounded_and_keys_keep_their_order(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("orders", b"%d" % n, message_key=f"k{n % 5}") for n in range(30)])
        at_once = 0
        most = 0
        seen: dict[str, list[int]] = {}
        done = Event()

        def listener(message, context) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            sleep(0.002)
            at_once -= 1
            seen.setdefault(message.message_key, []).append(int(message.data))
            if sum(map(len, seen.values())) == 30:
                done.set()

        with access_point.create_push_consumer(group="g", order="key", concurrency=3) as consumer:
            consumer.bind_queue("orders", listener)
            assert done.wait_within(10)
        assert 1 < most <= 3
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert lag(access_point) == 0


def test_suspend_and_resume(memory: str) -> None:
    with connect(memory) as access_point:
        collector = Collector(3)
        consumer = access_point.create_push_consumer(group="g")
        consumer.bind_queue("orders", collector)
        with pytest.raises(OMSRuntimeException) as caught:
            consumer.suspend()
        assert caught.value.code == 1503
        with consumer:
            with pytest.raises(OMSRuntimeException, match="not suspended"):
                consumer.resume()
            consumer.suspend()
            assert consumer.is_suspended()
            fill(access_point, "orders", 3)
            sleep(0.05)
            assert collector.seen == []
            consumer.resume()
            assert collector.done.wait_within(10)
            consumer.suspend(0.05)
            began = monotonic()
            later = Collector(1)
            consumer.bind_queue("orders", later)
            fill(access_point, "orders", 1)
            assert later.done.wait_within(10)
            assert monotonic() - began >= 0.04
            consumer.suspend(60)
            consumer.suspend()


def test_a_slow_listener_keeps_its_message_hidden_until_max_processing(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1)
        seen: list[int] = []
        done = Event()

        def listener(message, context) -> None:
            seen.append(message.delivery_count)
            sleep(0.4)
            done.set()

        with access_point.create_push_consumer(group="g", invisible_time=0.12) as consumer:
            consumer.bind_queue("orders", listener)
            assert done.wait_within(10)
        assert seen == [1]
        assert lag(access_point) == 0


def test_a_listener_over_its_time_loses_its_message(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1)
        seen: list[int] = []
        again = Event()

        def listener(message, context) -> None:
            seen.append(message.delivery_count)
            if len(seen) == 1:
                again.wait_within(5)
            else:
                again.set()

        with access_point.create_push_consumer(
            group="g", invisible_time=0.09, max_processing=0.05, concurrency=2
        ) as consumer:
            consumer.bind_queue("orders", listener)
            assert again.wait_within(10)
        assert seen == [1, 2]
        assert lag(access_point) == 0


def test_stopping_waits_for_the_listener_and_gives_back_the_rest(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "orders", 10)
        began = Event()
        finished: list[bytes] = []

        def listener(message, context) -> None:
            began.set()
            sleep(0.1)
            finished.append(message.data)

        with access_point.create_push_consumer(group="g") as consumer:
            consumer.bind_queue("orders", listener)
            assert began.wait_within(10)
        assert finished == [b"0"]
        info = access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (9, 0)


def test_after_the_grace_the_message_goes_back(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1)
        began, release = Event(), Event()

        def listener(message, context) -> None:
            began.set()
            release.wait_within(5)

        with access_point.create_push_consumer(group="g", grace=0.02) as consumer:
            consumer.bind_queue("orders", listener)
            assert began.wait_within(10)
        info = access_point.resource_manager().describe_group("orders", "g")
        assert (info.lag, info.in_flight) == (1, 0)
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            assert (consumer.receive(timeout=5)).delivery_count == 1
        release.set()


class Around(ConsumerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_receive(self, message, context) -> None:
        context.attributes["n"] = message.data.decode()
        if message.data == b"2" and message.delivery_count == 1:
            raise ValueError("refused before")

    def post_receive(self, message, context) -> None:
        self.seen.append(f"post {context.attributes['n']}")

    def on_error(self, message, context, error: BaseException) -> None:
        self.seen.append(f"error {context.attributes['n']} {error}")


def test_interceptors_surround_the_listener(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 3)
        around = Around()
        collector = Collector(3)

        def listener(message, context) -> None:
            assert context.attributes["n"] == message.data.decode()
            if message.data == b"1" and message.delivery_count == 1:
                raise ValueError("refused within")
            collector(message, context)

        consumer = access_point.create_push_consumer(group="g", backoff=SOON)
        consumer.add_interceptor(around)
        consumer.bind_queue("orders", listener)
        with consumer:
            assert collector.done.wait_within(10)
        assert sorted(around.seen) == ["error 1 refused within", "post 0", "post 1", "post 2"]


def test_a_queue_that_may_not_be_created_fails_the_start(memory: str) -> None:
    with connect(memory) as access_point:
        consumer = access_point.create_push_consumer(group="g")
        consumer.bind_queue("orders", print)
        consumer.bind_queue("zzz://orders", print)
        with pytest.raises(OMSDestinationException):
            consumer.start()
        consumer.unbind_queue("zzz://orders")
        with consumer:
            assert consumer.get_bind_queues() == {"default://orders"}


def test_the_pump_goes_on_after_a_failed_fetch(memory: str) -> None:
    with connect(memory) as access_point:
        collector = Collector(1)
        with access_point.create_push_consumer(group="g") as consumer:
            consumer.bind_queue("orders", collector)
            access_point.resource_manager().delete_group("orders", "g")
            sleep(0.05)
        assert collector.seen == []
