"""Transactions on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import (
    OMSMessageFormatException,
    OMSRuntimeException,
    OMSTransactionException,
    OMSUnsupportException,
)
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor
from openmessaging.runtime.state import TransactionState


async def count(access_point, queue: str) -> int:
    names = await access_point.resource_manager().list_queues()
    return (
        (await access_point.resource_manager().describe_queue(queue)).messages if f"default://{queue}" in names else 0
    )


async def test_sends_over_several_queues_take_effect_at_the_end(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        await access_point.resource_manager().create_queue("wide", partitions=3)
        async with producer.transaction() as tx:
            await tx.send(producer.create_message("orders", b"1"))
            await tx.send([producer.create_message("wide", b"%d" % n, message_key=f"k{n}") for n in range(6)])
            await tx.send([])
            last = producer.create_message("orders", b"2")
            await tx.send(last)
            assert await count(access_point, "orders") + await count(access_point, "wide") == 0
            assert tx.state is TransactionState.OPEN
        assert tx.state is TransactionState.COMMITTED
        assert [result.destination for result in tx.results] == [
            "default://orders",
            *["default://wide"] * 6,
            "default://orders",
        ]
        assert (last.message_id, last.offset) == (tx.results[7].message_id, 1)
        assert await count(access_point, "orders") == 2
        assert await count(access_point, "wide") == 6
        assert await tx.commit() is tx.results
        with pytest.raises(OMSTransactionException, match="committed"):
            await tx.rollback()
        with pytest.raises(OMSTransactionException):
            await tx.send(last)


async def test_an_exception_rolls_back(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction() as tx:
                await tx.send(producer.create_message("orders", b"1"))
                raise ZeroDivisionError
        assert tx.state is TransactionState.ROLLED_BACK
        await tx.rollback()
        with pytest.raises(OMSTransactionException, match="rolled back"):
            await tx.commit()
        with pytest.raises(OMSTransactionException):
            await tx.send(producer.create_message("orders", b"1"))
        with pytest.raises(OMSTransactionException):
            await tx.ack([])
        with pytest.raises(OMSTransactionException):
            async with tx:
                pass
        async with producer.transaction() as other:
            await other.send(producer.create_message("orders", b"1"))
            await other.rollback()
        assert await count(access_point, "orders") == 0
        async with producer.transaction() as empty:
            pass
        assert empty.state is TransactionState.COMMITTED


async def test_consume_transform_produce(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message("orders", b"%d" % n) for n in range(3)])
        async with (
            access_point.create_pull_consumer("orders", group="billing") as billing,
            access_point.create_pull_consumer("orders", group="audit") as audit,
        ):
            first, second, third = await billing.batch_receive(3)
            seen = await audit.receive()
            async with producer.transaction() as tx:
                await tx.ack(first)
                await tx.ack([third, seen])
                await tx.send(producer.create_message("invoices", first.data + third.data))
            await first.ack()  # again is no error
            with pytest.raises(OMSRuntimeException, match="acknowledged"):
                await first.nack()
            with pytest.raises(OMSRuntimeException, match="acknowledged"):
                async with producer.transaction() as again:
                    await again.ack(first)
            assert again.state is TransactionState.ROLLED_BACK
            group = await access_point.resource_manager().describe_group("orders", "billing")
            assert (group.lag, group.in_flight) == (1, 1)
            await second.ack()
            group = await access_point.resource_manager().describe_group("orders", "audit")
            assert group.lag == 2
        async with access_point.create_pull_consumer("invoices") as consumer:
            assert [message.data for message in await consumer.batch_receive()] == [b"02"]


async def test_a_rollback_leaves_what_was_received_in_hand(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("orders", b"1"))
        async with access_point.create_pull_consumer("orders", group="billing") as consumer:
            message = await consumer.receive()
            with pytest.raises(ZeroDivisionError):
                async with producer.transaction() as tx:
                    await tx.ack(message)
                    raise ZeroDivisionError
            await message.nack(delay=0.0)
            again = await consumer.receive()
            assert again.delivery_count == 2
            await again.ack()


async def test_a_message_settled_meanwhile_fails_the_commit(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("orders", b"1"))
        async with access_point.create_pull_consumer("orders", group="billing") as consumer:
            message = await consumer.receive()
            with pytest.raises(OMSRuntimeException) as caught:
                async with producer.transaction() as tx:
                    await tx.ack(message)
                    await tx.send(producer.create_message("invoices", b"1"))
                    await message.ack()
            assert caught.value.code == 1418
            assert tx.state is TransactionState.FAILED
            with pytest.raises(OMSTransactionException, match="failed"):
                await tx.commit()
            assert await count(access_point, "invoices") == 0


async def test_an_expired_lease_fails_the_commit(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("orders", b"1"))
        async with access_point.create_pull_consumer("orders", group="billing", prefetch=1) as consumer:
            message = await consumer.receive()
            await message.extend(0.001)
            with pytest.raises(OMSRuntimeException) as caught:
                async with producer.transaction() as tx:
                    await tx.ack(message)
                    await tx.send(producer.create_message("invoices", b"1"))
                    assert await consumer.receive(timeout=0.01) is None
            assert caught.value.code == 1418
            assert await count(access_point, "invoices") == 0


async def test_what_was_received_elsewhere_is_refused(memory: str) -> None:
    async with (
        connect(memory) as here,
        connect(f"{memory}-there") as there,
        here.create_producer() as producer,
        there.create_producer() as theirs,
    ):
        await theirs.send(theirs.create_message("orders", b"1"))
        async with there.create_pull_consumer("orders") as consumer:
            message = await consumer.receive()
            with pytest.raises(OMSRuntimeException, match="elsewhere"):
                async with producer.transaction() as tx:
                    await tx.ack(message)
            await message.ack()


async def test_bad_messages_and_too_many_bytes_are_refused_at_once(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(buffer_bytes=100) as producer:
        async with producer.transaction() as tx:
            large = producer.create_message("orders", b"")
            large.data = b"x" * (access_point.max_body_bytes + 1)
            with pytest.raises(OMSMessageFormatException):
                await tx.send(large)
            with pytest.raises(OMSRuntimeException, match="no valid name"):
                await tx.send(producer.create_message("a/b", b""))
            await tx.send(producer.create_message("orders", b"x" * 90))
            with pytest.raises(OMSRuntimeException, match="101 bytes"):
                await tx.send(producer.create_message("orders", b"x" * 11))
        assert await count(access_point, "orders") == 1


async def test_without_the_capability_there_is_none(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
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


async def test_interceptors_run_around_each_message(memory: str) -> None:
    recorder = Recorder()
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.add_interceptor(recorder)
        async with producer.transaction() as tx:
            await tx.send(producer.create_message("orders", b"1"))
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction() as tx:
                await tx.send(producer.create_message("orders", b"2"))
                raise ZeroDivisionError
        async with producer.transaction() as tx:
            await tx.send(producer.create_message("orders", b"3"))
            await tx.rollback()
    assert recorder.seen == ["pre", "post 0", "pre", "ZeroDivisionError", "pre", "OMSTransactionException"]


async def test_a_transaction_comes_after_what_was_sent_before(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(linger=5.0) as producer:
        before = producer.send_async(producer.create_message("orders", b"first"))
        async with producer.transaction() as tx:
            await tx.send(producer.create_message("orders", b"second"))
        assert (await before.get(5)).offset == 0
        assert tx.results[0].offset == 1
