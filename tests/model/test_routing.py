"""Definitions of routes, stored and read again."""

import msgspec
import pytest

from openmessaging.model.routing import Assign, Deduplicate, Filter, Route, Sample, Transform

ROUTE = Route(
    "default://r",
    "default://a",
    ["default://b"],
    [Filter("a = 1"), Deduplicate(60.0, "key"), Sample(0.5), Assign({"a": "b"}), Transform("f"), Transform("g")],
)


def test_a_definition_survives_being_stored():
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.to_builtins(ROUTE)))
    assert msgspec.convert(stored, Route) == ROUTE
    assert stored["operators"][0] == {"kind": "filter", "condition": "a = 1"}


def test_an_operator_with_more_than_is_known_is_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "sample", "share": 0.5, "of": "all"}, Sample)


def test_the_group_and_the_functions():
    assert ROUTE.group == "route-r"
    assert ROUTE.functions == ["f", "g"]
