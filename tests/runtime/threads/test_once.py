# Generated from tests/runtime/aio/test_once.py by scripts/unasync.py: change that file instead.
"""Sends that are stored once, on the embedded store, both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor


def count(access_point, queue: str = "orders") -> int:
    return (access_point.resource_manager().describe_queue(queue)).messages


def test_a_key_within_the_window(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer() as producer:
        access_point.resource_manager().create_queue("orders", deduplication_window=60)
        message = producer.create_message("orders", b"1", message_key="k")
        first = producer.send_once(message, key="order-1")
        assert not first.duplicate
        again = producer.send_once(producer.create_message("orders", b"1"), key="order-1")
        assert again.duplicate
        assert (again.message_id, again.partition, again.offset, again.store_timestamp) == (
            first.message_id,
            first.partition,
            first.offset,
            first.store_timestamp,
        )
        assert not (producer.send_once(producer.create_message("orders", b"2"), key="order-2")).duplicate
        assert count(access_point) == 2
        with pytest.raises(OMSRuntimeException, match="no deduplication window"):
            producer.send_once(producer.create_message("others", b"1"), key="order-1")


def test_a_named_producer_goes_on_after_a_restart(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"
    lines = [b"a", b"b", b"c", b"d"]
    with connect(url) as access_point, access_point.create_producer(name="importer") as producer:
        assert producer.last_sequence("orders") == -1
        for number, line in enumerate(lines[:2]):
            producer.send_once(producer.create_message("orders", line), sequence=number)
    with connect(url) as access_point, access_point.create_producer(name="importer") as producer:
        assert producer.last_sequence("orders") == 1
        results = [
            producer.send_once(producer.create_message("orders", line), sequence=number)
            for number, line in enumerate(lines)
        ]
        assert [result.duplicate for result in results] == [True, True, False, False]
        assert [result.offset for result in results] == [0, 1, 2, 3]
        assert count(access_point) == 4
        after = producer.send(producer.create_message("orders", b"e"))
        assert (after.offset, after.origin.first_sequence) == (4, 4)


def test_everything_a_named_producer_sends_has_numbers(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer(name="importer") as producer:
        producer.send(producer.create_message("orders", b"1"))
        producer.send([producer.create_message("orders", b"2"), producer.create_message("orders", b"3")])
        futures = [producer.send_async(producer.create_message("orders", b"4")) for _ in range(3)]
        assert [(future.get(5)).offset for future in futures] == [3, 4, 5]
        with producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"5"))
        with pytest.raises(OMSRuntimeException, match="partition 5"):
            producer.send_async(producer.create_message("orders", b"", partition=5)).get(5)
        with access_point.create_producer(name="importer") as successor:
            assert successor.last_sequence("orders") == 6
            with pytest.raises(OMSRuntimeException, match="importer") as caught:
                producer.send(producer.create_message("orders", b"6"))
            assert caught.value.code == 1409
            with pytest.raises(OMSRuntimeException) as caught:
                producer.send_async(producer.create_message("orders", b"6")).get(5)
            assert caught.value.code == 1409
            assert (successor.send(producer.create_message("orders", b"7"))).offset == 7
        assert count(access_point) == 8


def test_qos_2_needs_an_idempotent_send(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer(name="importer") as named:
        named.send(named.create_message("orders", b"1", qos=2))
        named.send([named.create_message("orders", b"2", qos=2)])
        with access_point.create_pull_consumer("orders") as consumer:
            assert [message.header.qos for message in consumer.batch_receive(timeout=5)] == [2, 2]
        with access_point.create_producer() as plain, pytest.raises(OMSUnsupportException, match="name"):
            plain.send(plain.create_message("orders", b"1", qos=2))


def test_what_is_wrong_is_said(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        message = producer.create_message("orders", b"1")
        with pytest.raises(OMSRuntimeException, match="a key or a sequence"):
            producer.send_once(message)
        with pytest.raises(OMSRuntimeException, match="name"):
            producer.send_once(message, sequence=1)
        with access_point.create_producer(name="importer") as named:
            assert named.last_sequence("orders") == -1
            with pytest.raises(OMSRuntimeException, match="2\\^40"):
                named.send_once(message, sequence=-1)
        with pytest.raises(OMSRuntimeException, match="name"):
            access_point.create_producer(name="a/b")
        producer._outbox.capabilities = frozenset()
        with pytest.raises(OMSUnsupportException, match="unique"):
            producer.send_once(message, key="k")


class Recorder(ProducerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_send(self, message, context: InterceptContext) -> None:
        self.seen.append("pre")

    def post_send(self, message, context: InterceptContext) -> None:
        self.seen.append("post")

    def on_error(self, message, context: InterceptContext, error: BaseException) -> None:
        self.seen.append("error")


def test_interceptors_run_around_send_once(memory: str) -> None:
    recorder = Recorder()
    with connect(memory) as access_point, access_point.create_producer(name="p") as producer:
        producer.add_interceptor(recorder)
        producer.send_once(producer.create_message("orders", b"1"), sequence=1)
        with pytest.raises(OMSRuntimeException):
            producer.send_once(producer.create_message("orders", b"1"), key="k")
    assert recorder.seen == ["pre", "post", "pre", "error"]
