"""Text in a header field of HTTP: UTF-8, percent-encoded where a field cannot hold it, as CloudEvents does it.

Source: HTTP binding, values; CloudEvents 1.0.2, HTTP protocol binding, 3.1.3.2.
"""

from __future__ import annotations

import re

from openmessaging.model.errors import bad_format
from openmessaging.model.headers import shown

_BARE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_IN_VALUE = re.compile(rb"[^\x21\x23\x24\x26-\x7e]")
_IN_NAME = re.compile(rb"[^a-z0-9!#$&'*+\-.^_`|~]")


def encode_value(text: str) -> str:
    """A text as the value of a field: `%XX` for control characters, space, `"`, `%` and every byte beyond ASCII."""
    return _IN_VALUE.sub(_upper, text.encode()).decode("ascii")


def encode_name(text: str) -> str:
    """A text as part of a field's name: `%xx`, in lower-case hex, for capitals and whatever is no character of a token,
    so that a name survives being read without regard to case."""
    return _IN_NAME.sub(_lower, text.encode()).decode("ascii")


def decode(field: str, text: str) -> str:
    """The text that a value or a part of a name stands for. `field` is named in errors.

    Raises OMSMessageFormatException 1400 for a `%` without two hexadecimal digits, a character beyond ASCII, or what is
    not UTF-8 once decoded.
    """
    if not text.isascii():
        raise bad_format(field, f"{shown(text)} holds bytes beyond ASCII", next_step="Percent-encode their UTF-8")
    if "%" not in text:
        return text
    if _BARE.search(text):
        raise bad_format(field, f"{shown(text)} holds a % without two hexadecimal digits", next_step="Write % as %25")
    try:
        return _ESCAPE.sub(_byte, text.encode()).decode()
    except UnicodeDecodeError as cause:
        raise bad_format(field, f"{shown(text)} is not UTF-8 once decoded") from cause


def _upper(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _lower(found: re.Match[bytes]) -> bytes:
    return b"%%%02x" % found[0][0]


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])
