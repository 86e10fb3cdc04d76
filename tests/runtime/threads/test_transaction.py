# Generated from tests/runtime/aio/test_transaction.py by scripts/unasync.py: change that file instead.
"""Transactions on the embedded store, both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import (
    OMSMessageFormatException,
    OMSRuntimeException,
    OMSTransactionException,
    OMSUnsupportException,
)
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor
from openmessaging.runtime.state import TransactionState


def count(access_point, queue: str) -> int:
    names = access_point.resource_manager().list_queues()
    return (access_point.resource_manager().describe_queue(queue)).messages if f"default://{queue}" in names else 0


def test_sends_over_several_queues_take_effect_at_the_end(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer() as producer:
        access_point.resource_manager().create_queue("wide", partitions=3)
        with producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"1"))
            tx.send([producer.create_message("wide", b"%d" % n, message_key=f"k{n}") for n in range(6)])
            tx.send([])
            last = producer.create_message("orders", b"2")
            tx.send(last)
            assert count(access_point, "orders") + count(access_point, "wide") == 0
            assert tx.state is TransactionState.OPEN
        assert tx.state is TransactionState.COMMITTED
        assert [result.destination for result in tx.results] == [
            "default://orders",
            *["default://wide"] * 6,
            "default://orders",
        ]
        assert (last.message_id, last.offset) == (tx.results[7].message_id, 1)
        assert count(access_point, "orders") == 2
        assert count(access_point, "wide") == 6
        assert tx.commit() is tx.results
        with pytest.raises(OMSTransactionException, match="committed"):
            tx.rollback()
        with pytest.raises(OMSTransactionException):
            tx.send(last)


def test_an_exception_rolls_back(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        with pytest.raises(ZeroDivisionError), producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"1"))
            raise ZeroDivisionError
        assert tx.state is TransactionState.ROLLED_BACK
        tx.rollback()
        with pytest.raises(OMSTransactionException, match="rolled back"):
            tx.commit()
        with pytest.raises(OMSTransactionException):
            tx.send(producer.create_message("orders", b"1"))
        with pytest.raises(OMSTransactionException):
            tx.ack([])
        with pytest.raises(OMSTransactionException), tx:
            pass
        with producer.transaction() as other:
            other.send(producer.create_message("orders", b"1"))
            other.rollback()
        assert count(access_point, "orders") == 0
        with producer.transaction() as empty:
            pass
        assert empty.state is TransactionState.COMMITTED


def test_consume_transform_produce(url: str) -> None:
    with connect(url) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("orders", b"%d" % n) for n in range(3)])
        with (
            access_point.create_pull_consumer("orders", group="billing") as billing,
            access_point.create_pull_consumer("orders", group="audit") as audit,
        ):
            first, second, third = billing.batch_receive(3)
            seen = audit.receive()
            with producer.transaction() as tx:
                tx.ack(first)
                tx.ack([third, seen])
                tx.send(producer.create_message("invoices", first.data + third.data))
            first.ack()  # again is no error
            with pytest.raises(OMSRuntimeException, match="acknowledged"):
                first.nack()
            with pytest.raises(OMSRuntimeException, match="acknowledged"), producer.transaction() as again:
                again.ack(first)
            assert again.state is TransactionState.ROLLED_BACK
            group = access_point.resource_manager().describe_group("orders", "billing")
            assert (group.lag, group.in_flight) == (1, 1)
            second.ack()
            group = access_point.resource_manager().describe_group("orders", "audit")
            assert group.lag == 2
        with access_point.create_pull_consumer("invoices") as consumer:
            assert [message.data for message in consumer.batch_receive()] == [b"02"]


def test_a_rollback_leaves_what_was_received_in_hand(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"1"))
        with access_point.create_pull_consumer("orders", group="billing") as consumer:
            message = consumer.receive()
            with pytest.raises(ZeroDivisionError), producer.transaction() as tx:
                tx.ack(message)
                raise ZeroDivisionError
            message.nack(delay=0.0)
            again = consumer.receive()
            assert again.delivery_count == 2
            again.ack()


def test_a_message_settled_meanwhile_fails_the_commit(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"1"))
        with access_point.create_pull_consumer("orders", group="billing") as consumer:
            message = consumer.receive()
            with pytest.raises(OMSRuntimeException) as caught, producer.transaction() as tx:
                tx.ack(message)
                tx.send(producer.create_message("invoices", b"1"))
                message.ack()
            assert caught.value.code == 1418
            assert tx.state is TransactionState.FAILED
            with pytest.raises(OMSTransactionException, match="failed"):
                tx.commit()
            assert count(access_point, "invoices") == 0


def test_an_expired_lease_fails_the_commit(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"1"))
        with access_point.create_pull_consumer("orders", group="billing", prefetch=1) as consumer:
            message = consumer.receive()
            message.extend(0.001)
            with pytest.raises(OMSRuntimeException) as caught, producer.transaction() as tx:
                tx.ack(message)
                tx.send(producer.create_message("invoices", b"1"))
                assert consumer.receive(timeout=0.01) is None
            assert caught.value.code == 1418
            assert count(access_point, "invoices") == 0


def test_what_was_received_elsewhere_is_refused(memory: str) -> None:
    with (
        connect(memory) as here,
        connect(f"{memory}-there") as there,
        here.create_producer() as producer,
        there.create_producer() as theirs,
    ):
        theirs.send(theirs.create_message("orders", b"1"))
        with there.create_pull_consumer("orders") as consumer:
            message = consumer.receive()
            with pytest.raises(OMSRuntimeException, match="elsewhere"), producer.transaction() as tx:
                tx.ack(message)
            message.ack()


def test_bad_messages_and_too_many_bytes_are_refused_at_once(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer(buffer_bytes=100) as producer:
        with producer.transaction() as tx:
            large = producer.create_message("orders", b"")
            large.data = b"x" * (access_point.max_body_bytes + 1)
            with pytest.raises(OMSMessageFormatException):
                tx.send(large)
            with pytest.raises(OMSRuntimeException, match="no valid name"):
                tx.send(producer.create_message("a/b", b""))
            tx.send(producer.create_message("orders", b"x" * 90))
            with pytest.raises(OMSRuntimeException, match="101 bytes"):
                tx.send(producer.create_message("orders", b"x" * 11))
        assert count(access_point, "orders") == 1


def test_without_the_capability_there_is_none(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer._outbox.capabilities = frozenset()
        with pytest.raises(OMSUnsupportException, match="transaction"):
            producer.transaction()
    with pytest.raises(OMSRuntimeException, match="1503"):
        producer.transaction()


class Recorder(ProducerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_send(self, message, context: InterceptContext) -> None:
        message.properties["seen"] = True
        self.seen.append("pre")

    def post_send(self, message, context: InterceptContext) -> None:
        self.seen.append(f"post {message.offset}")

    def on_error(self, message, context: InterceptContext, error: BaseException) -> None:
        self.seen.append(type(error).__name__)


def test_interceptors_run_around_each_message(memory: str) -> None:
    recorder = Recorder()
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.add_interceptor(recorder)
        with producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"1"))
        with pytest.raises(ZeroDivisionError), producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"2"))
            raise ZeroDivisionError
        with producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"3"))
            tx.rollback()
    assert recorder.seen == ["pre", "post 0", "pre", "ZeroDivisionError", "pre", "OMSTransactionException"]


def test_a_transaction_comes_after_what_was_sent_before(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer(linger=5.0) as producer:
        before = producer.send_async(producer.create_message("orders", b"first"))
        with producer.transaction() as tx:
            tx.send(producer.create_message("orders", b"second"))
        assert (before.get(5)).offset == 0
        assert tx.results[0].offset == 1
