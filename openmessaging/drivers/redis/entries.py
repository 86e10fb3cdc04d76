"""Messages as entries of a stream, and back: `spec/mappings/redis.md` says it in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.drivers.redis.names import offset_of
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.headers import check_header
from openmessaging.model.message import Record

BODY, KEY, BORN = "body", "key", "oms"
_OWN = (BODY, KEY, BORN)
_BIRTH = ("messageId", "bornTimestamp", "bornHost")
"""Header fields that every message has: one field for all three, since Redis keeps names in memory, too."""
_PROPERTY = f"{PREFIX}p-"
MAX_FIELDS = 2_000
"""Fields of one entry: a script of the server cannot hand over more."""
Argument = str | bytes | int


def to_entry(record: Record) -> list[Argument]:
    """The number of the arguments that follow, then names and values of an entry. Raises OMSRuntimeException 1411 for
    too many fields."""
    entry: list[Argument] = [2, BODY, record.data]
    if record.message_key is not None:
        entry += (KEY, record.message_key)
    headers = record.headers or {}
    birth = [headers.get(name) for name in _BIRTH]
    if None not in birth:
        entry += (BORN, "{} {} {}".format(*birth))
        if len(headers) == len(birth) and not record.properties:
            entry[0] = len(entry) - 1
            return entry
        record = Record(b"", None, record.properties, {name: headers[name] for name in headers if name not in _BIRTH})
    for name, value in to_fields(record):
        entry += (_PROPERTY + name if name in _OWN else name, value)
    entry[0] = len(entry) - 1
    if len(entry) > 2 * MAX_FIELDS:
        raise error(1411, f"{len(entry) // 2:,} fields, Redis takes {MAX_FIELDS:,}", next_step="Put them into the body")
    return entry


def from_entry(entry: bytes, flat: Sequence[bytes]) -> Record:
    """The message of an entry: its id, and its names and values one after the other."""
    ms, _, _ = entry.partition(b"-")
    headers: dict[str, Any] = {"storeTimestamp": int(ms)}
    offset = offset_of(entry)
    if offset is not None:
        headers["offset"] = offset
    body, key = b"", None
    others: list[tuple[str, bytes]] = []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        if name == b"body":
            body = value
        elif not ((name == b"oms" and _read_birth(headers, value)) or (name == b"key" and (key := _as_key(value)))):
            others.append((name.decode(errors="backslashreplace"), value))
    if not others:
        return Record(body, key, None, headers)
    record = from_fields(body, key, others)
    record.headers = {**headers, **(record.headers or {})}
    return record


def _read_birth(headers: dict[str, Any], value: bytes) -> bool:
    """Take id, born time and host out of the field that has all three; False for what another program wrote there."""
    try:
        headers["messageId"], born, headers["bornHost"] = value.decode().split(" ", 2)
        headers["bornTimestamp"] = int(born)
    except ValueError:
        for name in _BIRTH:
            headers.pop(name, None)
        return False
    return True


def _as_key(value: bytes) -> str | None:
    try:
        key: str | None = check_header("messageKey", value.decode())
    except (UnicodeDecodeError, OMSRuntimeException):
        return None
    return key
