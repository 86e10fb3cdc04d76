"""The two expressions of a predicate are never true together, and nothing of the text is in the code."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.filters.code import Code
from openmessaging.filters.parse import parse
from tests.filters.agreement import Generator, disagreements


@settings(max_examples=150)
@given(st.integers(0, 1 << 32))
def test_never_true_and_false(seed: int) -> None:
    generator = Generator(seed)
    code = Code(parse(generator.boolean(3)))
    names = [f"    {name} = values.get({code.constant(key)})" for key, name in code.properties.items()]
    lines = [f"    {line}" for line in code.lines]
    both = code.function(["def made(values):", *names, *lines, f"    return bool({code.true}), bool({code.false})"])
    for _ in range(5):
        assert both(generator.row()) != (True, True)


def test_nothing_of_the_text_is_in_the_code() -> None:
    code = Code(
        parse("\"__import__('os')\" = 'open(1)' AND \"x\ny\" LIKE '%exec%' AND a IN ('eval') AND b + 1234567 > 2")
    )
    written = "\n".join([code.true, code.false, *code.lines])
    assert not any(part in written for part in ("import", "open", "exec", "eval", "1234567"))


def test_code_grows_with_the_text_and_not_faster() -> None:
    """A predicate inside a predicate is computed once, however often its value is asked for."""
    text = "a = 1"
    for _ in range(14):
        text = f"({text}) IS NULL"
    code = Code(parse(text))
    assert sum(map(len, [code.true, code.false, *code.lines])) < 4_000


def test_agreement_with_sqlite() -> None:
    """Fewer than `python -m tests.filters.agreement` compares."""
    assert disagreements(600, seed=7) == []
