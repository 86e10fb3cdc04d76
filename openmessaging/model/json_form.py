"""A message as a JSON document, both ways, with every type and value kept.

    {"message": {"version": "1.0.0", "header": {…}, "extensionHeader": {…}, "properties": {…}, "data": "base64"}}

JSON has one kind of number and no bytes, so what a plain JSON reader could change is written as an object of one
member: {"long": "9007199254740993"} for an integer beyond 2^53 - 1, {"double": "2.0"} for a floating-point number that
is whole or not finite, {"binary": "base64"} for bytes. A plain number with a fraction or exponent is a double, any
other an integer. `data` is absent when there is no body. The schema is `spec/message.schema.json`.

Source: specification 1.0.0, "message"; that text ships two sample documents, the rules above are this project's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

import msgspec

from openmessaging.model.errors import OMSMessageFormatException, bad_format, error
from openmessaging.model.headers import FIELDS, read_field, shown
from openmessaging.model.key_value import KeyValue, PropertyValue
from openmessaging.model.message import VERSION, Message, Record
from openmessaging.model.value_text import read_binary, read_double, read_long, write_binary, write_double

SAFE_INTEGER = (1 << 53) - 1
"""Largest integer that every JSON reader keeps."""

_PARTS = frozenset(("version", "header", "headers", "extensionHeader", "properties", "data"))


class DocumentOrigin(msgspec.Struct, frozen=True):
    """The provider's fields that a document brought along; sending the message anew gives it others."""

    fields: dict[str, Any]

    def header(self, name: str, position: int) -> Any:  # noqa: ARG002 - a document holds one message
        """A provider's field by its standard name, None when the document had none."""
        return self.fields.get(name)


def to_json(message: Message) -> dict[str, Any]:
    """The JSON document of a message, as a dict of plain JSON values."""
    parts: dict[str, Any] = {"version": message.version, "header": {}, "extensionHeader": {}}
    for field in FIELDS.values():
        value = message.get_header(field.name)
        if value is not None:
            parts[field.part][field.name] = to_value(value)
    if not parts["extensionHeader"]:
        del parts["extensionHeader"]
    parts["properties"] = {name: to_value(value) for name, value in message.properties.items()}
    if message.data:
        parts["data"] = write_binary(message.data)
    return {"message": parts}


def from_json(document: dict[str, Any] | str | bytes) -> Message:
    """The message of a JSON document, given as text or as the dict that a JSON reader makes of it.

    Version, header, destination and properties are required; ids and times that only a provider can give are not.
    `headers` is read as `header`, and a header field in either of the two parts; the standard's own samples write an
    absent body as `{}`.

    Raises OMSMessageFormatException 1400 naming the field (`header.destination`, `properties.price`);
    OMSUnsupportException 1101 for another version of the standard.
    """
    parts = _object(_parsed(document), "message", "document")
    for name in parts:
        if name not in _PARTS:
            raise bad_format(name, "a message has no such part", next_step=f"Its parts are {', '.join(sorted(_PARTS))}")
    check_version(parts.get("version"))
    if "header" in parts and "headers" in parts:
        raise bad_format("headers", "it stands beside `header`", next_step="Write `header` alone")
    fields = _read_headers(parts, "headers" if "headers" in parts else "header")
    destination = fields.pop("destination", None)
    if destination is None:
        raise bad_format("header.destination", "it is required", next_step="Name the queue the message is sent to")
    record = Record(_body(parts.get("data", "")), fields.pop("messageKey", None), _read_properties(parts))
    provided = {name: fields.pop(name) for name in list(fields) if FIELDS[name].provider}
    record.headers = fields or None
    return Message(record, destination, DocumentOrigin(provided) if provided else None)


def _parsed(document: dict[str, Any] | str | bytes) -> dict[str, Any]:
    if isinstance(document, dict):
        return document
    try:
        parsed = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as cause:
        raise bad_format("document", f"it is not JSON: {cause}") from cause
    if not isinstance(parsed, dict):
        raise bad_format("document", f"an object is wanted, not {shown(parsed)}")
    return parsed


def _object(outer: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found = outer.get(name)
    if isinstance(found, dict):
        return found
    reason = "it is required" if found is None else f"an object is wanted, not {shown(found)}"
    raise bad_format(name, f"{reason} ({where})")


def check_version(version: Any, field: str = "version") -> None:
    """Raises OMSMessageFormatException 1400 for no version at all, OMSUnsupportException 1101 for another one."""
    if not isinstance(version, str):
        raise bad_format(field, "it is required" if version is None else f"String wanted, not {shown(version)}")
    if version.split(".")[:2] != VERSION.split(".")[:2]:
        raise error(1101, f"{field}: {shown(version)} of the standard", next_step=f"Write {VERSION}", field=field)


def _read_headers(parts: dict[str, Any], header: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    sources = [(header, _object(parts, header, "message"))]
    if parts.get("extensionHeader") is not None:
        sources.append(("extensionHeader", _object(parts, "extensionHeader", "message")))
    for part, source in sources:
        for given, raw in source.items():
            with _inside(part):
                name, value = read_field(given, from_value(given, raw))
            if name in fields:
                raise bad_format(f"{part}.{given}", "it is given twice")
            if value is not None:
                fields[name] = value
    return fields


def _read_properties(parts: dict[str, Any]) -> KeyValue | None:
    properties = KeyValue()
    for name, raw in _object(parts, "properties", "message").items():
        with _inside("properties"):
            properties[name] = from_value(name, raw)
    return properties or None


@contextmanager
def _inside(part: str) -> Iterator[None]:
    """Let format errors name the part as well as the field."""
    try:
        yield
    except OMSMessageFormatException as cause:
        raise OMSMessageFormatException(
            cause.code, f"{part}.{cause.reason}", next_step=cause.next_step, field=f"{part}.{cause.field}"
        ) from cause


def to_value(value: PropertyValue) -> Any:
    """The JSON value of a property or header."""
    if isinstance(value, bytes):
        return {"binary": write_binary(value)}
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else {"long": str(value)}
    if isfinite(value):
        return {"double": write_double(value)} if value.is_integer() else value
    return {"double": write_double(value)}


def from_value(name: str, raw: Any) -> Any:
    """The value that a JSON value stands for. Raises OMSMessageFormatException 1400 for none of the tagged forms."""
    if not isinstance(raw, dict):
        return raw
    (tag, text), *more = raw.items() if raw else [("", None)]
    if more or tag not in _TAGS or not isinstance(text, str):
        raise bad_format(name, f"{shown(raw)} is none of the tagged forms {', '.join(_TAGS)}")
    try:
        return _TAGS[tag](text)
    except ValueError as cause:
        raise bad_format(name, f"{shown(text)} is no {tag}") from cause


_TAGS: dict[str, Callable[[str], PropertyValue]] = {"long": read_long, "double": read_double, "binary": read_binary}


def _body(raw: Any) -> bytes:
    if raw == {}:
        return b""
    if not isinstance(raw, str):
        raise bad_format("data", f"base64 text wanted, not {shown(raw)}", next_step="Leave it out when empty")
    try:
        return read_binary(raw)
    except ValueError as cause:
        raise bad_format("data", f"it is no base64: {cause}") from cause
