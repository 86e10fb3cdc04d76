"""Errors that point into a condition's text."""

from __future__ import annotations

from openmessaging.model.errors import OMSRuntimeException, error

_WIDTH = 100
"""Most characters of a line that are shown."""


def refused(text: str, what: str, start: int, end: int, step: str = "") -> OMSRuntimeException:
    """The error (1418, field `filter`) for a place in a text: what is wrong, the line, and marks below it."""
    start = min(max(start, 0), len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    row, column = text.count("\n", 0, start) + 1, start - first
    cut = max(0, column - _WIDTH // 2)
    shown = "".join(sign if sign.isprintable() else " " for sign in line[cut : cut + _WIDTH])
    marks = "^" * max(1, min(end - start, len(shown) - (column - cut)))
    where = f"line {row}, column {column + 1}" if "\n" in text else f"column {column + 1}"
    reason = f"filter, {where}:\n    {shown}\n    {' ' * (column - cut)}{marks}\n{what}"
    return error(1418, reason, next_step=step or "See docs/reference/filters.md", field="filter")
