"""Messages as entries of a stream, and back: `spec/mappings/redis.md` says it in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.drivers.redis.names import offset_of
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import FIELDS, check_header
from openmessaging.model.message import Record

BODY, KEY = "body", "key"
_OWN = (BODY, KEY)
_PROPERTY = f"{PREFIX}p-"
MAX_FIELDS = 2_000
"""Fields of one entry: a script of the server cannot hand over more."""
Argument = str | bytes | int
_text: Callable[[bytes], Any] = bytes.decode
_HEADERS = {
    f"{PREFIX}{name}".encode(): (name, _text if field.kind == "String" else int)
    for name, field in FIELDS.items()
    if name not in ("destination", "messageKey", "partition", "offset", "storeTimestamp", "deliveryCount")
}
"""How the usual fields are read, quickly."""


def to_entry(record: Record) -> list[Argument]:
    """The number of the arguments that follow, then names and values of an entry. Raises OMSRuntimeException 1411 for
    too many fields."""
    entry: list[Argument] = [2, BODY, record.data]
    if record.message_key is not None:
        entry += (KEY, record.message_key)
    for name, value in to_fields(record):
        entry += (_PROPERTY + name if name in _OWN else name, value)
    entry[0] = len(entry) - 1
    if len(entry) > 2 * MAX_FIELDS:
        raise error(1411, f"{len(entry) // 2:,} fields, Redis takes {MAX_FIELDS:,}", next_step="Put them into the body")
    return entry


def from_entry(entry: bytes, flat: Sequence[bytes]) -> Record:
    """The message of an entry: its id, and its names and values one after the other."""
    body, key = b"", None
    headers: dict[str, Any] = {}
    others: list[tuple[str, bytes]] = []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        known = _HEADERS.get(name)
        if known is not None:
            try:
                headers[known[0]] = known[1](value)
            except ValueError:  # another program's
                others.append((name.decode(), value))
        elif name == b"body":
            body = value
        elif name != b"key" or (key := _as_key(value)) is None:
            others.append((name.decode(errors="backslashreplace"), value))
    ms, _, _ = entry.partition(b"-")
    offset = offset_of(entry)
    if offset is not None:
        headers["offset"] = offset
    headers["storeTimestamp"] = int(ms)
    if not others:
        return Record(body, key, None, headers)
    record = from_fields(body, key, others)
    record.headers = {**headers, **(record.headers or {})}
    return record


def _as_key(value: bytes) -> str | None:
    try:
        key: str | None = check_header("messageKey", value.decode())
    except (UnicodeDecodeError, OMSRuntimeException):
        return None
    return key
