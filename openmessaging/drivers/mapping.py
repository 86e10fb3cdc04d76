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

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any

import google_crc32c

from openmessaging.model.batch import PRODUCER_BITS, decode, encode_own, make_id, with_own
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

_PROCESS = secrets.randbits(PRODUCER_BITS)
_numbers = count()


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
    facts = {"partition": 0, "base_offset": 0, "store_ms": 0, "first": 0, "last": len(records), **place}
    where = f"{destination} {facts['partition']}"
    batch = encode_own([_identified(record, where, now_ms) for record in records], now_ms)
    return Delivery(destination, data=batch.head + batch.payload, **facts)


def to_fields(record: Record) -> list[tuple[str, str]]:
    """The fields of a message that has everything in its own headers."""
    headers = record.headers or {}
    fields = [(PREFIX + name, str(value)) for name, value in headers.items() if name not in _NOT_WRITTEN]
    return fields + _property_fields(record, ())


def to_typed_fields(record: Record, native: tuple[type, ...]) -> list[tuple[str, Any]]:
    """As `to_fields`, for a system whose fields have types: values of the `native` ones are left as they are."""
    headers = record.headers or {}
    fields: list[tuple[str, Any]] = [
        (PREFIX + name, value) for name, value in headers.items() if name not in _NOT_WRITTEN
    ]
    return fields + _property_fields(record, native)


def _property_fields(record: Record, native: tuple[type, ...]) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    if record.properties:
        types: list[str] = []
        for name, value in record.properties.items():
            kind, text = ("", value) if type(value) in native else to_text(value)
            fields.append((_PROPERTY + name if name.startswith(PREFIX) else name, text))
            if kind:
                types.append(_typed(name, kind))
        if types:
            fields.append((TYPES, ",".join(types)))
    return fields


def from_fields(body: bytes, key: str | None, fields: Iterable[tuple[str, Any]], typed: bool = False) -> Record:
    """The message of a body, a key and fields; with `typed`, values that are no text are properties of their own type.
    Never raises: a field that is no right one of ours, as another program may write it, is a property by its whole
    name."""
    read_field = _as_typed if typed else _as_text
    headers: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    types: str | bytes = ""
    for name, value in fields:
        text = value if type(value) is str else read_field(value)
        if not name.startswith(PREFIX):
            properties[name] = text
        elif name == TYPES:
            types = text
        elif name.startswith(_PROPERTY):
            properties[name[len(_PROPERTY) :]] = text
        else:
            _put_header(headers, properties, name, text)
    if types and isinstance(types, str):
        for name, read in _read_types(types):
            given = properties.get(name)
            if isinstance(given, str):
                with suppress(ValueError):
                    properties[name] = read(given)
    return Record(body, key, properties or None, headers or None)


def _put_header(headers: dict[str, Any], properties: dict[str, Any], name: str, text: Any) -> None:
    standard = _HEADER_NAMES.get(name)
    if type(text) is int and standard in _NUMBERS:
        headers[standard] = text
    elif standard is None or not isinstance(text, str):
        properties[name] = text
    elif standard not in _NUMBERS:
        headers[standard] = text
    else:
        try:
            headers[standard] = int(text)
        except ValueError:
            properties[name] = text


@lru_cache(1_000)
def _typed(name: str, kind: str) -> str:
    return f"{encode_value(name).replace(',', '%2C').replace('=', '%3D')}={kind}"


@lru_cache(1_000)
def _read_types(text: str) -> list[tuple[str, Callable[[str], Any]]]:
    """Names with how their texts are read; the messages of a queue mostly have the same."""
    kinds: dict[str, Callable[[str], Any]] = {}
    for part in text.split(","):
        name, _, kind = part.partition("=")
        if kind in KINDS:
            with suppress(OMSMessageFormatException):
                kinds[from_percent(TYPES, name)] = KINDS[kind]
    return list(kinds.items())


def _as_typed(value: Any) -> Any:
    """As it is, where it is of a type that properties have."""
    if isinstance(value, str | bytes | bool | int | float):
        return value
    return bytes(value) if isinstance(value, bytearray | memoryview) else str(value)


def _as_text(value: str | bytes) -> str | bytes:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _identified(record: Record, where: str, now_ms: int) -> Record:
    """The record; if another program wrote it, born when it was stored, or now, with an id that says where it lies, if
    the system says so, or else is new."""
    headers = record.headers or {}
    if "bornTimestamp" not in headers or "messageId" not in headers:
        born_ms = headers.get("bornTimestamp") or headers.get("storeTimestamp") or now_ms
        offset = headers.get("offset")
        if offset is None:
            new_id = make_id(born_ms, _PROCESS, next(_numbers))
        else:
            new_id = make_id(born_ms, google_crc32c.value(where.encode()), offset)
        record.headers = {"messageId": new_id, "bornTimestamp": born_ms, **headers}
    return record
