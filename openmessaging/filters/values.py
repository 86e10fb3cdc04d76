"""What compiled conditions do with values that are not known to be of one type: strict, text is never a number.

None is NULL; so is NaN. Integers have 64 bits; a result beyond them is a double.
"""

from __future__ import annotations

from typing import Any

NUMBERS = frozenset((int, float))
_ORDERED = frozenset((str, bytes))
_ALIKE = _ORDERED | {bool}
_LOW, _HIGH = -(1 << 63), (1 << 63) - 1

Number = int | float | None


def alike(left: Any, right: Any) -> bool:
    """Whether two values can be equal or not: numbers, or two of one type."""
    kind = type(left)
    if kind in NUMBERS:
        return type(right) in NUMBERS
    return kind is type(right) and kind in _ALIKE


def ordered(left: Any, right: Any) -> bool:
    """Whether one of two values can come first: numbers, texts or bytes."""
    kind = type(left)
    if kind in NUMBERS:
        return type(right) in NUMBERS
    return kind is type(right) and kind in _ORDERED


def add(left: Any, right: Any) -> Number:
    """The sum; NULL unless both are numbers."""
    return _number(left + right) if type(left) in NUMBERS and type(right) in NUMBERS else None


def subtract(left: Any, right: Any) -> Number:
    """The difference; NULL unless both are numbers."""
    return _number(left - right) if type(left) in NUMBERS and type(right) in NUMBERS else None


def multiply(left: Any, right: Any) -> Number:
    """The product; NULL unless both are numbers."""
    return _number(left * right) if type(left) in NUMBERS and type(right) in NUMBERS else None


def divide(left: Any, right: Any) -> Number:
    """The quotient, of two integers without its fraction; NULL unless both are numbers, and by zero."""
    if type(left) not in NUMBERS or type(right) not in NUMBERS or right == 0:
        return None
    if type(left) is int and type(right) is int:
        whole = abs(left) // abs(right)
        return _number(whole if (left < 0) == (right < 0) else -whole)
    return _number(left / right)


def negate(value: Any) -> Number:
    """The number with its sign turned round; NULL when it is none."""
    return _number(-value) if type(value) in NUMBERS else None


def _number(value: int | float) -> Number:
    if type(value) is int:
        return value if _LOW <= value <= _HIGH else float(value)
    return value if value == value else None
