"""Operators at work: each is a step that a message passes, or does not. The same wherever a route runs.

Nothing here knows where messages lie; what was seen before is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from openmessaging.filters import compile_condition, compile_expression
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.headers import check_header
from openmessaging.model.routing import KEY, Assign, By, Deduplicate, Filter, Operator, Sample

DIGEST_BYTES = 16
_ONE = float(1 << 64)
_SAMPLE = blake2b(digest_size=8, person=b"oms.sample")


class Subject:
    """A message on its way through the operators. `properties` are replaced, never changed in place."""

    __slots__ = ("_header", "changed", "digests", "key", "moved", "properties")

    def __init__(self, key: str | None, properties: dict[str, Any] | None, header: Callable[[str], Any]) -> None:
        self.key = key
        self.properties = properties
        self.changed = False
        """Whether it is not what it was."""
        self.moved = False
        """Whether its key is not what it was, so that it may belong elsewhere."""
        self.digests: list[bytes] = []
        """What deduplicators shall remember of it."""
        self._header = header

    def header(self, name: str) -> Any:
        """A header field by its standard name."""
        return self.key if name == "messageKey" else self._header(name)

    def text(self, by: By) -> str:
        """What it is told apart by."""
        return self._header("messageId") or "" if by == "id" or self.key is None else self.key


Seen = Callable[[bytes, float], bool]
"""Whether a digest was seen within a window."""
Step = Callable[[Subject, Seen], bool]
"""Whether the message goes on."""


def step_of(operator: Operator, number: int) -> Step | None:
    """What an operator at a place of a route does; None when it calls a function.

    Raises OMSRuntimeException 1418 for a condition or expression that is wrong.
    """
    match operator:
        case Filter():
            matches = compile_condition(operator.condition).matches
            return lambda subject, _: matches(subject.properties, subject.header)
        case Sample():
            return lambda subject, _: hashed(subject.text(operator.by)) < operator.share
        case Deduplicate():
            return _deduplicate(operator, number)
        case Assign():
            return _assign(operator)
    return None


def hashed(text: str) -> float:
    """A number from 0 to 1 (exclusive) that belongs to a text, the same everywhere and always."""
    found = _SAMPLE.copy()
    found.update(text.encode())
    return int.from_bytes(found.digest(), "big") / _ONE


def _deduplicate(operator: Deduplicate, number: int) -> Step:
    start = blake2b(digest_size=DIGEST_BYTES, salt=number.to_bytes(2, "big"))  # each of several remembers for itself

    def step(subject: Subject, seen: Seen) -> bool:
        found = start.copy()
        found.update(subject.text(operator.by).encode())
        digest = found.digest()
        if seen(digest, operator.window):
            return False
        subject.digests.append(digest)
        return True

    return step


def _assign(operator: Assign) -> Step:
    expressions = [(name, compile_expression(text)) for name, text in operator.values.items()]

    def step(subject: Subject, _: Seen) -> bool:
        before: dict[str, Any] = subject.properties or {}
        values = [(name, expression.value(before, subject.header)) for name, expression in expressions]
        after = dict(before)
        key = subject.key
        for name, value in values:
            if name == KEY:
                key = as_key(value)
            elif value is None:
                after.pop(name, None)
            else:
                after[name] = value
        if key != subject.key:
            subject.key = key
            subject.changed = subject.moved = True
        if after != before or any(type(after[name]) is not type(before[name]) for name in after):
            subject.properties = after
            subject.changed = True
        return True

    return step


def as_key(value: Any) -> str | None:
    """A value as a message key: text, or an integer's digits; what cannot be one is none."""
    try:
        key: str | None = check_header("messageKey", str(value) if type(value) is int else value)
    except OMSMessageFormatException:
        return None
    return key
