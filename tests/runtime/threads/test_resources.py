# Generated from tests/runtime/aio/test_resources.py by scripts/unasync.py: change that file instead.
"""The resource manager on the embedded store, both faces."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException


def code_of(call, *arguments: object, **settings: object) -> int:
    with pytest.raises(OMSRuntimeException) as caught:
        call(*arguments, **settings)
    return caught.value.code


def test_namespaces(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_namespace("shop")
        assert code_of(manager.create_namespace, "shop") == 1407
        assert manager.list_namespaces() == {"default", "shop"}
        assert code_of(manager.switch_namespace, "none") == 1405
        manager.switch_namespace("shop")
        manager.create_queue("orders")
        assert manager.list_queues() == manager.list_queues("shop") == {"shop://orders"}
        assert manager.list_queues("default") == set()
        with access_point.create_producer() as producer:
            assert (producer.send(producer.create_message("orders", b""))).destination == "shop://orders"
        assert code_of(manager.delete_namespace, "shop") == 1400
        manager.delete_queue("orders")
        manager.delete_namespace("shop")
        assert code_of(manager.delete_namespace, "shop") == 1405
        assert code_of(manager.create_namespace, "a:b") == 1418
        assert code_of(manager.list_queues, "none") == 1405


def test_queues(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_queue("orders", partitions=2)
        assert code_of(manager.create_queue, "orders") == 1406
        assert code_of(manager.create_queue, "none://orders") == 1405
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("orders", b"") for _ in range(3)])
        info = manager.describe_queue("orders")
        assert (info.name, info.partitions, info.messages) == ("default://orders", 2, 3)
        assert manager.list_streams("orders") == ["default://orders#0", "default://orders#1"]
        assert manager.purge_queue("orders") == 3
        assert (manager.describe_queue("orders")).messages == 0
        for call in (manager.describe_queue, manager.delete_queue, manager.purge_queue, manager.update_queue):
            assert code_of(call, "never") == 1404
        manager.delete_queue("orders")
        assert manager.list_queues() == set()


def test_groups(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        with access_point.create_producer() as producer:
            producer.send([producer.create_message("orders", b"") for _ in range(3)])
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            consumer.ack(consumer.batch_receive())
        assert [group.name for group in manager.list_groups()] == ["g"]
        assert (manager.describe_group("orders", "g")).lag == 0
        manager.seek_group("orders", "g", "earliest")
        assert (manager.list_groups("orders"))[0].lag == 3
        manager.delete_group("orders", "g")
        assert manager.list_groups("orders") == []
        with pytest.raises(OMSDestinationException):
            manager.delete_group("orders", "g")
        assert code_of(manager.describe_group, "orders", "g") == 1404
