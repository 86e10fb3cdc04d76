"""Forged and huge texts end soon, with an error that says where."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.filters.parse import parse
from openmessaging.filters.tokens import MAX_CHARACTERS, MAX_DEPTH
from openmessaging.model.errors import OMSRuntimeException
from tests.filters.agreement import Generator

WORDS = (
    "a", "b", "AND", "OR", "NOT", "IN", "LIKE", "ESCAPE", "BETWEEN", "IS", "NULL", "TRUE", "(", ")", ",", ".", "=",
    "<>", "<", "+", "-", "*", "/", "||", "'x'", "1", "1.5", '"n"', "header", "select", "case", "::", "[", "{", "%",
    "/*", "--", "'",
)  # fmt: skip


def outcome(text: str) -> OMSRuntimeException | None:
    try:
        parse(text)
    except OMSRuntimeException as failure:
        return failure
    return None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4_000,
        "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
        "not " * 2_000 + "a",
        "- " * 4_000 + "a = 1",
        "a" + " + a" * 1_500 + " = 1",
        "a = 1 " + "-- x\n" * 1_000 + "b",
        "x" * (MAX_CHARACTERS + 1),
        "a = '" + "\ud800" + "'",
        "a = '\x00'",
        "/*" * 4_000,
        "'" * 4_001,
        '"' * 4_001,
        "- -" * 2_000,
        "a = " + "9" * 5_000,
        "a = 1e" + "9" * 5_000,
        "case " * 1_000,
        "(a" * 16 + " in (" * 16,
    ],
    ids=lambda text: text[:12],
)
def test_forged_texts_are_refused_soon(text: str) -> None:
    start = time.perf_counter()
    failure = outcome(text)
    assert time.perf_counter() - start < 5
    assert failure is not None
    assert failure.code == 1418
    assert failure.field == "filter"
    assert len(failure.reason) < 600


def test_long_conditions_are_taken() -> None:
    for text in (" OR ".join(f"a = {i}" for i in range(600)), f"a IN ({', '.join(map(str, range(1_300)))})"):
        assert outcome(text) is None


def test_depth_needs_little_of_the_stack() -> None:
    """A caller that is deep in calls already can still use every depth that is allowed."""
    text = "(" * (MAX_DEPTH - 1) + "a = 1" + ")" * (MAX_DEPTH - 1)
    limit = sys.getrecursionlimit()
    parse("warm = 1")
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    try:
        sys.setrecursionlimit(depth + 450)
        parse(text)
        sys.setrecursionlimit(depth + 100)
        failure = outcome(text)
    finally:
        sys.setrecursionlimit(limit)
    assert failure is not None
    assert failure.code == 1418


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=40))
def test_every_text_is_a_condition_or_is_refused_with_a_place(text: str) -> None:
    failure = outcome(text)
    if failure is not None:
        assert failure.code == 1418
        assert failure.reason.split("\n")[2].strip(" ^") == ""


@settings(max_examples=100)
@given(st.integers(0, 1 << 32))
def test_the_case_of_keywords_and_the_layout_do_not_matter(seed: int) -> None:
    from openmessaging.filters import compile_condition

    generator = Generator(seed)
    text, row = generator.boolean(2), generator.row()
    other = compile_condition(
        text.replace(" AND ", "\n and\t").replace(" OR ", " /* or */ or ").replace("NOT ", "not ")
    )
    assert other.evaluate(row) is compile_condition(text).evaluate(row)
