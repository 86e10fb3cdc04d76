"""A message as other systems hold it: a body, a key, and fields with a name and a text. Both ways, nothing lost.

    oms-messageId: 0192…           a header field of the standard that is set, by its name
    service: hello                 a property of type String, by its own name
    price: 2.5                     another property as text, whose type stands in the list below
    oms-types: price=double        types of the properties that are no String, names percent-encoded
    oms-p-oms-x: y                 a property whose name begins with `oms-`

The body and the key are the message's own. What a system has a place of its own for (key, expiry, priority) also stands
there, as its driver's page in `spec/mappings/` says. A message without such fields was written by another program: its
fields are properties of type String, or Binary where they are no UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from openmessaging.model.batch import decode, encode_own, with_own
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.headers import FIELDS
from openmessaging.model.message import Record
from openmessaging.model.percent import decode as from_percent
from openmessaging.model.percent import encode_value
from openmessaging.model.replay import Delivery
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.value_text import KINDS, to_text

PREFIX = "oms-"
TYPES = f"{PREFIX}types"
_PROPERTY = f"{PREFIX}p-"
_HEADER_NAMES = {f"{PREFIX}{name}": name for name in FIELDS}
_NUMBERS = frozenset(name for name, field in FIELDS.items() if field.kind != "String")
_NOT_WRITTEN = frozenset(("destination", "messageKey", "partition", "offset", "storeTimestamp", "deliveryCount"))


def unpacked(outgoing: OutgoingBatch) -> list[Record]:
    """The messages of a batch, each with everything that the batch says about it in its own headers."""
    header, shared, records = decode(outgoing.batch.head + outgoing.batch.payload, check=False)
    owned = [with_own(header, shared, record, place) for place, record in enumerate(records)]
    if outgoing.priority is not None:
        for record in owned:
            (record.headers or {})["priority"] = outgoing.priority
    return owned


def packed(destination: str, records: Sequence[Record], now_ms: int, **place: Any) -> Delivery:
    """A delivery of messages that have everything in their own headers; `place`: further fields of a Delivery."""
    batch = encode_own([_identified(record, now_ms) for record in records], now_ms)
    facts = {"partition": 0, "base_offset": 0, "store_ms": 0, "first": 0, "last": len(records), **place}
    return Delivery(destination, data=batch.head + batch.payload, **facts)


def to_fields(record: Record) -> list[tuple[str, str]]:
    """The fields of a message that has everything in its own headers."""
    headers = record.headers or {}
    fields = [(PREFIX + name, str(value)) for name, value in headers.items() if name not in _NOT_WRITTEN]
    if record.properties:
        types: list[str] = []
        for name, value in record.properties.items():
            kind, text = to_text(value)
            fields.append((_PROPERTY + name if name.startswith(PREFIX) else name, text))
            if kind:
                types.append(f"{encode_value(name).replace(',', '%2C').replace('=', '%3D')}={kind}")
        if types:
            fields.append((TYPES, ",".join(types)))
    return fields


def from_fields(body: bytes, key: str | None, fields: Iterable[tuple[str, str | bytes]]) -> Record:
    """The message of a body, a key and fields. Never raises: a field that is no right one of ours, as another program
    may write it, is a property by its whole name."""
    headers: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for name, value in fields:
        if not name.startswith(PREFIX):
            properties[name] = _as_text(value)
        elif name == TYPES:
            kinds = _read_types(_as_text(value))
        elif name.startswith(_PROPERTY):
            properties[name[len(_PROPERTY) :]] = _as_text(value)
        else:
            _put_header(headers, properties, name, _as_text(value))
    for name, kind in kinds.items():
        text = properties.get(name)
        if isinstance(text, str) and kind in KINDS:
            with suppress(ValueError, OMSMessageFormatException):
                properties[name] = KINDS[kind](text)
    return Record(body, key, properties or None, headers or None)


def _put_header(headers: dict[str, Any], properties: dict[str, Any], name: str, text: str | bytes) -> None:
    standard = _HEADER_NAMES.get(name)
    if standard is None or not isinstance(text, str):
        properties[name] = text
    elif standard not in _NUMBERS:
        headers[standard] = text
    else:
        try:
            headers[standard] = int(text)
        except ValueError:
            properties[name] = text


def _read_types(text: str | bytes) -> dict[str, str]:
    if not isinstance(text, str):
        return {}
    kinds: dict[str, str] = {}
    for part in text.split(","):
        name, _, kind = part.partition("=")
        with suppress(OMSMessageFormatException):
            kinds[from_percent(TYPES, name)] = kind
    return kinds


def _as_text(value: str | bytes) -> str | bytes:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _identified(record: Record, now_ms: int) -> Record:
    """The record, born now if another program wrote it and did not say when."""
    if record.headers is None or "bornTimestamp" not in record.headers:
        record.headers = {**(record.headers or {}), "bornTimestamp": now_ms}
    return record
