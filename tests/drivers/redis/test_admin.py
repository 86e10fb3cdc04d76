"""Namespaces, queues and groups in Redis."""

import pytest
import redis.asyncio as redis

import openmessaging as oms
from openmessaging.drivers.redis import reading
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, OMSUnsupportException
from openmessaging.testing.servers import Server
from tests.drivers.redis.test_access import run
from tests.drivers.redis.test_source import send


def test_namespaces_and_queues(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        space = f"s-{queue}"
        async with access_point.create_producer() as producer:
            with pytest.raises(OMSDestinationException, match="1405"):
                await producer.send(producer.create_message(f"{space}://{queue}", b""))
        await manager.create_namespace(space)
        with pytest.raises(OMSDestinationException, match="1407"):
            await manager.create_namespace(space)
        assert space in await manager.list_namespaces()
        full = f"{space}://{queue}"
        await manager.create_queue(full, 2, retention="keep", retention_age=60.0)
        with pytest.raises(OMSDestinationException, match="1406"):
            await manager.create_queue(full)
        with pytest.raises(OMSDestinationException, match="1405"):
            await manager.create_queue(f"no-{space}://{queue}")
        with pytest.raises(OMSDestinationException, match="1405"):
            await manager.list_queues(f"no-{space}")
        info = await manager.describe_queue(full)
        assert (info.partitions, info.config) == (2, {"retention": "keep", "retention_age": 60.0})
        assert info.offsets == [(0, 0), (0, 0)]
        await manager.update_queue(full, retention="consumed")
        assert (await manager.describe_queue(full)).config == {"retention": "consumed", "retention_age": 60.0}
        assert await manager.list_queues(space) == {full}
        with pytest.raises(OMSRuntimeException, match="1400"):
            await manager.delete_namespace(space)
        await manager.delete_queue(full)
        for missing in (manager.delete_queue(full), manager.describe_queue(full), manager.purge_queue(full)):
            with pytest.raises(OMSDestinationException, match="1404"):
                await missing
        await manager.delete_namespace(space)
        with pytest.raises(OMSDestinationException, match="1405"):
            await manager.delete_namespace(space)
        with pytest.raises(OMSRuntimeException, match="1418"):
            await manager.create_queue(queue, 0)
        with pytest.raises(OMSRuntimeException, match="1418"):
            await manager.create_queue(queue, retention="never")
        with pytest.raises(OMSUnsupportException, match="compact"):
            await manager.create_queue(queue, compact=True)

    run(server, work)


def test_nothing_is_left_of_a_deleted_queue(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        manager = access_point.resource_manager()
        await manager.create_queue(queue, 2)
        await send(access_point, queue, 4)
        async with access_point.create_pull_consumer(queue, group="g") as consumer:
            await (await consumer.batch_receive(4, 5))[0].nack(60)
            await consumer.flush()
        assert len([key async for key in client.scan_iter(f"*{queue}*")]) == 4  # streams, groups, what waits
        await manager.delete_queue(queue)
        assert [key async for key in client.scan_iter(f"*{queue}*")] == []
        await client.aclose()

    run(server, work)


def test_streams_of_others_are_queues(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        client = redis.Redis(port=server.port)
        manager = access_point.resource_manager()
        native = f"{queue}:eu"
        await client.xadd(native, {"a": "b"})
        await client.xgroup_create(native, "theirs", "0")
        assert f"default://{native}" in await manager.list_queues()
        info = await manager.describe_queue(native)
        assert (info.messages, info.groups, info.config) == (1, ["theirs"], {"retention": "keep"})
        assert (await manager.describe_group(native, "theirs")).lag == 1
        with pytest.raises(OMSDestinationException, match="1406"):
            await manager.create_queue(native)
        assert await manager.purge_queue(native) == 1
        await manager.update_queue(native, retention="consumed")
        assert (await manager.describe_queue(native)).config["retention"] == "consumed"
        await client.aclose()

    run(server, work)


def test_groups_are_described_moved_and_deleted(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        await send(access_point, queue, 10)
        async with access_point.create_pull_consumer(queue, group="a group", prefetch=1) as consumer:
            messages = await consumer.batch_receive(4, 5)
            await consumer.ack(messages[:2])
            await consumer.flush()
            info = await manager.describe_group(queue, "a group")
            assert (info.lag, info.in_flight, info.config.invisible_time) == (8, 2, 30.0)
            assert info.floors == [messages[2].offset]
            assert info.oldest_ms == messages[2].extension_header.store_timestamp
            assert [each.name for each in await manager.list_groups(queue)] == ["a group"]
            assert (await manager.describe_queue(queue)).groups == ["a group"]
            await manager.seek_group(queue, "a group", "earliest") if hasattr(manager, "seek_group") else None
            driver = await access_point.get_driver()
            full = f"default://{queue}"
            for position, left in (
                ("earliest", 10),
                ("latest", 0),
                (f"offset:{messages[3].offset}", 7),
                ("ts:0", 10),
                ([messages[1].offset], 9),
                ([None], 9),
            ):
                await driver.seek_group(full, "a group", position)
                info = await manager.describe_group(queue, "a group")
                assert (info.lag, info.in_flight) == (left, 0), position
            with pytest.raises(OMSRuntimeException, match="1418"):
                await driver.seek_group(full, "a group", "yesterday")
            again = await consumer.receive(5)
            assert again is not None
            assert again.data == b"1"
        await manager.delete_group(queue, "a group")
        for missing in (manager.delete_group(queue, "a group"), manager.describe_group(queue, "a group")):
            with pytest.raises(OMSDestinationException, match="1404"):
                await missing

    run(server, work)


def test_settings_of_a_group_are_kept_until_they_are_updated(server: Server, queue: str) -> None:
    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        for seconds, update, counts in ((5, False, 5.0), (7, False, 5.0), (9, True, 9.0)):
            async with access_point.create_pull_consumer(queue, group="g", invisible_time=seconds, update=update):
                assert (await manager.describe_group(queue, "g")).config.invisible_time == counts
        for start, found in (("latest", 0), ("earliest", 2), ("ts:1", 2)):
            await send(access_point, queue, 0 if start != "latest" else 2)
            async with access_point.create_pull_consumer(queue, group=f"g-{start}", start=start) as consumer:
                assert len(await consumer.batch_receive(5, 0.3)) == found

    run(server, work)


def test_what_all_groups_have_settled_goes(server: Server, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "UPKEEP_EVERY", 0.0)

    async def work(access_point: oms.AccessPoint) -> None:
        manager = access_point.resource_manager()
        driver = await access_point.get_driver()
        place = (f"default://{queue}", 0, 1)
        await send(access_point, queue, 10)
        async with access_point.create_pull_consumer(queue, group="slow", prefetch=1) as slow:
            async with access_point.create_pull_consumer(queue, group="quick") as quick:
                await quick.ack(await quick.batch_receive(10, 5))
                await quick.flush()
            await driver._trim(place)
            assert (await manager.describe_queue(queue)).messages == 10
            messages = await slow.batch_receive(6, 5)
            await messages[2].nack(60)
            await slow.ack([message for message in messages if message is not messages[2]])
            await slow.flush()
            await driver._trim(place)
            info = await manager.describe_queue(queue)
            assert (info.messages, info.offsets[0][0]) == (8, messages[2].offset), "what waits is still needed"
        await manager.update_queue(queue, retention="keep", retention_age=0.0)
        await driver._trim(place)
        assert (await manager.describe_queue(queue)).messages == 0

    run(server, work)
