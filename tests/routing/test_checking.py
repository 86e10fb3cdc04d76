"""Routes that make sense, and circles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException
from openmessaging.model.routing import Assign, Deduplicate, Filter, Route, Sample, Transform
from openmessaging.routing.checking import MAX_OPERATORS, MAX_TARGETS, check_operators, check_route, find_circle


def route(name, source, *targets, operators=()):
    return Route(f"default://{name}", f"default://{source}", [f"default://{each}" for each in targets], [*operators])


@pytest.mark.parametrize(
    "operator",
    [
        Filter("a ="),
        Sample(0),
        Sample(1.01),
        Sample(float("nan")),
        Deduplicate(0),
        Deduplicate(1e9),
        Transform(""),
        Transform("a\n"),
        Assign({}),
        Assign({"a": "1 +"}),
    ],
)
def test_operators_out_of_range(operator):
    with pytest.raises(OMSRuntimeException) as caught:
        check_operators([operator])
    assert caught.value.code == 1418


@pytest.mark.parametrize("name", ["", "a\nb", "header.priority", "header.messageId"])
def test_names_that_cannot_be_assigned(name):
    with pytest.raises(OMSMessageFormatException):
        check_operators([Assign({name: "1"})])


def test_a_route_with_a_function_cannot_deduplicate():
    with pytest.raises(OMSRuntimeException, match="a route with a function cannot deduplicate") as caught:
        check_operators([Deduplicate(60), Filter("a = 1"), Transform("f")])
    assert "in a route of its own" in str(caught.value)


def test_what_is_good_passes():
    check_operators([Filter("a || b"), Sample(1.0), Assign({"a": "b", "header.messageKey": "c"}), Transform("f")])
    check_operators([Deduplicate(60, "key")] * MAX_OPERATORS)
    with pytest.raises(OMSRuntimeException, match="33 operators"):
        check_operators([Deduplicate(60, "key")] * (MAX_OPERATORS + 1))


@pytest.mark.parametrize("targets", [[], ["b", "b"], [f"t{number}" for number in range(MAX_TARGETS + 1)]])
def test_targets(targets):
    with pytest.raises(OMSRuntimeException) as caught:
        check_route(route("r", "a", *targets), [])
    assert caught.value.field == "targets"


def test_a_route_lies_in_the_namespace_of_its_source_and_has_a_name():
    with pytest.raises(OMSRuntimeException) as caught:
        check_route(Route("other://r", "default://a", ["default://b"]), [])
    assert caught.value.field == "name"
    with pytest.raises(OMSRuntimeException):
        check_route(route("r" * 250, "a", "b"), [])
    check_route(Route("default://r", "default://a", ["other://b"]), [])


def refusal(added, *others):
    with pytest.raises(OMSRuntimeException) as caught:
        check_route(added, others)
    assert caught.value.field == "targets"
    return caught.value.reason


def test_a_circle_is_named_from_end_to_end():
    assert refusal(route("r", "a", "a")).endswith("default://a -> default://a (default://r)")
    text = refusal(route("r", "c", "x", "a"), route("ab", "a", "b"), route("bc", "b", "y", "c"))
    assert text.endswith(
        "default://c -> default://a (default://r) -> default://b (default://ab) -> default://c (default://bc)"
    )


def test_dead_letters_count_as_a_way():
    text = refusal(route("back", "a.route-r.dead-letter", "a"), route("r", "a", "b"))
    assert text.endswith("default://a (default://back) -> default://a.route-r.dead-letter (dead letters)")
    assert "dead letters" in refusal(route("r", "a", "b"), route("back", "a.g.dead-letter", "c"), route("ca", "c", "a"))
    check_route(route("back", "a.route-r.dead-letter", "c"), [route("r", "a", "b")])
    check_route(route("back", "ab.g.dead-letter", "a"), [route("r", "a", "b")])


def test_what_meets_again_is_no_circle():
    check_route(route("r", "a", "b", "c"), [route("bd", "b", "d"), route("cd", "c", "d")])


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=8))
def test_what_is_let_in_has_no_circle(edges):
    """Against a naive twin: after each route, nobody comes back to where he was."""
    routes = []
    for number, (source, target) in enumerate(edges):
        added = route(f"r{number}", source, target)
        if find_circle(added, routes) is None:
            routes.append(added)
            assert not comes_back(routes)
        else:
            assert comes_back([*routes, added])


def comes_back(routes):
    ways = {(each.source, target) for each in routes for target in each.targets}
    for _ in routes:
        ways |= {(a, d) for a, b in ways for c, d in ways if b == c}
    return any(a == b for a, b in ways)
