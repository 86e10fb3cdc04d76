# Generated from tests/runtime/aio/test_pull.py by scripts/unasync.py: change that file instead.
"""The pull consumer on the embedded store, both faces."""

from time import monotonic

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException
from openmessaging.model.spi import Backoff
from openmessaging.runtime.interceptor import ConsumerInterceptor
from openmessaging.runtime.receipt import MessageReceipt
from openmessaging.runtime.state import ServiceState
from openmessaging.runtime.threads.primitives import Event, Task, sleep


def fill(access_point, queue: str, count: int, **headers: object) -> None:
    with access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, b"%d" % number, **headers) for number in range(count)])


def test_receive_and_ack_one_by_one(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "orders", 5, message_key="k", correlation_id="c")
        with access_point.create_pull_consumer("orders", group="billing") as consumer:
            for number in range(5):
                message = consumer.receive(timeout=5)
                assert message is not None
                assert (message.data, message.offset, message.delivery_count) == (b"%d" % number, number, 1)
                assert (message.message_key, message.extension_header.correlation_id) == ("k", "c")
                assert message.destination == "default://orders"
                assert message.message_id
                assert message.header.born_timestamp <= message.extension_header.store_timestamp
                message.ack()
                message.ack()
            assert consumer.receive(timeout=0) is None
            assert consumer.batch_receive(timeout=0.01) == []
            consumer.flush()
        info = access_point.resource_manager().describe_group("orders", "billing")
        assert (info.lag, info.in_flight) == (0, 0)


def test_batches_are_acknowledged_whole_or_in_part(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "orders", 20)
        fill(access_point, "orders", 20)
        with access_point.create_pull_consumer("orders", group="g", prefetch=1) as consumer:
            messages = consumer.batch_receive(30)
            assert [message.offset for message in messages] == list(range(30))
            consumer.ack(messages[5:])
            consumer.ack([messages[5], messages[6], messages[6]])
            consumer.ack([*messages[:2], messages[0], messages[2].receipt, str(messages[3].receipt)])
            consumer.ack([])
            info = access_point.resource_manager().describe_group("orders", "g")
            assert (info.lag, info.in_flight) == (11, 1)
            consumer.ack(messages[4])
            rest = consumer.batch_receive(30)
            consumer.ack(rest)
            info = access_point.resource_manager().describe_group("orders", "g")
            assert (len(rest), info.lag) == (10, 0)


def test_a_nacked_message_comes_back_and_dies_at_last(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1)
        backoff = Backoff(initial=0.01, jitter=0.0, max_delivery=2)
        with access_point.create_pull_consumer("orders", group="g", backoff=backoff) as consumer:
            first = consumer.receive(timeout=5)
            first.nack(delay=0.0, reason="bad day")
            with pytest.raises(OMSRuntimeException, match="given back") as caught:
                first.ack()
            assert caught.value.code == 1418
            with pytest.raises(OMSRuntimeException, match="given back"):
                consumer.ack([first])
            second = consumer.receive(timeout=5)
            assert second.delivery_count == 2
            assert second.message_id == first.message_id
            consumer.nack(second.receipt, reason="worse")
            assert consumer.receive(timeout=0.05) is None
        info = access_point.resource_manager().describe_group("orders", "g")
        with access_point.create_pull_consumer(info.dead_letter_queue, group="undertaker") as consumer:
            dead = consumer.receive(timeout=5)
            assert dead.data == b"0"
            assert dead.message_id == first.message_id
            consumer.ack(dead)
            with pytest.raises(OMSRuntimeException, match="acknowledged"):
                consumer.nack(dead)
            with pytest.raises(OMSRuntimeException, match="acknowledged"):
                dead.extend(1)


def test_a_rejected_message_is_dead_at_once(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 3)
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            first, second, third = consumer.batch_receive(3, timeout=5)
            first.reject("no order")
            consumer.reject(second)
            consumer.reject(str(third.receipt), "nor this")
            with pytest.raises(OMSRuntimeException, match="given back"):
                first.ack()
        info = access_point.resource_manager().describe_group("orders", "g")
        assert info.lag == 0
        with access_point.create_pull_consumer(info.dead_letter_queue, group="undertaker") as consumer:
            dead = consumer.batch_receive(3, timeout=5)
            assert [each.properties["dead-letter.reason"] for each in dead] == ["no order", "", "nor this"]
            assert dead[0].properties["dead-letter.delivery-count"] == 1


