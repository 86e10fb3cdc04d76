"""The resource manager on the embedded store, both faces."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException


async def code_of(call, *arguments: object, **settings: object) -> int:
    with pytest.raises(OMSRuntimeException) as caught:
        await call(*arguments, **settings)
    return caught.value.code


async def test_namespaces(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_namespace("shop")
        assert await code_of(manager.create_namespace, "shop") == 1407
        assert await manager.list_namespaces() == {"default", "shop"}
        assert await code_of(manager.switch_namespace, "none") == 1405
        await manager.switch_namespace("shop")
        await manager.create_queue("orders")
        assert await manager.list_queues() == await manager.list_queues("shop") == {"shop://orders"}
        assert await manager.list_queues("default") == set()
        async with access_point.create_producer() as producer:
            assert (await producer.send(producer.create_message("orders", b""))).destination == "shop://orders"
        assert await code_of(manager.delete_namespace, "shop") == 1400
        await manager.delete_queue("orders")
        await manager.delete_namespace("shop")
        assert await code_of(manager.delete_namespace, "shop") == 1405
        assert await code_of(manager.create_namespace, "a:b") == 1418
        assert await code_of(manager.list_queues, "none") == 1405


async def test_queues(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_queue("orders", partitions=2)
        assert await code_of(manager.create_queue, "orders") == 1406
        assert await code_of(manager.create_queue, "none://orders") == 1405
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("orders", b"") for _ in range(3)])
        info = await manager.describe_queue("orders")
        assert (info.name, info.partitions, info.messages) == ("default://orders", 2, 3)
        assert await manager.list_streams("orders") == ["default://orders#0", "default://orders#1"]
        assert await manager.purge_queue("orders") == 3
        assert (await manager.describe_queue("orders")).messages == 0
        for call in (manager.describe_queue, manager.delete_queue, manager.purge_queue, manager.update_queue):
            assert await code_of(call, "never") == 1404
        await manager.delete_queue("orders")
        assert await manager.list_queues() == set()


async def test_groups(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message("orders", b"") for _ in range(3)])
        async with access_point.create_pull_consumer("orders", group="g") as consumer:
            await consumer.ack(await consumer.batch_receive())
        assert [group.name for group in await manager.list_groups()] == ["g"]
        assert (await manager.describe_group("orders", "g")).lag == 0
        await manager.seek_group("orders", "g", "earliest")
        assert (await manager.list_groups("orders"))[0].lag == 3
        await manager.delete_group("orders", "g")
        assert await manager.list_groups("orders") == []
        with pytest.raises(OMSDestinationException):
            await manager.delete_group("orders", "g")
        assert await code_of(manager.describe_group, "orders", "g") == 1404
