"""Cases, their verdicts, and what they say when something does not hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

if TYPE_CHECKING:
    from openmessaging.conformance.kit import Kit

SECTIONS = (
    "model",
    "access-point",
    "lifecycle",
    "produce",
    "batch",
    "one-way",
    "pull",
    "push",
    "streaming",
    "settlement",
    "order",
    "groups",
    "broadcast",
    "delay",
    "expiry",
    "priority",
    "transactions",
    "filters",
    "routing",
    "resources",
    "interceptors",
    "errors",
    "limits",
    "request-reply",
    "security",
    "shutdown",
    "faults",
)
"""Sections of the kit, in the order of running and showing."""


class Status(StrEnum):
    """What became of a case."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    """Not declared, and refused with the standard's unsupported error."""
    EMULATED = "emulated"
    """It passed through an emulation that the user allowed."""
    UNDECLARED = "undeclared"
    """It passed although a capability that it needs is not declared."""
    SKIPPED = "skipped"
    """What the case needs around the system cannot be had here; the text says what."""


class Broken(Exception):
    """Something that must hold does not."""


class Skip(Exception):
    """The case cannot be made here."""


Function = Callable[["Kit"], Awaitable[None]]


class Case(msgspec.Struct, frozen=True):
    """One thing that must hold."""

    id: str
    """`<section>.<name>`, for good."""
    section: str
    rule: str
    """Where the standard says so: document and section."""
    title: str
    needs: frozenset[str]
    """Capabilities without which it is not to be expected."""
    alone: bool
    """Whether no other case may run meanwhile: it disturbs the system."""
    seconds: float
    """The time it may take."""
    run: Function


class Outcome(msgspec.Struct):
    """What became of a case, to be stored."""

    case: str
    status: Status
    seconds: float
    text: str = ""
    """Why it is not a pass."""


_cases: dict[str, Case] = {}


def case(
    name: str, rule: str, *needs: str, alone: bool = False, seconds: float = 30.0
) -> Callable[[Function], Function]:
    """Make a case of a coroutine function; its docstring is the title."""

    def register(function: Function) -> Function:
        section = name.partition(".")[0]
        title = " ".join((function.__doc__ or "").split())
        assert section in SECTIONS, f"{name}: no such section"
        assert name not in _cases, f"{name}: there already"
        assert title, f"{name} says nothing"
        _cases[name] = Case(name, section, rule, title, frozenset(map(str, needs)), alone, seconds, function)
        return function

    return register


def registered() -> list[Case]:
    """All cases that were imported, in the order of sections and of writing."""
    return sorted(_cases.values(), key=lambda each: SECTIONS.index(each.section))


def fail(text: str) -> NoReturn:
    """Say that something does not hold."""
    raise Broken(text)


def that(condition: object, text: str) -> None:
    """Something must hold."""
    if not condition:
        raise Broken(text)


def equal(found: Any, wanted: Any, what: str) -> None:
    """Two values must be the same, of the same type."""
    if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
        raise Broken(f"{what}: {_shown(found)} instead of {_shown(wanted)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
