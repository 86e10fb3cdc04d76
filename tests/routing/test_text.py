"""Operators as text, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.routing import Assign, Deduplicate, Filter, Sample, Transform
from openmessaging.routing.text import read_operator, show_operator


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("filter a > 1 AND b = 'x y'", Filter("a > 1 AND b = 'x y'")),
        (" FILTER  a || b ", Filter("a || b")),
        ("deduplicate within 60", Deduplicate(60.0)),
        ("deduplicate by key within 1.5s", Deduplicate(1.5, "key")),
        ("sample 10%", Sample(0.1)),
        ("sample 2.5 % by KEY", Sample(0.025, "key")),
        ("sample 0.25 by id", Sample(0.25)),
        ("set a = 1", Assign({"a": "1"})),
        ("set a = 'x;y' ; \"b c\" = d = 2;", Assign({"a": "'x;y'", "b c": "d = 2"})),
        ("set header.messageKey = customer", Assign({"header.messageKey": "customer"})),
        ("call enrich", Transform("enrich")),
    ],
)
def test_reading(text, operator):
    assert read_operator(text) == operator


@pytest.mark.parametrize(
    "text",
    [
        "", "filter", "drop a", "sample", "sample ten", "sample 1.1.1", "sample 10% by color", "deduplicate",
        "deduplicate within", "deduplicate within 1.1.1", "set", "set a", "set a =", "set = 1", "set a = 'x", "call",
    ],
)  # fmt: skip
def test_what_is_no_operator_is_refused_with_how_it_is_written(text):
    with pytest.raises(OMSRuntimeException) as caught:
        read_operator(text)
    assert (caught.value.code, caught.value.field) == (1418, "operators")
    assert "sample 10% [by id|key]" in caught.value.next_step


NAMES = st.text(st.characters(blacklist_characters='"', min_codepoint=33, max_codepoint=500), min_size=1).filter(
    lambda name: name.isprintable()
)
OPERATORS = st.one_of(
    st.sampled_from([Filter("a = 1"), Filter("a || b"), Transform("f g")]),
    st.builds(Sample, st.integers(1, 100).map(lambda number: number / 100), st.sampled_from(["id", "key"])),
    st.builds(Deduplicate, st.integers(1, 10_000).map(float), st.sampled_from(["id", "key"])),
    st.builds(Assign, st.dictionaries(NAMES, st.sampled_from(["1", "'a;b'", '"x;y" + 1', "a = 2"]), min_size=1)),
)


@given(OPERATORS)
def test_what_is_shown_is_read_again(operator):
    assert read_operator(show_operator(operator)) == operator
