"""Prepared messages and transaction checks on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException, OMSTransactionException, OMSUnsupportException
from openmessaging.model.spi import Capability
from openmessaging.model.transaction import TransactionCheck
from openmessaging.runtime.aio.primitives import Event, sleep
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor
from tests.runtime.hiding import hide

SOON = TransactionCheck(first=0.02, interval=0.02, limit=3)
LATE = TransactionCheck(first=600)


class Books:
    """A listener that says what it is told to say."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes]] = []
        self.done = Event()

    def check(self, message, context) -> None:
        self.asked.append((context.transaction_id, message.data))
        assert message.extension_header.transaction_id == context.transaction_id
        answer = self.answers.pop(0) if self.answers else "unknown"
        if not self.answers:
            self.done.set()
        if answer == "raise":
            raise ValueError("the books are closed")
        if answer != "silence":
            getattr(context, answer)()


async def bodies(access_point, queue: str = "orders") -> list[bytes]:
    async with access_point.create_pull_consumer(queue, group="reader") as consumer:
        found = await consumer.batch_receive(timeout=0.02)
        for message in found:
            await message.ack()
        return [message.data for message in found]


async def until_decided(access_point) -> None:
    driver = await access_point.get_driver()
    for _ in range(500):
        if not await driver.list_transactions():
            return
        await sleep(0.01)
    raise AssertionError("a transaction is still in doubt")


async def test_it_is_received_after_the_commit_only(url: str) -> None:
    async with connect(url) as access_point:
        async with access_point.create_producer(
            transaction_state_check_listener=Books(), transaction_check=LATE
        ) as producer:
            message = producer.create_message("orders", b"1", message_key="k", correlation_id="c")
            result = await producer.prepare(message)
            assert result.message_id == message.message_id
            assert await bodies(access_point) == []
            await result.commit()
            await result.commit()
            with pytest.raises(OMSTransactionException, match="committed"):
                await result.rollback()
            dropped = await producer.prepare(producer.create_message("orders", b"2"))
            await dropped.rollback()
            await dropped.rollback()
            with pytest.raises(OMSTransactionException, match="rolled back"):
                await dropped.commit()
            assert "rolled back" in repr(dropped)
        async with access_point.create_pull_consumer("orders") as consumer:
            (received,) = await consumer.batch_receive(timeout=5)
            assert received.message_id == result.message_id
            assert received.extension_header.transaction_id == result.transaction_id
            assert (received.message_key, received.extension_header.correlation_id) == ("k", "c")


async def test_it_keeps_its_priority_and_its_delay(memory: str) -> None:
    async with (
        connect(memory) as access_point,
        access_point.create_producer(transaction_state_check_listener=Books(), transaction_check=LATE) as producer,
    ):
        await producer.send(producer.create_message("orders", b"before"))
        for body, headers in ((b"urgent", {"priority": 9}), (b"later", {"delay": 600.0})):
            await (await producer.prepare(producer.create_message("orders", body, **headers))).commit()
        assert await bodies(access_point) == [b"urgent", b"before"]


async def test_the_resource_manager_decides_where_the_producer_does_not(url: str) -> None:
    async with connect(url) as access_point:
        manager = access_point.resource_manager()
        async with access_point.create_producer(
            transaction_state_check_listener=Books(), transaction_check=LATE
        ) as producer:
            for body in (b"1", b"2"):
                await producer.prepare(producer.create_message("orders", body))
        first, second = await manager.list_transactions()
        assert (first.destination, first.checks, first.producer) == ("default://orders", 0, "default")
        await manager.end_transaction(first.transaction_id, commit=True)
        await manager.end_transaction(first.transaction_id, commit=True)
        await manager.end_transaction(second.transaction_id, commit=False)
        with pytest.raises(OMSTransactionException, match="rolled back"):
            await manager.end_transaction(second.transaction_id, commit=True)
        assert await manager.list_transactions() == []
        assert await bodies(access_point) == [b"1"]
        hide(access_point, Capability.TRANSACTIONS)
        with pytest.raises(OMSUnsupportException, match="transactions"):
            await manager.list_transactions()
        with pytest.raises(OMSUnsupportException, match="transactions"):
            await manager.end_transaction(first.transaction_id, commit=True)


async def test_without_a_listener_nothing_can_be_prepared(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSTransactionException, match="transaction_state_check_listener"):
            await producer.prepare(producer.create_message("orders", b""))
        with pytest.raises(OMSRuntimeException, match=r"transaction_check\.limit"):
            access_point.create_producer(transaction_check=TransactionCheck(limit=-1))
        with pytest.raises(OMSRuntimeException, match="producer_id"):
            access_point.create_producer(producer_id="a/b")


