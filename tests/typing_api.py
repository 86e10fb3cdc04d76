"""The typed surface as a user sees it: checked by mypy, never run."""

from collections.abc import Sequence
from typing import assert_type

import openmessaging as oms
from openmessaging import blocking
from openmessaging.runtime.result import SendResults


async def asynchronous() -> None:
    async with oms.connect("oms:memory:", {"OPERATION_TIMEOUT": 1000}) as access_point:
        assert_type(access_point, oms.AccessPoint)
        async with access_point.create_producer(linger=0.01) as producer:
            assert_type(producer, oms.Producer)
            message = producer.create_message("q", b"", message_key="k", properties={"a": 1}, trace_id="t")
            assert_type(message, oms.Message)
            assert_type(await producer.send(message), oms.SendResult)
            assert_type(await producer.send([message]), Sequence[oms.SendResult])
            assert_type(producer.send_async(message), oms.Future[oms.SendResult])
            assert_type(await producer.send_async([message]), SendResults)
            producer.send_oneway(message)
            assert_type(await producer.request(message, timeout=1.0), oms.Message)
            assert_type(await producer.request_all(message, count=2), oms.Replies)
            async with producer.request_stream(message, window=8) as stream_of_replies:
                async for reply in stream_of_replies:
                    assert_type(reply, oms.Message)
            assert_type(await producer.services(), list[oms.ServiceInfo])
        async with access_point.create_service("q", answer, group="g") as service:
            assert_type(service, oms.ServiceEndpoint)
        async with access_point.create_pull_consumer("q", group="g", order="key") as consumer:
            assert_type(await consumer.receive(timeout=1.0), oms.ReceivedMessage | None)
            assert_type(await consumer.batch_receive(), list[oms.ReceivedMessage])
            assert_type(await consumer.receive_from("q", 0, 0), list[oms.Message])
            async for received in consumer:
                assert_type(received, oms.ReceivedMessage)
                assert_type(received.receipt, oms.MessageReceipt)
                await consumer.ack(received)
                await consumer.ack([received, received.receipt, str(received.receipt)])
                await consumer.nack(received.receipt, delay=1.0)
        async with access_point.create_push_consumer(concurrency=2) as push:
            await push.bind_queue("q", listener)
        async with access_point.create_streaming_consumer() as stream:
            iterator = await stream.seek("q#0", "offset:0")
            assert_type(iterator, oms.StreamingIterator)
            assert_type(await iterator.next(), oms.Message)
        assert_type(await access_point.resource_manager().list_queues(), set[str])
        assert_type(await access_point.resource_manager().describe_queue("q"), oms.QueueInfo)
        assert_type(access_point.current_state, oms.ServiceState)


async def answer(request: oms.Request) -> bytes:
    assert_type(request.time_left, float)
    return request.data


async def listener(message: oms.ReceivedMessage, context: oms.ListenerContext) -> None:
    context.ack()
    await message.nack()


def synchronous() -> None:
    with blocking.connect("oms:memory:") as access_point:
        assert_type(access_point, blocking.AccessPoint)
        with access_point.create_producer() as producer:
            message = producer.create_message("q", b"")
            assert_type(producer.send(message), oms.SendResult)
            assert_type(producer.send([message]), Sequence[oms.SendResult])
            assert_type(producer.send_async(message), blocking.Future[oms.SendResult])
            assert_type(producer.send_async(message).get(1.0), oms.SendResult)
        with access_point.create_pull_consumer("q") as consumer:
            assert_type(consumer.receive(), blocking.ReceivedMessage | None)
            for received in consumer:
                assert_type(received, blocking.ReceivedMessage)
                received.ack()
