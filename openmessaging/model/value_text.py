"""Numbers and bytes as text, where a form has no type for them: JSON, the fields of HTTP, other systems.

`long` is a decimal integer, `double` the shortest decimal that reads back the same, or `NaN`, `Infinity`, `-Infinity`;
`binary` is base64 (RFC 4648, section 4, with padding).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from math import isfinite, isinf
from struct import Struct

from openmessaging.model.key_value import PropertyValue

_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def read_long(text: str) -> int:
    """An integer; raises ValueError for anything else."""
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20:
        raise ValueError(text)
    return int(text)


def read_double(text: str) -> float:
    """A floating-point number; raises ValueError for anything else, and for one beyond binary64."""
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    if not text.isascii() or text.strip("0123456789eE+-."):
        raise ValueError(text)
    value = float(text)
    if isinf(value):
        raise ValueError(text)
    return value


def write_double(value: float) -> str:
    """The text of a floating-point number."""
    if isfinite(value):
        return repr(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def read_binary(text: str) -> bytes:
    """Bytes; raises ValueError for what is no base64."""
    return binascii.a2b_base64(text, strict_mode=True)


def write_binary(data: bytes) -> str:
    """Bytes as text."""
    return binascii.b2a_base64(data, newline=False).decode()


def to_text(value: PropertyValue) -> tuple[str, str]:
    """Type (empty for a String) and text of a property."""
    if isinstance(value, str):
        return "", value
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, int):
        return "long", str(value)
    if isinstance(value, float):
        return "double", write_double(value)
    return "binary", write_binary(value)


def _read_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _read_float(text: str) -> float:
    try:
        value: float = _FLOAT.unpack(_FLOAT.pack(read_double(text)))[0]
    except OverflowError as cause:
        raise ValueError(text) from cause
    return value


def _integer(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = read_long(text)
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise ValueError(text)
        return value

    return read


_FLOAT = Struct("<f")
KINDS: dict[str, Callable[[str], PropertyValue]] = {
    "string": str,
    "boolean": _read_boolean,
    "short": _integer(16),
    "integer": _integer(32),
    "long": _integer(64),
    "float": _read_float,
    "double": read_double,
    "binary": read_binary,
}
"""How a text is read, by the type of property it stands for; each raises ValueError for a text that is none."""
