"""Messages that NATS keeps until they are due."""

import asyncio
import time

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Nats
from tests.drivers.nats.test_driver import connect
from tests.drivers.nats.test_source import taken


async def delaying(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        due = time.time() + 1.0
        await producer.send(producer.create_message(queue, b"now"))
        later = await producer.send(
            producer.create_message(queue, b"later", message_key="k", properties={"p": 1}, deliver_at=due, ttl=60)
        )
        assert later.offset is None or later.offset < 0
        cancelled = await producer.send(producer.create_message(queue, b"cancelled", delay=1.0))
        moved = await producer.send(producer.create_message(queue, b"moved", delay=60, properties={"q": 2.5}))
        manager = access_point.resource_manager()
        assert (await manager.describe_queue(queue)).delayed == 3
        waiting = {each.message_id: each for each in await manager.list_delayed(queue)}
        assert waiting.keys() == {later.message_id, cancelled.message_id, moved.message_id}
        assert abs(waiting[later.message_id].due_ms - due * 1000) <= 1
        assert (waiting[later.message_id].message_key, waiting[later.message_id].size_bytes) == ("k", 5)
        assert await producer.cancel(queue, cancelled.message_id)
        assert not await producer.cancel(queue, cancelled.message_id)
        assert await producer.reschedule(queue, moved.message_id, deliver_at=due + 0.3)
        assert not await producer.reschedule(queue, cancelled.message_id, delay=1)
        with pytest.raises(OMSRuntimeException, match="1418"):
            await producer.cancel(queue, "\n")
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            await (await taken(consumer)).ack()
            first = await taken(consumer)
            assert 0 <= time.time() - due < 1.0
            assert (first.data, first.message_key, first.properties["p"]) == (b"later", "k", 1)
            assert first.message_id == later.message_id
            second = await taken(consumer)
            assert 0.3 <= time.time() - due < 1.5
            assert (second.data, second.message_id, second.properties["q"]) == (b"moved", moved.message_id, 2.5)
            await consumer.ack([first, second])
            assert await consumer.receive(timeout=0.3) is None
        assert await manager.list_delayed(queue) == []
        assert not await producer.cancel(queue, later.message_id)


def test_delayed_messages_come_when_due(server: Nats, queue: str) -> None:
    asyncio.run(delaying(server, queue))
