"""Metrics of a running node, read by Prometheus' own parser."""

import asyncio
import uuid
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.node import Node
from tests.servers import config_of

Values = dict[tuple[str, ...], float]


async def read(node: Node) -> Values:
    """Values by name and the values of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(await node.metrics.text())
        for sample in family.samples
    }


def group(values: Values, name: str, queue: str = "default://orders", of: str = "g") -> float:
    return values[f"oms_group_{name}", queue, of]


def run(url: str, work, **sections) -> None:
    async def whole() -> None:
        node = Node(config_of(url, **sections))
        await node.start()
        try:
            assert node.url is not None
            async with oms.connect(node.url) as access_point:
                await work(node, access_point)
        finally:
            await node.close()

    asyncio.run(asyncio.wait_for(whole(), 30))


def test_what_is_sent_and_received_shows(tmp_path: Path) -> None:
    async def work(node: Node, access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("orders", b"x") for _ in range(5)])
            await producer.send(producer.create_message("orders", b"x", delay=3600))
        backoff = oms.Backoff(initial=0.0, max_delivery=2)
        async with access_point.create_pull_consumer("orders", group="g", backoff=backoff, prefetch=1) as consumer:
            for _ in range(2):
                message = await consumer.receive(timeout=5)
                await message.ack()
            for _ in range(2):  # the same twice, then it is dead
                message = await consumer.receive(timeout=5)
                await message.nack()
            message = await consumer.receive(timeout=5)
            await consumer.flush()
            values = await read(node)
        assert values["oms_queue_messages", "default://orders"] == 5
        assert values["oms_queue_delayed_messages", "default://orders"] == 1
        assert values["oms_queue_stored_messages_total", "default://orders"] == 5
        assert values["oms_queue_messages", "default://orders.g.dead-letter"] == 1
        assert [group(values, f"{name}_messages") for name in ("lag", "in_flight", "retrying")] == [2, 1, 0]
        counted = ("received_messages", "redelivered_messages", "acknowledged_messages", "dead_letters")
        assert [group(values, f"{name}_total") for name in counted] == [5, 1, 2, 1]
        assert 0 < group(values, "oldest_message_age_seconds") < 30
        assert values["oms_connections", "native"] == 1
        assert values["oms_ready",] == 1
        assert values["oms_send_seconds_count",] == 2
        assert values["oms_sync_seconds_count",] >= 2
        assert values["oms_sync_seconds_sum",] > 0
        assert values["oms_store_bytes",] > 0
        assert values["oms_store_segments",] == 1
        assert values["oms_store_disk_free_bytes",] > 0
        assert values["process_resident_memory_bytes",] > 1 << 20

    run(str(tmp_path / "store"), work)


def test_errors_are_counted_by_code() -> None:
    async def work(node: Node, access_point: oms.AccessPoint) -> None:
        for _ in range(2):
            with pytest.raises(OMSRuntimeException):
                await access_point.resource_manager().describe_queue("nowhere")
        assert (await read(node))["oms_errors_total", "1404"] == 2

    run(f"oms:memory:{uuid.uuid4().hex}", work)


def test_names_are_bounded() -> None:
    async def work(node: Node, access_point: oms.AccessPoint) -> None:
        async with access_point.create_producer() as producer:
            for number in range(4):
                await producer.send(producer.create_message(f"q{number}", b"x"))
        for number in range(4):
            async with access_point.create_pull_consumer(f"q{number}", group=f"g{number}") as consumer:
                message = await consumer.receive(timeout=5)
                if number != 3:
                    await message.ack()
                await consumer.flush()
        async with (
            access_point.create_pull_consumer("q0", group="a", broadcast=True) as one,
            access_point.create_pull_consumer("q0", group="b", broadcast=True) as another,
        ):
            assert await one.receive(timeout=5)
            assert await another.receive(timeout=5)
            values = await read(node)
        queues = {labels[1]: value for labels, value in values.items() if labels[0] == "oms_queue_messages"}
        assert queues == {"default://q0": 1, "default://q1": 1, "(others)": 2}
        lags = {labels[1:]: value for labels, value in values.items() if labels[0] == "oms_group_lag_messages"}
        broadcast = ("default://q0", "(broadcast)")
        named = {("default://q0", "g0"): 0, ("default://q1", "g1"): 0}
        assert lags == {**named, ("(others)", "(others)"): 1, broadcast: 2}
        manager = access_point.resource_manager()
        await manager.delete_queue("q1")
        values = await read(node)
        assert ("oms_group_lag_messages", "default://q1", "g1") not in values
        assert values["oms_groups",] == 3

    run(f"oms:memory:{uuid.uuid4().hex}", work, metrics={"max_series": 2})
