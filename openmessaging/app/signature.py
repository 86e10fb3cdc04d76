"""The signatures of listeners and dependencies, read once, when a program starts."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from openmessaging.app.dependency import Depends, marker
from openmessaging.model.errors import OMSRuntimeException, error


class Parameter(msgspec.Struct, frozen=True):
    """A parameter: its type without the marker, and what it depends on, if anything."""

    name: str
    kind: Any
    default: Any
    depends: Depends | None


class Signature(msgspec.Struct, frozen=True):
    """What a function takes and gives."""

    parameters: tuple[Parameter, ...]
    result: Any


def name_of(function: Callable[..., Any]) -> str:
    """How a function is called in messages to people."""
    return getattr(function, "__name__", None) or type(function).__name__


def signature(function: Callable[..., Any], names: Mapping[str, Any] | None = None) -> Signature:
    """Read a signature; `names` are those of the place where the function was written, for annotations in quotes.

    Raises OMSRuntimeException 1418 for an annotation that cannot be read and for `*args`, naming the parameter.
    """
    hints = _hints(function, names)
    found: list[Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise bad(function, parameter.name, "every parameter is passed by its name", "Write it without * and /")
        kind = hints.get(parameter.name, Any)
        depends = marker(parameter.default)
        if get_origin(kind) is Annotated:
            depends = next(filter(None, map(marker, kind.__metadata__)), depends)
            if depends is not None:
                kind = get_args(kind)[0]
        found.append(Parameter(parameter.name, kind, parameter.default, depends))
    return Signature(tuple(found), hints.get("return", Any))


def without_none(kind: Any) -> Any:
    """A type without its `| None`; NoneType when nothing else is left."""
    if get_origin(kind) in (Union, types.UnionType):
        left = [each for each in get_args(kind) if each is not type(None)]
        return left[0] if len(left) == 1 else Union[tuple(left)]  # noqa: UP007 - made at run time
    return kind


def bad(function: Callable[..., Any], parameter: str, what: str, step: str) -> OMSRuntimeException:
    """The error for a parameter that nothing can be passed to."""
    return error(1418, f"{name_of(function)}, parameter {parameter}: {what}", next_step=step, field=parameter)


def _hints(function: Callable[..., Any], names: Mapping[str, Any] | None) -> dict[str, Any]:
    target: Any = function
    if isinstance(function, type):
        target = function.__init__  # type: ignore[misc] # read, not called
    elif not inspect.isroutine(function):
        target = type(function).__call__
    try:
        return get_type_hints(target, localns=dict(names) if names else None, include_extras=True)
    except NameError as cause:
        step = "Import it where the function is written, not only for type checkers"
        raise error(
            1418, f"{name_of(function)}: an annotation names {cause.name}, unknown there", next_step=step
        ) from cause
