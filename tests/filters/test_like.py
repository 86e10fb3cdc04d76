"""LIKE against a naive matcher, and within its time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.filters.like import matcher
from openmessaging.model.errors import OMSMessageFormatException


def naive(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(naive(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and naive(pattern[1:], text[1:])


@settings(max_examples=400)
@given(st.text("ab%_", max_size=7), st.text("ab", max_size=8))
def test_as_the_naive_matcher(pattern: str, text: str) -> None:
    assert matcher(pattern, None)(text) is naive(pattern, text)


@settings(max_examples=100)
@given(st.text(max_size=12))
def test_an_escaped_text_fits_itself_alone(text: str) -> None:
    pattern = "".join(f"!{sign}" if sign in "%_!" else sign for sign in text)
    fits = matcher(pattern, "!")
    assert fits(text)
    assert not fits(text + "x")


def test_it_never_goes_back() -> None:
    text = "a" * 20_000
    start = time.perf_counter()
    assert not matcher("%a" * 30 + "%_b%", None)(text)
    assert not matcher("%" + "_" * 50 + "b%", None)(text)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("pattern", ["a!b", "!", "a!!!"])
def test_an_escape_of_nothing_special_is_refused(pattern: str) -> None:
    with pytest.raises(OMSMessageFormatException):
        matcher(pattern, "!")
