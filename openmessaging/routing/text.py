"""Operators as one line of text each, to write them on a command line and to show them.

filter amount > 100 AND country = 'FR'
deduplicate by key within 60
sample 10% by id
set region = 'EU'; total = price * count; header.messageKey = customer
call enrich
"""

from __future__ import annotations

import re
from typing import cast

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.routing import Assign, By, Deduplicate, Filter, Operator, Sample, Transform

_BY = r"(?:\s+by\s+(?P<by>id|key))?"
_DEDUPLICATE = re.compile(rf"deduplicate{_BY}\s+within\s+(?P<window>[0-9.]+)\s*s?", re.IGNORECASE)
_SAMPLE = re.compile(rf"sample\s+(?P<share>[0-9.]+)(?P<percent>\s*%)?{_BY}", re.IGNORECASE)
_NAME = re.compile(r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>[^\s"=;]+))\s*=\s*""")
_VALUE = re.compile(r"""(?:'[^']*'|"[^"]*"|[^;'"])+""")


def show_operator(operator: Operator) -> str:
    """An operator as text; `read_operator` reads it."""
    match operator:
        case Filter():
            return f"filter {operator.condition}"
        case Deduplicate():
            return f"deduplicate by {operator.by} within {operator.window:g}"
        case Sample():
            return f"sample {operator.share * 100:.6g}% by {operator.by}"
        case Assign():
            pairs = [f"{_shown(name)} = {value.strip()}" for name, value in operator.values.items()]
            return f"set {'; '.join(pairs)}"
        case Transform():
            return f"call {operator.function}"


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[^\s\"=;]+", name) else f'"{name}"'


def read_operator(text: str) -> Operator:
    """The operator of a text. Raises OMSRuntimeException 1418 with how it is written."""
    kind, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    match kind.lower():
        case "filter" if rest:
            return Filter(rest)
        case "call" if rest:
            return Transform(rest)
        case "set" if rest:
            return Assign(_assignments(rest, text))
        case "deduplicate" if found := _DEDUPLICATE.fullmatch(text.strip()):
            return Deduplicate(_number(found["window"], text), _by(found))
        case "sample" if found := _SAMPLE.fullmatch(text.strip()):
            return Sample(_number(found["share"], text) / (100 if found["percent"] else 1), _by(found))
    raise _refused(text)


def _assignments(rest: str, text: str) -> dict[str, str]:
    """Names and expressions; a `;` in quotes does not separate."""
    values: dict[str, str] = {}
    at = 0
    while at < len(rest):
        name = _NAME.match(rest, at)
        value = _VALUE.match(rest, name.end()) if name else None
        if name is None or value is None or not value[0].strip():
            raise _refused(text)
        values[name["quoted"] or name["plain"]] = value[0].strip()
        at = value.end()
        if at < len(rest) and rest[at] != ";":
            raise _refused(text)
        at += 1
    return values


def _by(found: re.Match[str]) -> By:
    return cast("By", (found["by"] or "id").lower())


def _number(digits: str, text: str) -> float:
    try:
        return float(digits)
    except ValueError:
        raise _refused(text) from None


def _refused(text: str) -> OMSRuntimeException:
    step = (
        "Write one of: filter CONDITION · sample 10% [by id|key] · deduplicate [by id|key] within SECONDS · "
        "set NAME = EXPRESSION; … · call FUNCTION"
    )
    return error(1418, f"{text!r} is no operator", next_step=step, field="operators")
