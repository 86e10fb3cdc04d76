"""Kafka's own clients read what ours wrote, and the reverse."""

import asyncio
import contextlib
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import OFFSET_BEGINNING, AcknowledgeType, IllegalStateException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

import openmessaging as oms
from tests.drivers.kafka.conftest import opened, receive, run, send

aiokafka = pytest.importorskip("aiokafka")
PROPERTIES: dict[str, Any] = {"s": "x", "n": 7, "f": 2.5, "b": True, "raw": b"\xff", "oms-x": "y"}


def read_native(kafka: Any, queue: str, number: int) -> list[Any]:
    settings = {"bootstrap.servers": f"127.0.0.1:{kafka.port}", "group.id": "native", "enable.auto.commit": False}
    consumer = confluent_kafka.Consumer(settings)
    consumer.assign([TopicPartition(queue, 0, OFFSET_BEGINNING)])
    found: list[Any] = []
    while len(found) < number:
        found += consumer.consume(number - len(found), 20.0)
    consumer.close()
    return found


async def writing(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        fields = {"message_key": "alice", "properties": PROPERTIES, "trace_id": "t"}
        (result,) = await send(point, queue, b"body", **fields)
        (native,) = await asyncio.to_thread(read_native, kafka, queue, 1)
        assert (native.value(), native.key(), native.offset()) == (b"body", b"alice", result.offset)
        headers = dict(native.headers())
        assert headers.items() >= {
            "oms-traceId": b"t", "s": b"x", "n": b"7", "f": b"2.5",
            "b": b"true", "raw": b"/w==", "oms-p-oms-x": b"y",
            "oms-types": b"n=long,f=double,b=boolean,raw=binary",
        }.items()  # fmt: skip
        assert headers["oms"].startswith(f"{result.message_id} {native.timestamp()[1]} ".encode())
        assert native.timestamp()[0] == confluent_kafka.TIMESTAMP_CREATE_TIME
        consumer = aiokafka.AIOKafkaConsumer(
            queue, bootstrap_servers=f"127.0.0.1:{kafka.port}", group_id="aio", auto_offset_reset="earliest"
        )
        async with consumer:
            record = await asyncio.wait_for(consumer.getone(), 30)
        assert (record.value, record.key, dict(record.headers)) == (b"body", b"alice", headers)


def test_other_clients_read_ours(kafka: Any, queue: str) -> None:
    run(writing(kafka, queue))


async def reading(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        native = confluent_kafka.Producer({"bootstrap.servers": f"127.0.0.1:{kafka.port}"})
        headers = [("colour", "red"), ("raw", b"\xff")]
        native.produce(queue, b"one", key="k", headers=headers, timestamp=1_600_000_000_000)
        native.produce(queue, None, key=b"\xff\x00")
        assert native.flush(20) == 0
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{kafka.port}") as other:
            await other.send_and_wait(queue, b"three", headers=[("h", b"v")])
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            one, two, three = await receive(consumer, 3)
        assert (one.data, one.message_key, dict(one.properties)) == (b"one", "k", {"colour": "red", "raw": b"\xff"})
        assert (one.header.born_timestamp, one.offset, one.partition) == (1_600_000_000_000, 0, 0)
        assert (two.data, two.message_key, dict(two.properties)) == (b"", None, {"kafka-key": b"\xff\x00"})
        assert (three.data, dict(three.properties)) == (b"three", {"h": "v"})
        async with point.create_pull_consumer(queue, group=f"{queue}-2") as consumer:
            assert [each.message_id for each in await receive(consumer, 3)] == [
                one.message_id, two.message_id, three.message_id,
            ]  # fmt: skip


def test_ours_reads_other_clients(kafka: Any, queue: str) -> None:
    run(reading(kafka, queue))


async def sharing(kafka: Any, queue: str) -> None:
    """A group may change clients: each goes on where the other was."""
    async with opened(kafka, queue) as point:
        await send(point, queue, *[b"%d" % number for number in range(6)])
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            for message in await receive(consumer, 4):
                if message.data != b"1":
                    await message.ack()
        where = {"bootstrap_servers": f"127.0.0.1:{kafka.port}", "group_id": queue, "enable_auto_commit": False}
        other = aiokafka.AIOKafkaConsumer(queue, **where)
        async with other:  # knows one offset: what was settled behind it comes again
            records = [await asyncio.wait_for(other.getone(), 30) for _ in range(5)]
            assert [record.value for record in records] == [b"1", b"2", b"3", b"4", b"5"]
            await other.commit({aiokafka.TopicPartition(queue, 0): 5})
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            assert [message.data for message in await receive(consumer, 1)] == [b"5"]


def test_a_group_goes_from_client_to_client(kafka: Any, queue: str) -> None:
    run(sharing(kafka, queue))


async def restamping(kafka: Any, queue: str) -> None:
    async with oms.connect(kafka.url) as point:
        await point.resource_manager().create_queue(queue)
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.port}"})
        resource = ConfigResource(ResourceType.TOPIC, queue)
        entries = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"}
        for name, value in entries.items():
            resource.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
        await asyncio.to_thread(admin.incremental_alter_configs([resource])[resource].result, 20)
        results = await send(point, queue, b"x", b"", message_key="k")
        first, second = await asyncio.to_thread(read_native, kafka, queue, 2)
        assert first.timestamp()[0] == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME
        assert second.value() is None
        async with point.create_pull_consumer(queue, group=queue) as consumer:
            one, two = await receive(consumer, 2)
        assert (one.header.born_timestamp, two.data) == (int(dict(first.headers())["oms"].split()[1]), b"")
        assert one.header.born_timestamp <= one.get_header("storeTimestamp") == first.timestamp()[1]
        assert results[0].message_id == one.message_id
        with pytest.raises(oms.OMSRuntimeException) as refused:
            await send(point, queue, b"no key")
        assert refused.value.code == 1400


def test_topics_with_times_of_the_broker_and_compaction(kafka: Any, queue: str) -> None:
    run(restamping(kafka, queue))


async def share_groups(kafka: Any, queue: str) -> None:
    async with opened(kafka, queue) as point:
        await send(point, queue, *[b"%d" % number for number in range(4)])
        await asyncio.to_thread(share, kafka, queue)


def share(kafka: Any, queue: str) -> None:
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.port}"})
    resource = ConfigResource(ResourceType.GROUP, queue)
    entry = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin.incremental_alter_configs([resource])[resource].result(20)
    consumer = confluent_kafka.ShareConsumer(
        {
            "bootstrap.servers": f"127.0.0.1:{kafka.port}",
            "group.id": queue,
            "share.acknowledgement.mode": "explicit",
        }
    )
    with contextlib.closing(consumer):
        consumer.subscribe([queue])
        found: list[Any] = []
        while not found:
            found = list(consumer.poll(20.0))
        assert found[0].delivery_count() == 1
        consumer.acknowledge(found[0], AcknowledgeType.ACCEPT)
        if len(found) > 1:
            with pytest.raises(IllegalStateException):
                consumer.poll(1.0)
        for message in found[1:]:
            consumer.acknowledge(message, AcknowledgeType.ACCEPT)
        consumer.commit_sync(20.0)


def test_a_share_consumer_gives_nothing_more_while_one_message_is_open(kafka: Any, queue: str) -> None:
    """Why groups are classic ones here: with a share group, one slow message stops all others of its consumer."""
    run(share_groups(kafka, queue))
