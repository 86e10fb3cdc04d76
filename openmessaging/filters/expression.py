"""A compiled expression: a value computed from a message, where a condition would only say yes or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from openmessaging.filters.code import Code
from openmessaging.filters.condition import Header, evaluating

_CACHED = 1_024


class Expression:
    """What an assignment computes. Make it with `compile_expression`; safe to share between threads."""

    __slots__ = ("_evaluate", "text")

    def __init__(self, text: str, code: Code) -> None:
        self.text = text
        """As it was written."""
        self._evaluate: Callable[[Mapping[str, Any], Header], Any] = evaluating(code, code.value)

    def value(self, properties: Mapping[str, Any], header: Header) -> Any:
        """Text, number, boolean or bytes for a message's properties and header fields; None is NULL."""
        found = self._evaluate(properties, header)
        return None if found != found else found  # NaN is NULL


@lru_cache(maxsize=_CACHED)
def compile_expression(text: str) -> Expression:
    """The expression of a text, in the grammar of conditions: a property, `header.<field>`, a constant, arithmetic, or
    a condition, whose value is true, false or NULL. The latest are kept.

    Raises OMSRuntimeException 1418 (field `filter`) with a mark below the place in the text that is wrong.
    """
    from openmessaging.filters.parse import parse_value  # loads the parser, as in `compile_condition`

    return Expression(text, Code(parse_value(text), is_value=True))
