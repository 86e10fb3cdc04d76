"""Programs with Pulsar's own client beside ours."""

import asyncio
import os

import pulsar
import pytest

from openmessaging.testing.servers import Server
from tests.drivers.pulsar.test_access import connect, taken

pytestmark = pytest.mark.timeout(300)  # the first one starts the server


def client(server: Server) -> pulsar.Client:
    quiet = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)
    return pulsar.Client(f"pulsar://127.0.0.1:{server.port}", logger=quiet)


async def reading_ours(server: Server, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        message = producer.create_message(queue, b"hello", message_key="alice", properties={"service": "x", "n": 2})
        sent = await producer.send(message)
    native = client(server)
    earliest = pulsar.InitialPosition.Earliest
    consumer = native.subscribe(queue, "native", initial_position=earliest)
    got = consumer.receive(10_000)
    assert (got.data(), got.partition_key()) == (b"hello", "alice")
    assert got.event_timestamp() == message.header.born_timestamp
    fields = got.properties()
    assert (fields["oms-messageId"], fields["service"], fields["n"]) == (sent.message_id, "x", "2")
    assert fields["oms-types"] == "n=long"
    consumer.acknowledge(got)
    native.close()


def test_its_client_reads_ours(pulsar_server: Server, queue: str) -> None:
    asyncio.run(reading_ours(pulsar_server, queue))


async def reading_theirs(server: Server, queue: str) -> None:
    native = client(server)
    producer = native.create_producer(queue)  # makes a topic without partitions
    producer.send(b"one", properties={"colour": "red"}, partition_key="k", event_timestamp=1_700_000_000_000)
    producer.send(b"two")
    async with connect(server) as access_point:
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            first, second = await taken(consumer), await taken(consumer)
            assert (first.data, first.message_key, dict(first.properties)) == (b"one", "k", {"colour": "red"})
            assert first.header.born_timestamp == 1_700_000_000_000
            assert first.message_id
            assert (second.data, second.message_key, dict(second.properties)) == (b"two", None, {})
            await consumer.ack([first, second])
        async with access_point.create_producer() as ours:
            await ours.send(ours.create_message(queue, b"three"))
        assert f"default://{queue}" in await access_point.resource_manager().list_queues()
        seen = [message async for message in access_point.resource_manager().browse(queue)]
        assert [message.data for message in seen] == [b"one", b"two", b"three"]
        assert seen[0].message_id == first.message_id, "the same id each time it is read"
    native.close()


def test_ours_reads_topics_of_other_programs(pulsar_server: Server, queue: str) -> None:
    asyncio.run(reading_theirs(pulsar_server, queue))
