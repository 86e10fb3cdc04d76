"""Choosing among messages that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openmessaging.filters import compile_condition
from openmessaging.model.message import Message

Where = Callable[[Message], bool] | Mapping[str, Any] | str | None
"""A function, values that properties (`key`: the message key) must have, an SQL condition, or None for all."""


def choice(where: Where) -> Callable[[Message], bool]:
    """Whether a message is chosen. Raises OMSRuntimeException 1418 (field `filter`) for a condition that is none."""
    if where is None:
        return lambda _: True
    if isinstance(where, str):
        condition = compile_condition(where)
        return lambda message: condition.matches(message.properties, message.get_header)
    if callable(where):
        return where
    wanted = dict(where)

    def chosen(message: Message) -> bool:
        properties = message.properties
        return all(
            (message.message_key if name == "key" else properties.get(name)) == value for name, value in wanted.items()
        )

    return chosen
