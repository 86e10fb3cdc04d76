"""Numbers and bytes as text, where a form has no type for them: JSON and the fields of HTTP.

`long` is a decimal integer, `double` the shortest decimal that reads back the same, or `NaN`, `Infinity`, `-Infinity`;
`binary` is base64 (RFC 4648, section 4, with padding).
"""

from __future__ import annotations

import binascii
from math import isfinite, isinf

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
