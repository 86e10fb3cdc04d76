"""What a route remembers, and how it is stored."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker import route as routes
from openmessaging.broker.engine import Engine
from openmessaging.broker.route import StoredRoute, StoredRoutes
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.routing import Deduplicate, Filter, Route, Sample, Transform
from tests.broker.harness import Broker
from tests.broker.routes import add, work
from tests.broker.routes import route as made
from tests.broker.stores import Client


def digests(*letters: str) -> bytes:
    return b"".join(letter.encode() * 16 for letter in letters)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    route = StoredRoute(made("r", "a", "b", operators=(Deduplicate(2), Deduplicate(10, "key"))), 1)
    route.remember([(1_000, digests("a", "b")), (5_000, digests("c"))])
    assert list(route.seen) == [digests("a"), digests("b"), digests("c")]
    route.remember([(11_000, digests("d"))])
    assert list(route.seen) == [digests("c"), digests("d")]
    route.remember([(4_000, digests("e"))])  # of a partition that is behind
    assert route.seen == {digests("c"): 5_000, digests("d"): 11_000, digests("e"): 4_000}


def test_no_more_than_the_maximum_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MAX_SEEN", 2)
    route = StoredRoute(made("r", "a", "b", operators=(Deduplicate(100),)), 1)
    route.remember([(1_000, digests("a", "b", "c"))])
    assert list(route.seen) == [digests("b"), digests("c")]
    route.remember([(1_000, digests("b", "d"))])
    assert list(route.seen) == [digests("b"), digests("d")]


@given(st.lists(st.tuples(st.integers(0, 30_000), st.text("abcdef", min_size=1, max_size=4)), max_size=20))
def test_nothing_within_the_window_of_the_newest_is_forgotten(entries) -> None:
    route = StoredRoute(made("r", "a", "b", operators=(Deduplicate(10),)), 1)
    last: dict[bytes, int] = {}
    newest = 0
    for store_ms, letters in entries:
        route.remember([(store_ms, digests(*letters))])
        last.update((digests(letter), store_ms) for letter in letters)
        assert all(route.seen[each] == last[each] for each in route.seen)
        newest = max(newest, store_ms)
        assert {each for each, when in last.items() if when > newest - 10_000} <= route.seen.keys()


def test_steps_are_those_behind_the_first_filter() -> None:
    route = StoredRoute(made("r", "a", "b", operators=(Filter("a = 1"), Filter("b = 2"), Sample(1), Transform("f"))), 1)
    assert len(route.prepare()) == 2
    assert route.prepare() is route.prepare()


def test_what_is_used_and_what_is_free() -> None:
    stored = StoredRoutes()
    stored.add(StoredRoute(made("r", "a", "b", "c"), 7))
    stored.add(StoredRoute(made("s", "b", "d", operators=(Transform("f"),)), 8))
    assert [each.definition.name for each in stored.of_queue("default://b")] == ["default://s"]
    for queue in "abcd":
        with pytest.raises(OMSRuntimeException, match="is used by the route default://"):
            stored.check_unused(f"default://{queue}")
    stored.check_unused("default://e")
    for group_id, joining in ((7, False), (7, True), (8, False)):
        with pytest.raises(OMSRuntimeException, match="is the group of the route"):
            stored.check_free(group_id, joining=joining)
    stored.check_free(8, joining=True)
    stored.check_free(9)
    assert stored.fresh == {7, 8}


def test_a_snapshot_holds_everything(client: Client) -> None:
    add(client, made("r", "orders", "out", operators=(Deduplicate(60, "key"),), trace=True))
    client.send("a", "b")
    work(client)
    engine = client.runner.engine
    copy = Engine(engine.contents, random.Random(1))
    copy.restore(engine.snapshot())
    before, after = engine.routes.by_name["default://r"], copy.routes.by_name["default://r"]
    assert (
        after.definition
        == before.definition
        == Route("default://r", "default://orders", ["default://out"], [Deduplicate(60, "key")], trace=True)
    )
    assert (after.seen, after.routed, after.group_id) == (before.seen, 2, before.group_id)
    assert list(after.seen) == list(before.seen)
    assert len(after.seen) == 2
    assert copy.groups[after.group_id].is_route
    assert copy.snapshot() == engine.snapshot()


def test_a_snapshot_from_before_there_were_routes_opens() -> None:
    broker = Broker()
    broker.send("a")
    state = broker.engine.snapshot()
    older = msgspec.msgpack.decode(state[1:])[:-1]
    broker.engine.restore(state[:1] + msgspec.msgpack.encode(older))
    assert broker.engine.routes.by_name == {}
    assert broker.engine.snapshot() == state