async def test_it_is_refused_as_a_send_is_and_where_there_are_no_transactions(memory: str) -> None:
    async with (
        connect(memory) as access_point,
        access_point.create_producer(transaction_state_check_listener=Books()) as producer,
    ):
        with pytest.raises(OMSRuntimeException, match="partition 7"):
            await producer.prepare(producer.create_message("orders", b"", partition=7))
        producer._outbox.capabilities = frozenset()
        with pytest.raises(OMSUnsupportException):
            await producer.prepare(producer.create_message("orders", b""))


async def test_unknown_an_exception_and_no_answer_are_asked_again(memory: str) -> None:
    books = Books("unknown", "raise", "silence", "commit")
    async with (
        connect(memory) as access_point,
        access_point.create_producer(
            transaction_state_check_listener=books,
            transaction_check=TransactionCheck(first=0.01, interval=0.01, limit=10),
        ) as producer,
    ):
        result = await producer.prepare(producer.create_message("orders", b"1"))
        await until_decided(access_point)
        assert books.asked == [(result.transaction_id, b"1")] * 4
        assert await bodies(access_point) == [b"1"]
        await result.commit()
        await result.commit()


async def test_at_the_limit_it_is_rolled_back(memory: str) -> None:
    books = Books()
    async with (
        connect(memory) as access_point,
        access_point.create_producer(transaction_state_check_listener=books, transaction_check=SOON) as producer,
    ):
        result = await producer.prepare(producer.create_message("orders", b"1"))
        await until_decided(access_point)
        assert len(books.asked) == 3
        with pytest.raises(OMSTransactionException, match="rolled back"):
            await result.commit()
        assert await bodies(access_point) == []


async def test_another_producer_of_the_id_may_be_asked_and_no_other(memory: str) -> None:
    async with connect(memory, {"PRODUCER_ID": "shop"}) as access_point:
        async with access_point.create_producer(
            transaction_state_check_listener=Books(), transaction_check=SOON
        ) as first:
            await first.prepare(first.create_message("orders", b"1"))
        stranger, colleague = Books("rollback"), Books("commit")
        async with access_point.create_producer(
            producer_id="bank", transaction_state_check_listener=stranger, transaction_check=SOON
        ):
            await sleep(0.05)
            async with access_point.create_producer(
                producer_id="shop", transaction_state_check_listener=colleague.check, transaction_check=SOON
            ):
                await until_decided(access_point)
        assert stranger.asked == []
        assert len(colleague.asked) == 1
        assert await bodies(access_point) == [b"1"]


async def test_checks_survive_a_restart_of_both_sides(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"
    async with (
        connect(url) as access_point,
        access_point.create_producer(transaction_state_check_listener=Books(), transaction_check=SOON) as producer,
    ):
        result = await producer.prepare(producer.create_message("orders", b"1"))
    books = Books("commit")
    async with (
        connect(url) as access_point,
        access_point.create_producer(transaction_state_check_listener=books, transaction_check=SOON),
    ):
        await until_decided(access_point)
        assert books.asked == [(result.transaction_id, b"1")]
        assert await bodies(access_point) == [b"1"]


async def test_an_answer_that_comes_too_late_changes_nothing(memory: str) -> None:
    reached, go = Event(), Event()

    async def slow(message, context) -> None:
        reached.set()
        await go.wait_within(5)
        context.rollback()

    async with (
        connect(memory) as access_point,
        access_point.create_producer(transaction_state_check_listener=slow, transaction_check=SOON) as producer,
    ):
        result = await producer.prepare(producer.create_message("orders", b"1"))
        assert await reached.wait_within(5)
        await result.commit()
        go.set()
        await until_decided(access_point)
        assert await bodies(access_point) == [b"1"]


class Recorder(ProducerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_send(self, message, context: InterceptContext) -> None:
        self.seen.append("pre")

    def post_send(self, message, context: InterceptContext) -> None:
        self.seen.append("post")

    def on_error(self, message, context: InterceptContext, error: BaseException) -> None:
        self.seen.append("error")


async def test_interceptors_run_around_prepare(memory: str) -> None:
    recorder = Recorder()
    async with (
        connect(memory) as access_point,
        access_point.create_producer(transaction_state_check_listener=Books(), transaction_check=LATE) as producer,
    ):
        producer.add_interceptor(recorder)
        await producer.prepare(producer.create_message("orders", b"1"))
        with pytest.raises(OMSRuntimeException):
            await producer.prepare(producer.create_message("a/b", b"1"))
    assert recorder.seen == ["pre", "post", "pre", "error"]