def test_stopping_gives_back_uncounted_what_was_held_ready(url: str) -> None:
    with connect(url) as access_point:
        fill(access_point, "orders", 10)
        fill(access_point, "orders", 10)
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            kept = [consumer.receive(), consumer.receive()]
            kept[0].ack()
        kept[1].ack()
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            messages = consumer.batch_receive(100)
            while len(messages) < 18:
                messages += consumer.batch_receive(100, timeout=5)
            assert sorted(message.offset for message in messages) == list(range(2, 20))
            assert {message.delivery_count for message in messages} == {1}


def test_leases_of_what_is_held_ready_are_renewed(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 3)
        with access_point.create_pull_consumer("orders", group="g", invisible_time=0.15) as consumer:
            (consumer.receive()).ack()
            sleep(0.4)
            second = consumer.receive(timeout=0)
            assert (second.offset, second.delivery_count) == (1, 1)
            second.ack()
            third = consumer.receive(timeout=0)
            sleep(0.3)
            with pytest.raises(OMSRuntimeException) as caught:
                third.ack()
            assert caught.value.code == 1418
            again = consumer.receive(timeout=5)
            assert (again.offset, again.delivery_count) == (2, 2)
            again.extend(30)
            consumer.extend(again.receipt, 30)
            consumer.extend(again, 30)
            sleep(0.2)
            again.ack()


def test_an_idle_consumer_gets_its_share_without_prefetch(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 2)
        with (
            access_point.create_pull_consumer("orders", group="g", prefetch=0) as one,
            access_point.create_pull_consumer("orders", group="g", prefetch=1) as other,
        ):
            assert (one.receive()).offset == 0
            assert (other.receive(timeout=5)).offset == 1


def test_several_queues_bound_and_unbound_while_running(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "a", 2)
        fill(access_point, "b", 2)
        with access_point.create_pull_consumer(group="g") as consumer:
            assert consumer.get_bind_queues() is None
            assert consumer.group == "g"
            with pytest.raises(OMSRuntimeException, match="no queue") as caught:
                consumer.receive(timeout=0)
            assert caught.value.code == 1418
            consumer.bind_queue(["a", "b"])
            consumer.bind_queue("a")
            assert consumer.get_bind_queues() == {"default://a", "default://b"}
            assert consumer.is_bind_queue("a")
            seen = []
            while len(seen) < 4:
                seen += consumer.batch_receive(1, timeout=5)
            assert sorted((message.destination[-1], message.offset) for message in seen) == [
                ("a", 0),
                ("a", 1),
                ("b", 0),
                ("b", 1),
            ]
            fill(access_point, "b", 1)
            assert (consumer.receive(timeout=5)).destination == "default://b"
            receipt = seen[0].receipt
            consumer.unbind_queue(["a", "b", "never"])
            assert consumer.get_bind_queues() is None
            with pytest.raises(OMSRuntimeException, match="not bound"):
                consumer.ack(receipt)


def test_unbinding_gives_back_what_was_held_ready(memory: str) -> None:
    with connect(memory) as access_point:
        for _ in range(3):
            fill(access_point, "a", 2)
        with access_point.create_pull_consumer("a", group="g") as consumer:
            (consumer.receive()).ack()
            consumer.unbind_queue("a")
            info = access_point.resource_manager().describe_group("a", "g")
            assert (info.lag, info.in_flight) == (5, 0)


def test_a_waiting_receiver_is_woken_by_a_message_and_by_the_stop(url: str) -> None:
    with connect(url) as access_point:
        consumer = access_point.create_pull_consumer("orders", group="g")
        consumer.start()
        got: list[object] = []
        arrived = Event()

        def wait() -> None:
            for message in consumer:
                got.append(message.data)
                message.ack()
                arrived.set()
            got.append("end")

        task = Task(wait)
        sleep(0.02)
        fill(access_point, "orders", 1)
        assert arrived.wait_within(5)
        consumer.stop()
        assert task.join(5)
        assert got == [b"0", "end"]
        assert consumer.current_state is ServiceState.STOPPED


def test_many_receivers_share_one_consumer(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 300)
        got: list[int] = []
        with access_point.create_pull_consumer("orders", group="g", prefetch=7) as consumer:

            def work() -> None:
                while (message := consumer.receive(timeout=0.1)) is not None:
                    message.ack()
                    got.append(message.offset)
                    sleep(0)

            tasks = [Task(work) for _ in range(8)]
            for task in tasks:
                assert task.join(20)
        assert sorted(got) == list(range(300))


