"""A message as fields of HTTP and a body, both ways: the static binding's header mapping.

    x-oms-version: 1.0.0                    the standard's version, required
    x-oms-h-destination: sales://orders     a header field; known names are matched without regard to case
    x-oms-p-service: helloService           a property; capitals and other bytes of its name as %xx
    x-oms-p-price: 2.5
    x-oms-t-price: double                   the type of a property that is no String

The body is the message's, as it is. The rules stand in `spec/http-binding.md`.

Source: openmessaging-http, first draft; types, encoding and the mark `x-oms-t-` are this project's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from openmessaging.model.errors import OMSMessageFormatException, bad_format
from openmessaging.model.headers import FIELDS, read_field, shown
from openmessaging.model.json_form import DocumentOrigin, check_version
from openmessaging.model.key_value import KeyValue
from openmessaging.model.message import VERSION, Message, Record
from openmessaging.model.percent import decode, encode_name, encode_value
from openmessaging.model.value_text import KINDS, read_long, to_text

Fields = Iterable[tuple[str, str]]
"""Fields of a request or an answer: names and values, a byte a character (Latin-1)."""

VERSION_FIELD = "x-oms-version"
HEADER = "x-oms-h-"
PROPERTY = "x-oms-p-"
TYPE = "x-oms-t-"
_NAMES: dict[str, str] = {name.lower(): name for name in (*FIELDS, "durability")}


def to_headers(message: Message) -> list[tuple[str, str]]:
    """The fields of a message, in lower case; its body goes beside them as it is."""
    fields = [(VERSION_FIELD, VERSION)]
    for name in FIELDS:
        value = message.get_header(name)
        if value is not None:
            fields.append((HEADER + name.lower(), encode_value(str(value))))
    for name, value in message.properties.items():
        encoded = encode_name(name)
        kind, text = to_text(value)
        fields.append((PROPERTY + encoded, encode_value(text)))
        if kind:
            fields.append((TYPE + encoded, kind))
    return fields


def from_headers(fields: Fields, body: bytes, ignored: Collection[str] = ()) -> Message:
    """The message of fields and a body. What is no field of a message is passed over, and so are the header fields
    (standard names) that are `ignored`.

    Raises OMSMessageFormatException 1400 (1412 for a text that is too long), naming the field (`x-oms-h-priority`);
    OMSUnsupportException 1101 for another version of the standard.
    """
    version: str | None = None
    headers: dict[str, Any] = {}
    texts: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name, value in fields:
        name = name.lower()
        if name == VERSION_FIELD:
            version = decode(VERSION_FIELD, value.strip())
        elif is_message_field(name):
            text = decode(name, value.strip())
            if name.startswith(HEADER):
                _put_header(headers, name, text, ignored)
            else:
                into = texts if name.startswith(PROPERTY) else kinds
                _put_once(into, decode(name, name[len(PROPERTY) :]), text, name)
    check_version(version, VERSION_FIELD)
    destination = headers.pop("destination", None)
    if destination is None:
        raise bad_format(f"{HEADER}destination", "it is required", next_step="Name the queue the message is sent to")
    record = Record(body, headers.pop("messageKey", None), _read_properties(texts, kinds))
    provided = {name: headers.pop(name) for name in list(headers) if FIELDS[name].provider}
    record.headers = headers or None
    return Message(record, destination, DocumentOrigin(provided) if provided else None)


def is_message_field(name: str) -> bool:
    """Whether a field (its name in lower case) is of a message."""
    return name.startswith((HEADER, PROPERTY, TYPE))


def _put_header(headers: dict[str, Any], field: str, text: str, ignored: Collection[str]) -> None:
    given = _NAMES.get(field[len(HEADER) :])
    if given is None:
        step = "Fields of your own are properties: x-oms-p-"
        raise bad_format(field, "the standard has no header field of this name", next_step=step)
    if given in ignored:
        return
    value: Any = text
    if given == "durability" or FIELDS[given].kind != "String":
        try:
            value = read_long(text)
        except ValueError as cause:
            raise bad_format(field, f"a decimal integer wanted, not {shown(text)}") from cause
    try:
        name, value = read_field(given, value)
    except OMSMessageFormatException as cause:
        reason = cause.reason.removeprefix(f"{given}: ")
        raise OMSMessageFormatException(
            cause.code, f"{field}: {reason}", next_step=cause.next_step, field=field
        ) from cause
    if value is not None:
        _put_once(headers, name, value, field)


def _put_once(into: dict[str, Any], name: str, value: Any, field: str) -> None:
    if name in into:
        raise bad_format(field, "it is given twice")
    into[name] = value


def _read_properties(texts: dict[str, str], kinds: dict[str, str]) -> KeyValue | None:
    for name in kinds.keys() - texts.keys():
        raise bad_format(_field(TYPE, name), "there is no property of this name")
    properties = KeyValue()
    for name, text in texts.items():
        field, kind = _field(PROPERTY, name), kinds.get(name, "string")
        read = KINDS.get(kind.lower())
        if read is None:
            raise bad_format(_field(TYPE, name), f"{shown(kind)} is none of {', '.join(KINDS)}")
        try:
            properties[name] = read(text)
        except ValueError as cause:
            raise bad_format(field, f"{shown(text)} is no {kind}") from cause
        except OMSMessageFormatException as cause:
            raise bad_format(field, cause.reason) from cause
    return properties or None


def _field(part: str, name: str) -> str:
    return part + encode_name(name)
