"""Operators at work on single messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.routing import KEY, Assign, Deduplicate, Filter, Sample, Transform
from openmessaging.routing.steps import Subject, as_key, hashed, step_of


def subject(message_id="id", key=None, properties=None, **headers):
    return Subject(key, properties, {"messageId": message_id, **headers}.get)


def never(digest, window):
    return False


def run(operator, message, seen=never):
    return step_of(operator, 0)(message, seen)


def test_a_filter_sees_properties_and_headers_as_they_are_by_now():
    assert run(Filter("n > 1"), subject(properties={"n": 2}))
    assert not run(Filter("n > 1"), subject(properties={"n": 1}))
    assert not run(Filter("n > 1"), subject())  # unknown
    assert run(Filter("header.messageKey = 'k' AND header.priority = 5"), subject(key="k"))
    assert run(Filter("header.correlationId = 'c'"), subject(correlationId="c"))


def test_assignments_are_made_at_once_from_what_was_before():
    before = {"a": 1, "b": 2}
    message = subject(properties=before)
    assert run(Assign({"a": "b", "b": "a", "c": "'new'"}), message)
    assert message.properties == {"a": 2, "b": 1, "c": "new"}
    assert before == {"a": 1, "b": 2}
    assert (message.changed, message.moved) == (True, False)


def test_null_takes_a_property_away_and_nothing_is_no_change():
    message = subject(properties={"a": 1})
    assert run(Assign({"a": "a", "b": "missing"}), message)
    assert (message.properties, message.changed) == ({"a": 1}, False)
    assert run(Assign({"a": "NULL"}), message)
    assert (message.properties, message.changed) == ({}, True)


def test_a_value_of_another_type_is_a_change():
    message = subject(properties={"a": 1})
    assert run(Assign({"a": "TRUE"}), message)
    assert message.properties["a"] is True
    assert message.changed


@pytest.mark.parametrize(
    ("expression", "key"), [("customer", "ann"), ("number", "7"), ("1.5", None), ("TRUE", None), ("''", None)]
)
def test_the_key_is_assigned_as_text(expression, key):
    message = subject(key="old", properties={"customer": "ann", "number": 7})
    assert run(Assign({KEY: expression}), message)
    assert (message.key, message.moved) == (key, True)
    assert message.properties == {"customer": "ann", "number": 7}


def test_no_key_from_what_no_header_takes():
    assert as_key("a\nb") is None
    assert as_key("x" * 100_000) is None


@given(st.lists(st.text(max_size=5), min_size=1), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_sample_is_always_the_same_and_smaller_ones_lie_within_larger_ones(ids, share):
    for text in ids:
        chosen = run(Sample(share), subject(text))
        assert chosen == run(Sample(share), subject(text))
        assert not chosen or run(Sample(min(share + 0.05, 1.0)), subject(text))
        assert run(Sample(1.0), subject(text))


def test_a_sample_has_about_its_share():
    chosen = sum(hashed(f"{number:032x}") < 0.1 for number in range(10_000))
    assert 850 < chosen < 1_150


def test_a_sample_by_key_takes_all_of_a_key_or_none():
    kept = {run(Sample(0.5, "key"), subject(f"id-{number}", key="k")) for number in range(50)}
    assert len(kept) == 1
    without = {run(Sample(0.5, "key"), subject(f"id-{number}")) for number in range(50)}
    assert without == {True, False}


def test_a_deduplicator_asks_and_leaves_word():
    asked = []

    def seen(digest, window):
        asked.append((digest, window))
        return len(asked) > 1

    first, second = subject("a"), subject("a")
    assert run(Deduplicate(60), first, seen)
    assert not run(Deduplicate(60), second, seen)
    assert asked[0] == asked[1]
    assert (first.digests, second.digests) == ([asked[0][0]], [])
    assert len(asked[0][0]) == 16


def test_digests_differ_by_text_and_by_place_of_the_operator():
    found = set()
    for number, operator, message in [
        (0, Deduplicate(1), subject("a")),
        (1, Deduplicate(1), subject("a")),
        (0, Deduplicate(1, "key"), subject("a", key="b")),
        (0, Deduplicate(1), subject("c", key="a")),
    ]:
        step_of(operator, number)(message, never)
        found.add(message.digests[0])
    assert len(found) == 4


def test_a_function_is_no_step():
    assert step_of(Transform("f"), 0) is None
