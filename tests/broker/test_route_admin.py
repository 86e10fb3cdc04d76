"""Routes as the driver shows them."""

from __future__ import annotations

import pytest

from openmessaging.broker import routing
from openmessaging.model.routing import Filter, RouteInfo
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from tests.broker.routes import ORDERS, add, full, message, route, texts, work
from tests.broker.stores import Client, code_of, failure_of


def test_listing_by_namespace_and_describing(client: Client) -> None:
    client.admin.create_namespace("other")
    second, first = add(client, route("b", "orders", "x")), add(client, route("a", "orders", "y"))
    elsewhere = route("c", "orders", "z")
    elsewhere = type(elsewhere)("other://c", "other://orders", [full("z")])
    client.admin.create_route(elsewhere, "latest")
    assert [each.route for each in client.admin.list_routes("default")] == [first, second]
    assert [each.route for each in client.admin.list_routes("other")] == [elsewhere]
    client.send("a")
    assert client.admin.describe_route(full("a")) == RouteInfo(
        first, "route-a", 1, 0, 0, 0, f"{ORDERS}.route-a.dead-letter"
    )


def test_a_start_is_a_position_in_the_source(client: Client, clock) -> None:
    client.send("a", "b")
    clock.advance(10)
    client.send("c")
    for name, start in (("o", "offset:1"), ("t", f"ts:{clock.now_ms()}"), ("e", "earliest"), ("l", "latest")):
        add(client, route(name, "orders", f"out-{name}"), start)
    work(client)
    assert [each.routed for each in client.admin.list_routes("default")] == [3, 0, 2, 1]


def test_explaining_changes_nothing(client: Client) -> None:
    add(client, route("r", "orders", "out", operators=(Filter("n > 1"),)))
    batch = client.batch(message("a", n=2))
    before = client.runner.engine.snapshot()
    (found,) = client.admin.explain_route(ORDERS, batch.head + batch.payload)
    assert found.targets == [full("out")]
    assert client.runner.engine.snapshot() == before
    assert code_of(client.admin.explain_route, full("never"), batch.head + batch.payload) == 1404
    assert code_of(client.admin.explain_route, ORDERS, b"no batch") == 1501


def test_making_and_removing(client: Client) -> None:
    admin = client.admin
    made = add(client, route("r", "orders", "out", operators=(Filter("a = 1"),)))
    assert admin.describe_group(ORDERS, "route-r").config.filter == "a = 1"
    assert code_of(admin.create_route, made, "latest") == 1406
    assert code_of(admin.create_route, route("s", "out", "orders"), "latest") == 1418
    assert code_of(admin.create_route, route("s", "orders", "x"), "yesterday") == 1418
    assert code_of(admin.create_route, route("s", "orders", "x", operators=(Filter("a ="),)), "latest") == 1418
    client.join("route-t")
    assert code_of(admin.create_route, route("t", "orders", "x"), "latest") == 1418
    admin.delete_route(full("r"))
    assert code_of(admin.delete_route, full("r")) == 1404
    assert code_of(admin.describe_route, full("r")) == 1404
    assert code_of(admin.describe_group, ORDERS, "route-r") == 1404
    assert code_of(admin.list_routes, "nowhere") == 1405
    client.send("a")
    work(client)
    assert texts(client, "out") == []


def test_the_maximum_of_routes(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_ROUTES", 1)
    add(client, route("r", "orders", "out"))
    assert "there are 1 routes" in failure_of(client.admin.create_route, route("s", "orders", "x"), "latest").reason


def test_what_a_route_needs_cannot_be_taken_from_it(client: Client) -> None:
    add(client, route("r", "orders", "out"))
    for queue in ("orders", "out"):
        failure = failure_of(client.admin.delete_queue, full(queue))
        assert failure.code == 1400
        assert "route default://r" in failure.reason
        assert failure.next_step.endswith("oms route delete default://r")
    assert code_of(client.admin.delete_group, ORDERS, "route-r") == 1418
    for update in (False, True):
        config = GroupConfig(invisible_time=5)
        spec = SubscriptionSpec(ORDERS, "route-r", config, update=update)
        assert code_of(client.admin.join, spec) == 1418
    client.admin.delete_route(full("r"))
    client.admin.delete_queue(ORDERS)
