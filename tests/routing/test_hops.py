"""The way a message came."""

from openmessaging.model.routing import Route
from openmessaging.routing.hops import HOPS, with_hop


def test_hops_are_added_behind():
    first = Route("default://audit", "default://orders", ["default://all"])
    second = Route("default://eu", "default://all", ["default://eu"])
    before = {"a": 1}
    once = with_hop(first, 0, 17, before)
    assert once == {"a": 1, HOPS: "audit(orders/0/17)"}
    assert with_hop(second, 1, 3, once)[HOPS] == "audit(orders/0/17) eu(all/1/3)"
    assert before == {"a": 1}
    assert with_hop(first, 0, 1, None) == {HOPS: "audit(orders/0/1)"}


def test_what_somebody_else_wrote_there_is_replaced():
    assert with_hop(Route("a://r", "a://s", []), 0, 1, {HOPS: 5})[HOPS] == "r(s/0/1)"
