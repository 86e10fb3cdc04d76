"""What a listener is handed that is asked whether a prepared message shall be committed.

Source: runtime interface 1.0.0, "transaction state check listener".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.transaction import TransactionCheck

MAX_SECONDS = 366 * 86_400.0
"""Longest time of a check."""


class TransactionStateCheckListener(Protocol):
    """Knows what became of the local transactions that belong to prepared messages."""

    def check(self, message: Message, context: TransactionStateCheckContext) -> Any:
        """Look up what the message's transaction has come to, and call `context.commit()`, `context.rollback()` or
        `context.unknown()`. No call and an exception are as unknown: it is asked again later."""
        ...


class TransactionStateCheckContext:
    """The answer to one check."""

    def __init__(self, transaction_id: str) -> None:
        self.transaction_id = transaction_id
        """Of the message, as its header says."""
        self.decision: bool | None = None
        """True for commit, False for rollback, None for unknown."""

    def commit(self) -> None:
        """Its transaction was done: deliver the message."""
        self.decision = True

    def rollback(self) -> None:
        """Its transaction was not done: drop the message."""
        self.decision = False

    def unknown(self) -> None:
        """It still runs, or cannot be known now: ask again later."""
        self.decision = None


CheckFunction = Callable[[Message, TransactionStateCheckContext], Any]
"""A plain function may stand for a listener; for asyncio it may be a coroutine function."""


def check_of(listener: TransactionStateCheckListener | CheckFunction) -> CheckFunction:
    """The function to call: of an object with `check`, or a plain function of the same arguments."""
    found = getattr(listener, "check", None)
    return listener if found is None else found  # type: ignore[return-value] # a function then


def check_times(times: TransactionCheck) -> TransactionCheck:
    """Raises OMSRuntimeException 1418 naming the first setting that is out of range."""
    for field, value, good, want in (
        ("first", times.first, 0 <= times.first <= MAX_SECONDS, "from 0 to a year"),
        ("interval", times.interval, 0 < times.interval <= MAX_SECONDS, "over 0 and at most a year"),
        ("limit", times.limit, times.limit >= 0, "at least 0"),
        ("expire", times.expire, 0 < times.expire <= MAX_SECONDS, "over 0 and at most a year"),
    ):
        if not good:
            raise error(1418, f"transaction_check.{field}: {value!r} is not {want}", field=field)
    return times
