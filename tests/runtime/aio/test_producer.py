"""The producer on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import (
    OMSMessageFormatException,
    OMSRuntimeException,
    OMSTimeOutException,
    OMSUnsupportException,
)
from openmessaging.model.message import Message
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor
from openmessaging.runtime.state import ServiceState


async def test_a_sent_message_takes_the_providers_values(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        message = producer.create_message("orders", b"one", message_key="alice", properties={"n": 1}, trace_id="t")
        assert message.message_id is None
        result = await producer.send(message)
        assert result.message_id == message.message_id
        assert (result.destination, result.partition, result.offset) == ("default://orders", 0, 0)
        assert message.header.born_timestamp <= result.store_timestamp == message.extension_header.store_timestamp
        assert (message.partition, message.offset, message.header.born_host) != (None, None, None)
        assert result.durability == ("fsync" if "embedded" in url else "memory")
        assert result.message_id in repr(result)
        assert (await producer.send(producer.create_message("orders", b"two"))).message_id > result.message_id


async def test_a_list_is_stored_in_order_with_a_result_for_each(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        messages = [producer.create_message("orders", b"%d" % number) for number in range(10)]
        results = await producer.send(messages)
        assert [result.offset for result in results] == list(range(10))
        assert [result.message_id for result in results] == [message.message_id for message in messages]
        assert [result.offset for result in results[2:4]] == [2, 3]
        assert len(await producer.send([])) == 0


async def test_a_list_over_queues_and_partitions_keeps_keys_together(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await access_point.resource_manager().create_queue("wide", partitions=4)
        messages = [
            producer.create_message("wide" if number % 3 else "other", b"%d" % number, message_key=f"k{number % 7}")
            for number in range(60)
        ]
        results = await producer.send(messages)
        homes: dict[str, set[int]] = {}
        for message, result in zip(messages, results, strict=True):
            assert result.destination == f"default://{message.destination}"
            assert (message.partition, message.offset) == (result.partition, result.offset)
            if message.destination == "wide":
                homes.setdefault(message.message_key, set()).add(result.partition)
        assert all(len(partitions) == 1 for partitions in homes.values())
        assert len(set.union(*homes.values())) > 1
        single = await producer.send(producer.create_message("wide", b"", message_key="k1"))
        assert single.partition in homes["k1"]


async def test_an_explicit_partition_wins_and_must_exist(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await access_point.resource_manager().create_queue("wide", partitions=3)
        result = await producer.send(producer.create_message("wide", b"", message_key="a", partition=2))
        assert result.partition == 2
        with pytest.raises(OMSRuntimeException, match="partition 3") as caught:
            await producer.send(producer.create_message("wide", b"", partition=3))
        assert caught.value.code == 1418
        with pytest.raises(OMSRuntimeException, match="partition 9"):
            await producer.send([producer.create_message("wide", b"", partition=9)])
        assert (await access_point.resource_manager().describe_queue("wide")).messages == 1


async def test_limits_and_unsupported_fields_are_refused_by_name(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSMessageFormatException) as caught:
            producer.create_message("orders", b"x" * (access_point.max_body_bytes + 1))
        assert caught.value.code == 1413
        with pytest.raises(OMSMessageFormatException):
            producer.create_message("orders", b"x" * (access_point.max_body_bytes + 1), message_key="a")
        grown = producer.create_message("orders", b"")
        grown.data = b"x" * (access_point.max_body_bytes + 1)
        with pytest.raises(OMSMessageFormatException):
            await producer.send(grown)
        with pytest.raises(OMSMessageFormatException) as caught:
            await producer.send(producer.create_message("orders", b"", properties={"big": "x" * 70_000}))
        assert caught.value.code == 1411
        for name, value in {"transaction_id": "t", "qos": 2}.items():
            with pytest.raises(OMSUnsupportException) as refused:
                await producer.send(producer.create_message("orders", b"", **{name: value}))
            assert refused.value.field is not None
            assert refused.value.field.lower() == name.replace("_", "")
        with pytest.raises(OMSMessageFormatException, match="colour"):
            producer.create_message("orders", b"", colour="red")
        with pytest.raises(OMSMessageFormatException, match="data"):
            producer.create_message("orders", "text")  # type: ignore[arg-type]
        with pytest.raises(OMSRuntimeException, match="no valid name"):
            await producer.send(producer.create_message("a/b", b""))
        assert await access_point.resource_manager().list_queues() == set()


async def test_a_priority_overtakes_and_arrives_with_the_message(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        await access_point.resource_manager().create_queue("orders", 2)

        def message(body: bytes, **headers: object) -> Message:
            return producer.create_message("orders", body, **headers)

        await producer.send([message(b"low", priority=1), message(b"a", partition=1), message(b"urgent", priority=9)])
        default = await producer.send(message(b"b", priority=5, partition=0))
        keyed = await producer.send(message(b"urgent too", priority=9, message_key="k"))
        later = [producer.send_async(message(b"%d" % number, priority=number)) for number in (10, 2)]
        assert (default.partition, [(await future.get(5)).offset for future in later]) == (0, [0, 0])
        info = await access_point.resource_manager().describe_queue("orders")
        assert info.partitions == 2
        assert info.lanes[keyed.partition - 2][1] == 9
        assert len(await access_point.resource_manager().list_streams("orders")) == 2 + len(info.lanes)
        async with access_point.create_pull_consumer("orders", group="g") as consumer:
            got = await consumer.batch_receive(20, timeout=5)
            assert [each.extension_header.priority for each in got] == [10, 9, 9, 5, 5, 2, 1]
            assert sorted(each.data for each in got[1:3]) == [b"urgent", b"urgent too"]


async def test_asynchronous_sends_keep_their_order(url: str) -> None:
    async with connect(url) as access_point, access_point.create_producer() as producer:
        futures = [producer.send_async(producer.create_message("orders", b"%d" % number)) for number in range(50)]
        assert [(await future.get(5)).offset for future in futures] == list(range(50))
        assert futures[0].is_done()
        assert futures[0].get_throwable() is None
        assert not futures[0].is_cancelled()
        many = producer.send_async([producer.create_message("orders", b"") for _ in range(3)])
        assert [result.offset for result in await many.get(5)] == [50, 51, 52]
        refused = producer.send_async(producer.create_message("orders", b"", qos=2))
        with pytest.raises(OMSUnsupportException):
            await refused.get(5)
        refused_list = producer.send_async([producer.create_message("orders", b"", qos=2)])
        with pytest.raises(OMSUnsupportException):
            await refused_list.get(5)
        assert isinstance(refused_list.get_throwable(), OMSUnsupportException)


async def test_keys_and_wrong_partitions_in_asynchronous_sends(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(linger=0.005) as producer:
        await access_point.resource_manager().create_queue("wide", partitions=4)
        futures = [
            producer.send_async(producer.create_message("wide", b"%d" % number, message_key=f"k{number % 5}"))
            for number in range(20)
        ]
        wrong = producer.send_async(producer.create_message("wide", b"", partition=7))
        await producer.flush()
        assert len({(await future.get(5)).partition for future in futures}) > 1
        with pytest.raises(OMSRuntimeException, match="partition 7"):
            await wrong.get(5)


async def test_one_way_sends_never_raise(memory: str) -> None:
    async with connect(memory) as access_point:
        producer = access_point.create_producer()
        producer.send_oneway(producer.create_message("orders", b"lost: not started"))
        async with producer:
            producer.send_oneway(producer.create_message("orders", b"refused", qos=2))
            producer.send_oneway([producer.create_message("orders", b"%d" % number) for number in range(3)])
            await producer.flush()
        assert (await access_point.resource_manager().describe_queue("orders")).messages == 3


async def test_stopping_waits_for_what_was_submitted_and_a_restart_works(memory: str) -> None:
    async with connect(memory) as access_point:
        producer = access_point.create_producer(linger=0.01)
        assert producer.current_state is ServiceState.INITIALIZED
        await producer.start()
        future = producer.send_async(producer.create_message("orders", b""))
        await producer.stop()
        assert future.is_done()
        assert producer.current_state is ServiceState.STOPPED
        for call in (producer.send, producer.send_async):
            with pytest.raises(OMSRuntimeException) as caught:
                await call(producer.create_message("orders", b""))
            assert caught.value.code == 1503
        with pytest.raises(OMSRuntimeException, match="1503"):
            await producer.flush()
        await producer.startup()
        assert (await producer.send(producer.create_message("orders", b""))).offset == 1
        await producer.shutdown()
        await producer.close()


class Recorder(ProducerInterceptor):
    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    def pre_send(self, message, context: InterceptContext) -> None:
        context.attributes[self.name] = message.data
        message.properties[self.name] = True
        self.seen.append(f"pre {self.name}")

    def post_send(self, message, context: InterceptContext) -> None:
        assert context.attributes[self.name] == message.data
        assert message.message_id
        self.seen.append(f"post {self.name}")
        raise ValueError("is logged")

    def on_error(self, message, context: InterceptContext, error: BaseException) -> None:
        self.seen.append(f"error {self.name} {type(error).__name__}")


class Refuser(ProducerInterceptor):
    def pre_send(self, message, context: InterceptContext) -> None:
        raise PermissionError("no")


async def test_interceptors_run_around_every_kind_of_send(memory: str) -> None:
    seen: list[str] = []
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        first, second = Recorder("a", seen), Recorder("b", seen)
        producer.add_interceptor(first)
        producer.add_interceptor(second)
        order = ["pre a", "pre b", "post b", "post a"]
        await producer.send(producer.create_message("orders", b"1"))
        assert seen == order
        seen.clear()
        await producer.send_async(producer.create_message("orders", b"2")).get(5)
        await producer.flush()
        assert seen == order
        seen.clear()
        await producer.send([producer.create_message("orders", b"3"), producer.create_message("orders", b"4")])
        assert sorted(seen) == sorted(order * 2)
        seen.clear()
        with pytest.raises(OMSUnsupportException):
            await producer.send(producer.create_message("orders", b"5", qos=2))
        assert seen == ["pre a", "pre b", "error b OMSUnsupportException", "error a OMSUnsupportException"]
        seen.clear()
        with pytest.raises(OMSUnsupportException):
            await producer.send_async(producer.create_message("orders", b"5", qos=2)).get(5)
        assert seen[2:] == ["error b OMSUnsupportException", "error a OMSUnsupportException"]
        producer.remove_interceptor(first)
        producer.remove_interceptor(second)
        producer.add_interceptor(Refuser())
        with pytest.raises(PermissionError):
            await producer.send(producer.create_message("orders", b"6"))
        async with access_point.create_pull_consumer("orders") as consumer:
            messages = await consumer.batch_receive()
            assert [message.data for message in messages] == [b"1", b"2", b"3", b"4"]
            assert all(message.properties == {"a": True, "b": True} for message in messages)


async def test_a_full_buffer_pushes_back_and_lets_go_again(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(buffer_bytes=100, linger=0.01) as producer:
        small = [producer.create_message("orders", b"x" * 60) for _ in range(8)]
        for message in small:
            await producer.send(message)
        assert (await producer.send([producer.create_message("orders", b"x" * 500)]))[0].offset == 8


async def test_compression_and_metadata(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(compression="zstd") as producer:
        await producer.send([producer.create_message("orders", b"x" * 1000) for _ in range(10)])
        metadata = await producer.get_extension().get_queue_meta_data("orders")
        assert [(each.queue_name, each.partition_id, each.next_offset) for each in metadata] == [
            ("default://orders", 0, 10)
        ]
        async with access_point.create_pull_consumer("orders") as consumer:
            assert {message.data for message in await consumer.batch_receive()} == {b"x" * 1000}
        with pytest.raises(OMSRuntimeException, match="compression"):
            access_point.create_producer(compression="rar")


async def test_a_future_that_is_not_done_in_time(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer(linger=0.2) as producer:
        future = producer.send_async(producer.create_message("orders", b""))
        with pytest.raises(OMSTimeOutException) as caught:
            await future.get(0.001)
        assert caught.value.code == 1410
        assert future.get_throwable() is None
        assert (await future.get(5)).offset == 0
        heard: list[object] = []
        future.add_listener(heard.append)
        assert heard == [future]
