"""A message as a message of NATS and back; byte for byte: `spec/mappings/nats.md`.

orders.0                           subject: the stream of the queue and the partition
oms-messageId: 0192…               a header field
oms-messageKey: alice              the key: NATS has none
service: hello                     a property, as `openmessaging.drivers.mapping` writes it
ce-type: order.placed              the property `ce_type` of a CloudEvent, as its NATS binding writes it
oms-x-two%20words: a%0Ab           a field whose name or text a header of NATS cannot hold, both percent-encoded
Nats-…                             the server's own: never a property
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.model.cloud_event import PREFIX as EVENT_PREFIX
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.message import Record
from openmessaging.model.percent import decode as from_percent
from openmessaging.model.percent import encode_value

KEY = f"{PREFIX}messageKey"
EVENT = "ce-"
ESCAPED = f"{PREFIX}x-"
_SERVERS = "nats-"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CLIENTS = frozenset(("status", "description"))
"""Names under which clients of NATS show the status of a message."""
_SPECVERSION = f"{EVENT_PREFIX}specversion"


def to_headers(record: Record) -> dict[str, str]:
    """The headers of a message that has everything in its own headers; the body is the message's own."""
    headers: dict[str, str] = {}
    is_event = bool(record.properties) and _SPECVERSION in (record.properties or {})
    fields = to_fields(record)
    if record.message_key is not None:
        fields.append((KEY, record.message_key))
    for name, text in fields:
        if is_event and name.startswith(EVENT_PREFIX) and name[len(EVENT_PREFIX) :].isalnum() and name.isascii():
            headers[EVENT + name[len(EVENT_PREFIX) :]] = encode_value(text)
        elif _stands(name) and text.isprintable() and text == text.strip():
            headers[name] = text
        else:
            headers[ESCAPED + quote(name, safe="", errors="replace")] = _escaped(text)
    return headers


def _stands(name: str) -> bool:
    """Whether a header may have this name and mean this field when it is read back."""
    if not _NAME.fullmatch(name):
        return False
    lower = name.lower()
    return not lower.startswith((_SERVERS, EVENT, ESCAPED)) and lower not in _CLIENTS


def _escaped(text: str) -> str:
    return encode_value(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))


class Place(NamedTuple):
    """Where a stored message lies."""

    stream: str
    sequence: int
    stored_ms: int
    partition: int


def to_record(headers: Mapping[str, str] | None, body: bytes, place: Place) -> Record:
    """The message of a stored message of NATS. Never raises."""
    given = headers or {}
    record = from_fields(body, _key(given), _fields(given))
    own = record.headers if record.headers is not None else {}
    record.headers = own
    own["offset"], own["storeTimestamp"] = place.sequence, place.stored_ms
    return record


def _key(headers: Mapping[str, str]) -> str | None:
    key = headers.get(KEY)
    if key is None and (written := headers.get(ESCAPED + KEY)) is not None:
        with suppress(OMSMessageFormatException):
            return from_percent(KEY, written)
    return key or None


def _fields(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in headers.items():
        if name[:5].lower() == _SERVERS or name == KEY or name == ESCAPED + KEY:
            continue
        try:
            if name.startswith(ESCAPED):
                yield from_percent(name, name[len(ESCAPED) :]), from_percent(name, text)
                continue
            if name.startswith(EVENT):
                yield EVENT_PREFIX + name[len(EVENT) :], from_percent(name, text)
                continue
        except OMSMessageFormatException:
            pass  # written by another program: it is what it is
        yield name, text
