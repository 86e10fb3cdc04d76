"""Arithmetic by its rules: types are strict, integers have 64 bits, NaN is NULL."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isnan

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.filters import values

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
NUMBERS = LONGS | st.floats()
OTHERS = st.text() | st.binary() | st.booleans() | st.none()
BINARY = (values.add, values.subtract, values.multiply, values.divide)


@given(LONGS, LONGS)
def test_integers(left: int, right: int) -> None:
    exact = [left + right, left - right, left * right]
    if right:
        exact.append(int(Fraction(left, right)))
    else:
        assert values.divide(left, right) is None
    for function, result in zip(BINARY, exact, strict=False):
        found = function(left, right)
        assert found == (result if -(1 << 63) <= result < 1 << 63 else float(result))


@given(NUMBERS, NUMBERS)
def test_results_are_numbers_of_64_bits_or_nothing(left: float, right: float) -> None:
    for function in BINARY:
        found = function(left, right)
        assert found is None or type(found) in (int, float)
        if isinstance(found, float):
            assert not isnan(found)
        elif found is not None:
            assert -(1 << 63) <= found < 1 << 63


@given(NUMBERS, OTHERS)
def test_what_is_no_number_gives_nothing(number: float, other: object) -> None:
    for function in BINARY:
        assert function(number, other) is None
        assert function(other, number) is None
    assert values.negate(other) is None
    assert not values.alike(number, other)
    assert not values.ordered(other, number)


def test_signs_and_infinities() -> None:
    assert values.negate(-(1 << 63)) == float(1 << 63)
    assert values.negate(3) == -3
    assert values.subtract(inf, inf) is None
    assert values.divide(-7, 2) == -3
    assert values.divide(1.0, 0.0) is None
    assert values.multiply(1e300, 1e300) == inf


def test_of_one_type() -> None:
    for value in ("a", b"a"):
        assert values.alike(value, value)
        assert values.ordered(value, value)
    assert values.alike(True, False)
    assert not values.ordered(True, False)
    assert values.alike(1, 1.5)
    assert not values.alike("a", b"a")
    assert not values.alike(None, None)
