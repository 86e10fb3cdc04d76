"""CloudEvents 1.0: an event, its rules, and what it is as a message.

An event's attributes are properties of the message with `ce_` before their names; its data is the body. Attributes that
say what a header field says are that field: `partitionkey` the message key, `correlationid` the correlation id,
`oms` and a lower-case field name (`omspriority`) any other. A message that was no event becomes one that says so, and
is the same message again when it is read back. Byte for byte: `spec/mappings/cloudevents.md`.

Source: CloudEvents specification 1.0.2, "context attributes" and "type system"; the mapping is this project's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, bad_format
from openmessaging.model.headers import FIELDS, check_header, shown
from openmessaging.model.json_form import DocumentOrigin, from_value, to_value
from openmessaging.model.key_value import KeyValue, PropertyValue
from openmessaging.model.message import Message, Record
from openmessaging.model.value_text import read_long

Attribute = str | bool | int | bytes
"""What an attribute may be; an int has 32 bits."""

SPECVERSION = "1.0"
PREFIX = "ce_"
"""Before the names of attributes that are properties."""
PLAIN_TYPE = "openmessaging.message"
"""The type of an event that was a plain message."""
PROPERTIES = "omsproperties"
"""The attribute that holds the properties of a message that are no attributes."""
RECEIPT = "omsreceipt"
"""The attribute that carries the receipt of a delivery; no part of the message."""
REQUIRED = ("specversion", "id", "source", "type")
_CORE = frozenset((*REQUIRED, "datacontenttype", "dataschema", "subject", "time"))
_FIELD_OF: dict[str, str] = {f"oms{name.lower()}": name for name in FIELDS} | {
    "partitionkey": "messageKey",
    "correlationid": "correlationId",
}
_ATTRIBUTE_OF = {name: attribute for attribute, name in _FIELD_OF.items()}
_ELSEWHERE = frozenset((*_FIELD_OF, PROPERTIES, RECEIPT))
_NAME = re.compile(r"[a-z0-9]+")
_NO_STRING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*(?:;[ -~]*)?")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):([0-5]\d|60)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CloudEvent(msgspec.Struct, frozen=True):
    """An event: attributes by name, and data as bytes. Not checked until it is used."""

    attributes: Mapping[str, Attribute]
    """`specversion`, `id`, `source` and `type` are required; a value is str, bool, int (32 bit) or bytes."""
    data: bytes = b""


def to_cloudevent(message: Message) -> CloudEvent:
    """A message as an event.

    One that has the properties of an event is that event. Any other has the type `openmessaging.message`, its message
    id as its id, and its queue as its source.

    Raises OMSMessageFormatException 1400 for a message without an id: one that is no event and was not sent yet.
    """
    properties: Mapping[str, PropertyValue] = message.record.properties or {}
    headers = {name: value for name in FIELDS if (value := message.get_header(name)) is not None}
    attributes = _event_of(properties)
    if attributes is None or _is_plain(attributes, headers):
        if "messageId" not in headers:
            step = "Send it first, or give it the properties ce_specversion, ce_id, ce_source and ce_type"
            raise bad_format("id", "an event needs an id, and a message has none before it is sent", next_step=step)
        attributes, rest = _plain_event(headers), dict(properties)
    else:
        rest = {name: value for name, value in properties.items() if not name.startswith(PREFIX)}
    for name, value in headers.items():
        attributes[_ATTRIBUTE_OF[name]] = str(value) if FIELDS[name].kind == "Long" else value
    if rest:
        text = json.dumps({name: to_value(value) for name, value in rest.items()}, separators=(",", ":"))
        attributes[PROPERTIES] = text.replace("\x7f", "\\u007f")
    return CloudEvent(attributes, message.data)


def from_cloudevent(event: CloudEvent, destination: str | None = None) -> Message:
    """The message of an event, for a queue; without one, for that of the attribute `omsdestination`.

    Raises OMSMessageFormatException naming the attribute: 1400 for one that CloudEvents does not accept, or that does
    not fit the header field that it stands for.
    """
    attributes = check_attributes(event.attributes)
    headers: dict[str, Any] = {}
    kept: dict[str, Attribute] = {}
    properties = KeyValue()
    for name, value in attributes.items():
        if name in _FIELD_OF:
            headers[_FIELD_OF[name]] = _header(name, value)
        elif name == PROPERTIES:
            properties = _read_properties(value)
        elif name == RECEIPT:
            continue
        else:
            kept[name] = value
    if not _is_plain(kept, headers):
        clash = next((name for name in properties if name.startswith(PREFIX)), None)
        if clash is not None:
            raise bad_format(PROPERTIES, f"{shown(clash)} is the name of an attribute's property")
        properties.update({PREFIX + name: value for name, value in kept.items()})
    if destination is not None:
        headers["destination"] = check_header("destination", destination)
    target = headers.pop("destination", None)
    if target is None:
        raise bad_format("omsdestination", "it is required", next_step="Name the queue the event is sent to")
    record = Record(event.data, headers.pop("messageKey", None), properties or None)
    provided = {name: headers.pop(name) for name in list(headers) if FIELDS[name].provider}
    record.headers = {name: value for name, value in headers.items() if value is not None} or None
    return Message(record, target, DocumentOrigin(provided) if provided else None)


def check_attributes(attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
    """The attributes of an event, all as CloudEvents wants them.

    Raises OMSMessageFormatException 1400 naming the first that is not.
    """
    for name in REQUIRED:
        if name not in attributes:
            raise bad_format(name, "an event needs this attribute", next_step=f"It needs {', '.join(REQUIRED)}")
    if attributes["specversion"] != SPECVERSION:
        version = shown(attributes["specversion"])
        raise bad_format("specversion", f"{version} is not spoken here", next_step=f"Write {SPECVERSION}")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name) or name == "data":
            step = "Use lower-case letters and digits"
            raise bad_format(shown(name)[1:-1] or "attributes", "an attribute has no such name", next_step=step)
        if reason := _why_invalid(name, value):
            raise bad_format(name, reason)
    return attributes


def rfc3339(timestamp_ms: int) -> str | None:
    """A time (ms since the epoch) as RFC 3339 writes it, None beyond the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _why_invalid(name: str, value: Attribute) -> str | None:
    if isinstance(value, str):
        if _NO_STRING.search(value):
            return f"{shown(value)} holds control characters or what is no character"
        return _why_no(name, value) if name in _CORE else None
    if name in _CORE:
        return f"a String is wanted, not {shown(value)}"
    if isinstance(value, bool | bytes):
        return None
    if not isinstance(value, int):
        return f"an attribute is a String, Integer, Boolean or Binary, not {shown(value)}"
    return None if -(1 << 31) <= value < 1 << 31 else f"{value} does not fit an Integer of 32 bits"


