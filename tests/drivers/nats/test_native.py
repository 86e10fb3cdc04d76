"""Programs with NATS' own client beside ours."""

import asyncio

import nats

from openmessaging.model.cloud_event import CloudEvent, from_cloudevent, to_cloudevent
from openmessaging.testing.servers import Nats
from tests.drivers.nats.test_driver import connect


async def reading_ours(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        message = producer.create_message(queue, b"hello", message_key="alice", properties={"service": "x", "n": 2})
        sent = await producer.send(message)
    client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    stream = client.jetstream()
    subscription = await stream.pull_subscribe(f"{queue}.*", durable="native")
    (got,) = await subscription.fetch(1, timeout=5)
    assert (got.subject, got.data) == (f"{queue}.0", b"hello")
    headers = got.headers or {}
    assert (headers["oms-messageId"], headers["oms-messageKey"]) == (sent.message_id, "alice")
    assert (headers["service"], headers["n"], headers["oms-types"]) == ("x", "2", "n=long")
    await got.ack()
    await client.close()


def test_its_client_reads_ours(server: Nats, queue: str) -> None:
    asyncio.run(reading_ours(server, queue))


async def reading_theirs(server: Nats, queue: str) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    stream = client.jetstream()
    await stream.add_stream(name=queue, subjects=[f"theirs.{queue}.*"])
    await stream.publish(f"theirs.{queue}.a", b"one", headers={"colour": "red", "Nats-Msg-Id": "1"})
    await stream.publish(f"theirs.{queue}.b", b"two")
    async with connect(server) as access_point:
        async with access_point.create_pull_consumer(queue, group="g", prefetch=0) as consumer:
            first = await consumer.receive(timeout=5)
            assert first is not None
            assert (first.data, dict(first.properties), first.offset) == (b"one", {"colour": "red"}, 1)
            assert first.message_id
            await first.nack(delay=0.0)
            other = await consumer.receive(timeout=5)
            again = await consumer.receive(timeout=5)
            assert other is not None
            assert again is not None
            assert {other.data, again.data} == {b"one", b"two"}
            same = other if other.data == b"one" else again
            assert same.message_id == first.message_id
            await consumer.ack([other, again])
        async with access_point.create_producer() as producer:
            failure = await asyncio.gather(producer.send(producer.create_message(queue, b"")), return_exceptions=True)
            assert "no one subject" in str(failure[0])
            await stream.add_stream(name=f"{queue}-one", subjects=[f"plain.{queue}"])
            await producer.send(producer.create_message(f"{queue}-one", b"three"))
            many = [producer.create_message(f"{queue}-one", b"%d" % at) for at in range(600)]
            assert (await producer.send(many))[599].offset == 601
        subscription = await stream.pull_subscribe(f"plain.{queue}", durable="native")
        assert [got.data for got in await subscription.fetch(1, timeout=5)] == [b"three"]
    await client.close()


def test_ours_reads_streams_of_other_programs(server: Nats, queue: str) -> None:
    asyncio.run(reading_theirs(server, queue))


async def events(server: Nats, queue: str) -> None:
    event = CloudEvent(
        {"specversion": "1.0", "id": "1", "source": "/s", "type": "order placed", "subject": "größe", "size": 3},
        b"{}",
    )
    client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send(from_cloudevent(event, queue))
        got = await client.jetstream().get_msg(queue, 1)
        headers = {name: text for name, text in (got.headers or {}).items() if name.startswith("ce-")}
        assert headers == {
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-source": "/s",
            "ce-type": "order%20placed",
            "ce-subject": "gr%C3%B6%C3%9Fe",
            "ce-size": "3",
        }
        await client.jetstream().publish(f"{queue}.0", b"{}", headers=headers)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            for size in (3, "3"):
                message = await consumer.receive(timeout=5)
                assert message is not None
                found = to_cloudevent(message)
                assert {**found.attributes, **event.attributes, "size": size} == dict(found.attributes)
                assert found.data == b"{}"
                await message.ack()
    await client.close()


def test_events_are_in_binary_mode(server: Nats, queue: str) -> None:
    asyncio.run(events(server, queue))
