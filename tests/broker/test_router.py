"""Routes on a store that looks after itself: woken by sends, in turns, and none holds up another."""

from __future__ import annotations

import threading

import pytest

from openmessaging.broker import router as routers
from openmessaging.broker import routing
from openmessaging.model.errors import error
from openmessaging.model.routing import Deduplicate
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.routes import ORDERS, add, full, info, route, texts, work
from tests.broker.stores import Client, eventually, open_client


@pytest.mark.parametrize("flush", ["always", "interval", "never"])
def test_messages_run_through_a_chain_by_themselves(tmp_path, flush) -> None:
    client = open_client(tmp_path, upkeep=True, flush=flush)
    add(client, route("one", "orders", "middle", operators=(Deduplicate(60),)))
    add(client, route("two", "middle", "end"))
    group = client.join("g", full("end"))
    got: list[str] = []

    def receive() -> None:
        while len(got) < 20:
            arrived = threading.Event()
            found = client.runner.receive(group, 100, 1 << 20, arrived.set)
            for delivery in found or ():
                client.ack(group, delivery)
                got.extend(["x"] * (delivery.last - delivery.first))
            if not found:
                arrived.wait(5)

    receiver = threading.Thread(target=receive)
    receiver.start()
    for number in range(20):
        client.send(str(number))
    receiver.join(10)
    assert len(got) == 20
    assert texts(client, "end") == [str(number) for number in range(20)]
    client.close()


def test_routes_go_on_after_a_restart_without_anybody_sending(tmp_path) -> None:
    client = open_client(tmp_path)
    add(client, route("r", "orders", "out"))
    client.send("a")
    client.close()
    client = open_client(tmp_path, upkeep=True)
    eventually(lambda: texts(client, "out") == ["a"])
    client.close()


def test_a_route_is_added_and_removed_while_the_store_runs(tmp_path) -> None:
    client = open_client(tmp_path, upkeep=True)
    client.send("a")
    add(client, route("r", "orders", "out"))
    eventually(lambda: texts(client, "out") == ["a"])
    client.admin.delete_route(full("r"))
    client.send("b")
    add(client, route("s", "orders", "other"))
    eventually(lambda: texts(client, "other") == ["a", "b"])
    assert texts(client, "out") == ["a"]
    client.close()


def test_an_idle_route_waits_to_be_woken(client: Client) -> None:
    router = client.store.maintenance.router
    nudged = []
    router.on_ready = lambda: nudged.append(1)
    add(client, route("r", "orders", "out"))
    assert router.active
    work(client)
    assert not router.active
    assert not nudged
    client.send("a")
    assert router.active
    assert nudged
    work(client)
    assert not router.active
    assert router.next_try() is None


def test_without_routes_nobody_waits_for_anything(client: Client) -> None:
    client.send("a")
    work(client)
    assert client.runner.receivers.waiting == {}
    assert not client.store.maintenance.router.active


def test_routes_take_turns_and_a_run_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_MESSAGES", 1)
    monkeypatch.setattr(routers, "STEPS", 4)
    for name in "ab":
        add(client, route(name, "orders", f"out-{name}"))
    client.send(*[str(number) for number in range(10)])
    client.store.maintenance.router.run()
    assert [info(client, name).routed for name in "ab"] == [2, 2]
    assert client.store.maintenance.router.active


def test_a_run_ends_when_it_takes_long(client: Client, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = routing.decide_step

    def slow(*arguments):
        clock.advance(0.02)
        return whole(*arguments)

    monkeypatch.setattr(routing, "decide_step", slow)
    monkeypatch.setattr(routing, "MAX_MESSAGES", 1)
    add(client, route("r", "orders", "out"))
    client.send("a", "b")
    client.store.maintenance.router.run()
    assert info(client, "r").lag > 0
    work(client)
    assert texts(client, "out") == ["a", "b"]


def test_a_route_that_fails_is_tried_again_and_holds_up_nobody(
    client: Client, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = routing.decide_step, [True]

    def failing(engine, route, *arguments):
        if route.definition.name == full("a") and broken[0]:
            raise error(1501, "damaged batch")
        return whole(engine, route, *arguments)

    monkeypatch.setattr(routing, "decide_step", failing)
    for name in "ab":
        add(client, route(name, "orders", f"out-{name}"))
    client.send("x")
    work(client)
    assert texts(client, "out-b") == ["x"]
    assert "damaged batch" in (info(client, "a").trouble or "")
    assert info(client, "a").lag == 1
    assert client.store.maintenance.router.next_try() == clock.monotonic() + routers.PAUSE
    broken[0] = False
    work(client)
    assert texts(client, "out-a") == []
    clock.advance(routers.PAUSE)
    work(client)
    assert (texts(client, "out-a"), info(client, "a").trouble) == (["x"], None)


def test_a_route_that_is_deleted_in_the_middle_is_left_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    add(client, route("r", "orders", "out"))
    stored = client.runner.engine.routes.by_name[full("r")]
    client.send("a")
    client.admin.delete_route(full("r"))
    client.store.maintenance.router._step(stored)
    client.store.maintenance.router.run()
    assert texts(client, "out") == []
    assert client.admin.list_groups(ORDERS) == []


def test_a_closed_store_routes_no_more(tmp_path) -> None:
    client = open_client(tmp_path)
    add(client, route("r", "orders", "out"))
    client.send("a")
    client.close()
    client.store.maintenance.router.run()