def _why_no(name: str, text: str) -> str | None:
    """What is wrong with the text of an attribute that CloudEvents itself describes."""
    if not text:
        return "it is empty"
    if name == "source" and not _URI.fullmatch(text):
        return f"{shown(text)} is no URI reference (RFC 3986)"
    if name == "dataschema" and not (_URI.fullmatch(text) and _ABSOLUTE.fullmatch(text)):
        return f"{shown(text)} is no absolute URI (RFC 3986)"
    if name == "time" and not _is_time(text):
        return f"{shown(text)} is no time (RFC 3339)"
    if name == "datacontenttype" and not _MEDIA_TYPE.fullmatch(text):
        return f"{shown(text)} is no media type (RFC 2046)"
    return None


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    zone = "+00:00" if found[4] in "Zz" else found[4]
    try:
        datetime.fromisoformat(f"{found[1]}T{found[2]}:{min(int(found[3]), 59):02}{zone}")
    except ValueError:
        return False
    return True


def _event_of(properties: Mapping[str, PropertyValue]) -> dict[str, Any] | None:
    """The attributes that properties hold, None when they are not those of an event."""
    if PREFIX + "specversion" not in properties:
        return None
    attributes: dict[str, Any] = {
        name[len(PREFIX) :]: value for name, value in properties.items() if name.startswith(PREFIX)
    }
    try:
        check_attributes(attributes)
    except OMSMessageFormatException:
        return None
    return None if _ELSEWHERE & attributes.keys() else attributes


def _plain_event(headers: Mapping[str, Any]) -> dict[str, Any]:
    """What a message with such headers is as an event that says that it was none."""
    attributes = {
        "specversion": SPECVERSION,
        "id": headers.get("messageId"),
        "source": "oms:" + quote(headers.get("destination", ""), safe="/:"),
        "type": PLAIN_TYPE,
        "time": rfc3339(headers.get("bornTimestamp", 0)),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _is_plain(attributes: Mapping[str, Attribute], headers: Mapping[str, Any]) -> bool:
    return attributes["type"] == PLAIN_TYPE and attributes == _plain_event(headers)


def _header(attribute: str, value: Attribute) -> Any:
    name = _FIELD_OF[attribute]
    try:
        if FIELDS[name].kind != "String" and isinstance(value, str):
            return check_header(name, read_long(value))
        return check_header(name, value)
    except ValueError as cause:
        raise bad_format(attribute, f"{shown(value)} is no integer") from cause
    except OMSRuntimeException as cause:
        raise OMSMessageFormatException(cause.code, f"{attribute}: {cause.reason}", field=attribute) from cause


def _read_properties(value: Attribute) -> KeyValue:
    try:
        found = msgspec.json.decode(value) if isinstance(value, str) else None
        if not isinstance(found, dict):
            raise bad_format(PROPERTIES, "a JSON object is wanted")
        return KeyValue({name: from_value(name, each) for name, each in found.items()})
    except (msgspec.DecodeError, RecursionError) as cause:
        raise bad_format(PROPERTIES, f"it is no JSON: {cause}") from cause
    except OMSMessageFormatException as cause:
        if cause.field == PROPERTIES:
            raise
        raise bad_format(PROPERTIES, cause.reason) from cause