def test_reading_from_a_place_leaves_the_group_alone(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 10)
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            messages = consumer.receive_from("orders", 0, 4, max_messages=3)
            assert [message.offset for message in messages] == [4, 5, 6]
            assert messages[0].delivery_count is None
            before = monotonic()
            assert consumer.receive_from("orders", 0, 10, timeout=0.05) == []
            assert monotonic() - before >= 0.04
            assert (consumer.receive()).offset == 0
            with pytest.raises(OMSDestinationException):
                consumer.receive_from("never", 0, 0)


def test_broadcast_and_start_positions(memory: str) -> None:
    with connect(memory, {"CONSUMER_ID": "own"}) as access_point:
        fill(access_point, "orders", 3)
        with (
            access_point.create_pull_consumer("orders", broadcast=True) as one,
            access_point.create_pull_consumer("orders", broadcast=True) as other,
            access_point.create_pull_consumer("orders", start="offset:2") as third,
        ):
            assert len(one.batch_receive()) == len(other.batch_receive()) == 3
            assert one.group != other.group
            assert third.group == "own"
            assert [message.offset for message in third.batch_receive()] == [2]
        groups = access_point.resource_manager().list_groups("orders")
        assert [group.name for group in groups] == ["own"]


def test_key_order_keeps_one_message_of_a_key_in_flight(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 3, message_key="a")
        fill(access_point, "orders", 1, message_key="b")
        with access_point.create_pull_consumer("orders", group="g", order="key") as consumer:
            first = consumer.batch_receive(10)
            assert sorted(message.message_key for message in first) == ["a", "b"]
            consumer.ack(first)
            second = consumer.batch_receive(10, timeout=5)
            assert [message.offset for message in second] == [1]


class Recorder(ConsumerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_receive(self, message, context) -> None:
        if message.data == b"1":
            raise ValueError("not this one")
        context.attributes["data"] = message.data

    def post_receive(self, message, context) -> None:
        self.seen.append(context.attributes["data"].decode())


def test_interceptors_see_pull_receives(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 4)
        backoff = Backoff(initial=60, jitter=0.0)
        with access_point.create_pull_consumer("orders", group="g", backoff=backoff) as consumer:
            recorder = Recorder()
            consumer.add_interceptor(recorder)
            assert (consumer.receive()).offset == 0
            with pytest.raises(ValueError, match="not this one"):
                consumer.batch_receive()
            rest = consumer.batch_receive(timeout=5)
            assert [message.offset for message in rest] == [2, 3]
            assert recorder.seen == ["0", "2", "3"]
            consumer.remove_interceptor(recorder)
            assert len(consumer.get_extension().get_queue_meta_data("orders")) == 1


def test_calls_outside_started_and_receipts_of_others_are_refused(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1)
        consumer = access_point.create_pull_consumer("orders", group="g")
        for call in (consumer.receive, consumer.batch_receive, consumer.flush):
            with pytest.raises(OMSRuntimeException) as caught:
                call()
            assert caught.value.code == 1503
        with consumer, access_point.create_pull_consumer("orders", group="h") as other:
            message = other.receive()
            with pytest.raises(OMSRuntimeException) as caught:
                consumer.ack(message.receipt)
            assert caught.value.code == 1418
            assert MessageReceipt.parse(str(message.receipt)) == message.receipt
            with pytest.raises(OMSRuntimeException, match="no receipt"):
                consumer.ack("nonsense")
        with pytest.raises(OMSDestinationException):
            access_point.create_pull_consumer("nowhere://orders").start()


def test_a_received_message_can_be_sent_on_and_still_be_acknowledged(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        fill(access_point, "orders", 2, message_key="k")
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            message = (consumer.batch_receive())[1]
            receipt = message.receipt
            message.destination = "late"
            result = producer.send(message)
            assert (result.offset, message.offset, message.receipt) == (0, 0, receipt)
            message.ack()
            info = access_point.resource_manager().describe_group("orders", "g")
            assert info.lag == 1


def test_a_large_batch_in_pieces(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, "orders", 1000)
        with access_point.create_pull_consumer("orders", group="g", prefetch=100) as consumer:
            got = []
            while len(got) < 1000:
                messages = consumer.batch_receive(64, timeout=5)
                consumer.ack(messages)
                got += messages
            assert [message.offset for message in got] == list(range(1000))
            assert [message.data for message in got] == [b"%d" % number for number in range(1000)]
            assert len({message.message_id for message in got}) == 1000
