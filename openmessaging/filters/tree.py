"""A condition as a tree, whatever parsed it. An operand has a value; a predicate is true, false or unknown.

`start` and `end` are places in the text, for errors.
"""

from __future__ import annotations

from typing import Literal as One

import msgspec

Comparison = One["=", "<>", "<", "<=", ">", ">="]
Constant = str | int | float | bool | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """Root of all nodes."""

    start: int = 0
    end: int = 0


class Property(Node, frozen=True):
    """A user's own field of the message; NULL when it has none of that name."""

    name: str


class HeaderField(Node, frozen=True):
    """A header field, by the standard's name."""

    name: str


class Literal(Node, frozen=True):
    """A value written in the text; None is NULL."""

    value: Constant


class Arithmetic(Node, frozen=True):
    """Two numbers make one."""

    operator: One["+", "-", "*", "/"]
    left: Operand
    right: Operand


class Negative(Node, frozen=True):
    """A number with its sign turned round."""

    operand: Operand


class Compare(Node, frozen=True):
    """Two values beside each other."""

    operator: Comparison
    left: Operand
    right: Operand


class In(Node, frozen=True):
    """Whether a value is one of several."""

    operand: Operand
    items: tuple[Operand, ...]


class Like(Node, frozen=True):
    """Whether a text fits a pattern."""

    operand: Operand
    pattern: str
    escape: str | None


class IsNull(Node, frozen=True):
    """Whether there is no value, or whether a predicate is unknown. Never unknown itself."""

    operand: Operand


class IsTruth(Node, frozen=True):
    """Whether a predicate is true, or is false. Never unknown itself."""

    operand: Predicate
    value: bool


class And(Node, frozen=True):
    """False when one term is, true when all are."""

    terms: tuple[Predicate, ...]


class Or(Node, frozen=True):
    """True when one term is, false when all are."""

    terms: tuple[Predicate, ...]


class Not(Node, frozen=True):
    """True and false change places; unknown stays."""

    term: Predicate


class Truth(Node, frozen=True):
    """A value as a predicate: a boolean is itself, NULL and anything else is unknown."""

    operand: Operand


Predicate = Compare | In | Like | IsNull | IsTruth | And | Or | Not | Truth
Operand = Property | HeaderField | Literal | Arithmetic | Negative | Predicate
PREDICATES = (Compare, In, Like, IsNull, IsTruth, And, Or, Not, Truth)
