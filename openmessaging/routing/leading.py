"""The first filter of a route: it is the condition of the route's group, so what does not match is never received."""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.model.routing import Filter, Operator


def leading_filter(operators: Sequence[Operator]) -> str | None:
    """The condition of the first operator, None when that is no filter."""
    first = operators[0] if operators else None
    return first.condition if isinstance(first, Filter) else None


def behind_filter(operators: Sequence[Operator]) -> list[tuple[int, Operator]]:
    """The operators that are left for what was received, with their places."""
    return list(enumerate(operators))[leading_filter(operators) is not None :]
