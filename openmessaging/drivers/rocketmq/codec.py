"""A message as a message of RocketMQ and back; byte for byte: `spec/mappings/rocketmq.md`.

topic orders                  the queue
message id, keys              the message id, and the key
oms-messageKey: alice         the key once more: keys are split at spaces
service: hello                a property, as `openmessaging.drivers.mapping` writes it
oms-x-TAGS: a%0Ab             a field that RocketMQ would not take, name and text percent-encoded
oms-x-empty: true             the body is empty; RocketMQ takes none that is, so it has one byte
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.message import Record
from openmessaging.model.percent import decode as from_percent

KEY, ESCAPED = f"{PREFIX}messageKey", f"{PREFIX}x-"
EMPTY = f"{ESCAPED}empty"
_NAME = re.compile(r"(?=[^A-Z_]*[a-z])[A-Za-z0-9\-.%:]+(?:[A-Za-z0-9\-.%:_]*)")
"""Names of the system's own are capitals and underscores."""


def to_native(types: Any, topic: str, record: Record) -> Any:
    """The message of a record that has everything in its own headers."""
    headers = record.headers or {}
    system = types.SystemProperties(
        message_id=str(headers["messageId"]),
        message_type=types.MessageType.NORMAL,
        born_host=str(headers.get("bornHost", "unknown")),
        body_encoding=types.Encoding.IDENTITY,
    )
    system.born_timestamp.FromMilliseconds(int(headers["bornTimestamp"]))
    fields = to_fields(record)
    if record.message_key is not None:
        fields.append((KEY, record.message_key))
        system.keys.extend(record.message_key.split())
    written = dict(_written(name, text) for name, text in fields)
    if not record.data:
        written[EMPTY] = "true"
    return types.Message(
        topic=types.Resource(name=topic),
        system_properties=system,
        user_properties=written,
        body=record.data or b"\0",
    )


def _written(name: str, text: str) -> tuple[str, str]:
    if _NAME.fullmatch(name) and not name.startswith(ESCAPED) and text and text.isprintable():
        return name, text
    # A text is never empty here: RocketMQ drops properties without one.
    return ESCAPED + quote(name, safe="", errors="replace"), f"={quote(text, safe='', errors='replace')}"


def from_native(message: Any) -> Record:
    """The record of a message that was received. Never raises."""
    system, given = message.system_properties, message.user_properties
    record = from_fields(b"" if EMPTY in given else message.body, _key(system, given), _fields(given))
    own = record.headers if record.headers is not None else {}
    record.headers = own
    own["storeTimestamp"] = system.store_timestamp.ToMilliseconds()
    own.setdefault("messageId", system.message_id)
    own.setdefault("bornTimestamp", system.born_timestamp.ToMilliseconds())
    own.setdefault("bornHost", system.born_host or "unknown")
    return record


def _key(system: Any, given: Mapping[str, str]) -> str | None:
    if KEY in given:
        return given[KEY]
    escaped = given.get(ESCAPED + KEY, "")
    if escaped.startswith("="):
        with suppress(OMSMessageFormatException):
            return from_percent(KEY, escaped[1:])
    return " ".join(system.keys) or None


def _fields(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in given.items():
        if name in (KEY, ESCAPED + KEY, EMPTY):
            continue
        if name.startswith(ESCAPED) and text.startswith("="):
            with suppress(OMSMessageFormatException):
                yield from_percent(name, name[len(ESCAPED) :]), from_percent(name, text[1:])
                continue
        yield name, text
