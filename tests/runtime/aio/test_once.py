"""Sends that are stored once, on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor


async def count(access_point, queue: str = "orders") -> int:
    return (await access_point.resource_manager().describe_queue(queue)).messages


async def test_a_key_within_the_window(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        await access_point.resource_manager().create_queue("orders", deduplication_window=60)
        message = producer.create_message("orders", b"1", message_key="k")
        first = await producer.send_once(message, key="order-1")
        assert not first.duplicate
        again = await producer.send_once(producer.create_message("orders", b"1"), key="order-1")
        assert again.duplicate
        assert (again.message_id, again.partition, again.offset, again.store_timestamp) == (
            first.message_id,
            first.partition,
            first.offset,
            first.store_timestamp,
        )
        assert not (await producer.send_once(producer.create_message("orders", b"2"), key="order-2")).duplicate
        assert await count(access_point) == 2
        with pytest.raises(OMSRuntimeException, match="no deduplication window"):
            await producer.send_once(producer.create_message("others", b"1"), key="order-1")


async def test_a_named_producer_goes_on_after_a_restart(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"
    lines = [b"a", b"b", b"c", b"d"]
    async with connect(url) as access_point, access_point.create_producer(name="importer") as producer:
        assert producer.last_sequence("orders") == -1
        for number, line in enumerate(lines[:2]):
            await producer.send_once(producer.create_message("orders", line), sequence=number)
    async with connect(url) as access_point, access_point.create_producer(name="importer") as producer:
        assert producer.last_sequence("orders") == 1
        results = [
            await producer.send_once(producer.create_message("orders", line), sequence=number)
            for number, line in enumerate(lines)
        ]
        assert [result.duplicate for result in results] == [True, True, False, False]
        assert [result.offset for result in results] == [0, 1, 2, 3]
        assert await count(access_point) == 4
        after = await producer.send(producer.create_message("orders", b"e"))
        assert (after.offset, after.origin.first_sequence) == (4, 4)


async def test_everything_a_named_producer_sends_has_numbers(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(name="importer") as producer:
        await producer.send(producer.create_message("orders", b"1"))
        await producer.send([producer.create_message("orders", b"2"), producer.create_message("orders", b"3")])
        futures = [producer.send_async(producer.create_message("orders", b"4")) for _ in range(3)]
        assert [(await future.get(5)).offset for future in futures] == [3, 4, 5]
        async with producer.transaction() as tx:
            await tx.send(producer.create_message("orders", b"5"))
        with pytest.raises(OMSRuntimeException, match="partition 5"):
            await producer.send_async(producer.create_message("orders", b"", partition=5)).get(5)
        async with access_point.create_producer(name="importer") as successor:
            assert successor.last_sequence("orders") == 6
            with pytest.raises(OMSRuntimeException, match="importer") as caught:
                await producer.send(producer.create_message("orders", b"6"))
            assert caught.value.code == 1409
            with pytest.raises(OMSRuntimeException) as caught:
                await producer.send_async(producer.create_message("orders", b"6")).get(5)
            assert caught.value.code == 1409
            assert (await successor.send(producer.create_message("orders", b"7"))).offset == 7
        assert await count(access_point) == 8


async def test_qos_2_needs_an_idempotent_send(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(name="importer") as named:
        await named.send(named.create_message("orders", b"1", qos=2))
        await named.send([named.create_message("orders", b"2", qos=2)])
        async with access_point.create_pull_consumer("orders") as consumer:
            assert [message.header.qos for message in await consumer.batch_receive(timeout=5)] == [2, 2]
        async with access_point.create_producer() as plain:
            with pytest.raises(OMSUnsupportException, match="name"):
                await plain.send(plain.create_message("orders", b"1", qos=2))


async def test_what_is_wrong_is_said(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        message = producer.create_message("orders", b"1")
        with pytest.raises(OMSRuntimeException, match="a key or a sequence"):
            await producer.send_once(message)
        with pytest.raises(OMSRuntimeException, match="name"):
            await producer.send_once(message, sequence=1)
        async with access_point.create_producer(name="importer") as named:
            assert named.last_sequence("orders") == -1
            with pytest.raises(OMSRuntimeException, match="2\\^40"):
                await named.send_once(message, sequence=-1)
        with pytest.raises(OMSRuntimeException, match="name"):
            access_point.create_producer(name="a/b")
        producer._outbox.capabilities = frozenset()
        with pytest.raises(OMSUnsupportException, match="unique"):
            await producer.send_once(message, key="k")


class Recorder(ProducerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def pre_send(self, message, context: InterceptContext) -> None:
        self.seen.append("pre")

    def post_send(self, message, context: InterceptContext) -> None:
        self.seen.append("post")

    def on_error(self, message, context: InterceptContext, error: BaseException) -> None:
        self.seen.append("error")


async def test_interceptors_run_around_send_once(memory: str) -> None:
    recorder = Recorder()
    async with connect(memory) as access_point, access_point.create_producer(name="p") as producer:
        producer.add_interceptor(recorder)
        await producer.send_once(producer.create_message("orders", b"1"), sequence=1)
        with pytest.raises(OMSRuntimeException):
            await producer.send_once(producer.create_message("orders", b"1"), key="k")
    assert recorder.seen == ["pre", "post", "pre", "error"]
