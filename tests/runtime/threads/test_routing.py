# Generated from tests/runtime/aio/test_routing.py by scripts/unasync.py: change that file instead.
"""Routes on the embedded store, both faces: added, shown, explained, removed; and what comes out."""

from datetime import UTC, datetime

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Backoff
from openmessaging.routing import Deduplicate, Filter, Sample


def got(access_point, queue: str, count: int) -> list:
    """The first messages of a queue, as a group of its own gets them."""
    found = []
    with access_point.create_pull_consumer(queue, "reader") as consumer:
        while len(found) < count:
            messages = consumer.batch_receive(count, timeout=10)
            assert messages, f"{len(found)} of {count} came"
            consumer.ack(messages)
            found += messages
    return found


def send(access_point, queue: str, *bodies: bytes, **named) -> None:
    with access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, body, **named) for body in bodies])


def test_a_routing_of_the_standard_gives_duplicates(url: str) -> None:
    with connect(url) as access_point:
        manager = access_point.resource_manager()
        manager.routing("orders", "audit")
        send(access_point, "orders", b"1", b"2", properties={"a": 1}, message_key="k")
        copies, sources = got(access_point, "audit", 2), got(access_point, "orders", 2)
        for copy, source in zip(copies, sources, strict=True):
            assert (copy.data, copy.message_key, dict(copy.properties)) == (source.data, "k", {"a": 1})
            assert copy.message_id == source.message_id
            assert copy.header.born_timestamp == source.header.born_timestamp
            assert copy.header.destination == "default://audit"
        (info,) = manager.list_routings()
        assert info.route.name == "default://orders-to-audit"
        assert (info.routed, info.lag) == (2, 0)


def test_operators_as_objects_and_as_text(url: str) -> None:
    with connect(url) as access_point:
        manager = access_point.resource_manager()
        info = manager.create_routing(
            "big",
            "orders",
            ["large", "all"],
            ["filter n > 1", Deduplicate(60, "key"), "set m = n * 2", Sample(1.0)],
            trace=True,
            backoff=Backoff(max_delivery=3),
        )
        assert info.route.operators[0] == Filter("n > 1")
        assert info.route.targets == ["default://large", "default://all"]
        assert info.route.backoff.max_delivery == 3
        for n, key in ((1, "a"), (2, "a"), (3, "a"), (4, "b")):
            send(access_point, "orders", b"", properties={"n": n}, message_key=key)
        for queue in ("large", "all"):
            found = [dict(message.properties) for message in got(access_point, queue, 2)]
            assert found == [
                {"n": 2, "m": 4, "route.hops": "big(orders/0/1)"},
                {"n": 4, "m": 8, "route.hops": "big(orders/0/3)"},
            ]


def test_a_route_begins_now_or_earlier(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        send(access_point, "orders", b"old")
        manager.create_routing("now", "orders", "fresh")
        manager.create_routing("all", "orders", "whole", start="earliest")
        manager.create_routing("since", "orders", "since", start=datetime(2020, 1, 1, tzinfo=UTC))
        send(access_point, "orders", b"new")
        assert [message.data for message in got(access_point, "whole", 2)] == [b"old", b"new"]
        assert [message.data for message in got(access_point, "since", 2)] == [b"old", b"new"]
        assert [message.data for message in got(access_point, "fresh", 1)] == [b"new"]


def test_describing_and_removing(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "audit")
        assert (manager.describe_routing("r")).group == "route-r"
        assert (manager.describe_routing("default://r")).route.source == "default://orders"
        with pytest.raises(OMSRuntimeException, match="is used by the route"):
            manager.delete_queue("audit")
        manager.delete_routing("r")
        assert manager.list_routings() == []
        for call in (manager.describe_routing, manager.delete_routing):
            with pytest.raises(OMSDestinationException) as caught:
                call("r")
            assert caught.value.code == 1404
        manager.delete_queue("audit")


def test_a_route_lies_where_its_source_does(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_namespace("other")
        info = manager.create_routing("r", "other://orders", "audit")
        assert info.route.name == "other://r"
        assert [each.route.name for each in manager.list_routings("other")] == ["other://r"]
        assert manager.list_routings() == []
        with pytest.raises(OMSRuntimeException) as caught:
            manager.create_routing("default://r", "other://orders", "audit")
        assert caught.value.field == "name"


def test_what_is_wrong_is_said_at_the_edge(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.routing("a", "b")
        with pytest.raises(OMSRuntimeException, match="in a circle: default://b -> default://a"):
            manager.routing("b", "a")
        with pytest.raises(OMSDestinationException) as caught:
            manager.routing("a", "b")
        assert caught.value.code == 1406
        for operators in (["drop"], ["filter n >"], [Sample(2)]):
            with pytest.raises(OMSRuntimeException) as wrong:
                manager.create_routing("r", "a", "c", operators)
            assert wrong.value.code == 1418


def test_where_the_system_has_no_routes(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(memory) as access_point:
        driver = access_point.get_driver()
        monkeypatch.setattr(driver, "capabilities", frozenset())
        manager = access_point.resource_manager()
        with pytest.raises(OMSUnsupportException):
            manager.routing("a", "b")


def test_explaining_a_message_that_was_sent_or_not(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "out", ["filter n > 1", "set header.messageKey = 'k'"])
        manager.create_routing("s", "out", "end", ["filter header.messageKey = 'k'", "deduplicate within 60"])
        with access_point.create_producer() as producer:
            message = producer.create_message("orders", b"", properties={"n": 2})
            (found,) = manager.explain_routing("orders", message)
            assert [step.verdict for step in found.steps] == ["passes", "changes"]
            assert [step.verdict for step in found.then[0].steps] == ["passes", "passes"]
            producer.send(message)
        (arrived,) = got(access_point, "end", 1)
        (found,) = manager.explain_routing("out", arrived)
        assert [step.verdict for step in found.steps] == ["passes", "drops"]
