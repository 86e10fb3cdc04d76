"""Expressions: values computed from a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.filters import compile_condition, compile_expression
from openmessaging.model.errors import OMSRuntimeException

PROPERTIES = {"price": 2.5, "count": 4, "color": "red", "hot": True, "blob": b"x", "lost": float("nan")}


def header(name):
    return {"messageKey": "k", "storeTimestamp": 7}.get(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count", 4),
        ("color", "red"),
        ("blob", b"x"),
        ("'a text'", "a text"),
        ("-3", -3),
        ("NULL", None),
        ("TRUE", True),
        ("price * count + 1", 11.0),
        ("count / 3", 1),
        ("count / 0", None),
        ("color + 1", None),
        ("lost", None),
        ("missing", None),
        ("header.messageKey", "k"),
        ("header.priority", 5),
        ("header.correlationId", None),
        ("price > 2", True),
        ("(price > 3)", False),
        ("missing > 3", None),
        ("color IN ('red', 'blue')", True),
        ("missing IS NULL", True),
        ("property.hot", True),
    ],
)
def test_values(text, value):
    found = compile_expression(text).value(PROPERTIES, header)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "  ", "count +", "f(count)", "count 3", "color + 'x'", "a ||", "count; 3"])
def test_what_is_no_expression_is_refused_with_its_place(text):
    with pytest.raises(OMSRuntimeException) as caught:
        compile_expression(text)
    assert (caught.value.code, caught.value.field) == (1418, "filter")


@given(st.sampled_from(["price > count", "count BETWEEN 1 AND 4", "color = 'red' AND missing > 1", "NOT hot"]))
def test_a_condition_has_the_value_that_it_has_as_a_condition(text):
    assert compile_expression(text).value(PROPERTIES, header) is compile_condition(text).evaluate(PROPERTIES, header)
