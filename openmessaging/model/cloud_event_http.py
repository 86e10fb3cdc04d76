"""CloudEvents over HTTP: the binary, structured and batched modes, both ways.

Source: CloudEvents 1.0.2, HTTP protocol binding and JSON event format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec

from openmessaging.model.cloud_event import Attribute, CloudEvent, check_attributes
from openmessaging.model.errors import OMSMessageFormatException, bad_format
from openmessaging.model.headers import shown
from openmessaging.model.http_headers import Fields
from openmessaging.model.percent import decode, encode_value
from openmessaging.model.value_text import read_binary, write_binary

STRUCTURED_TYPE = "application/cloudevents+json"
BATCHED_TYPE = "application/cloudevents-batch+json"
PREFIX = "ce-"
"""Before the names of attributes in the binary mode."""

_JSON = re.compile(r"[^/;\s]+/(?:json|[^/;\s]+\+json)\s*(?:;.*)?", re.IGNORECASE)
_TEXT = re.compile(r"text/[^/;\s]+\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FORMAT_BEGINS = "application/cloudevents"


class Mode(Enum):
    """How events stand in a request or an answer."""

    BINARY = "binary"
    """One: attributes in fields, data in the body."""
    STRUCTURED = "structured"
    """One: all of it as JSON in the body."""
    BATCHED = "batched"
    """Any number: a JSON array in the body."""


def mode_of(content_type: str, has_specversion: bool) -> Mode | None:
    """The mode of a request by its Content-Type and whether it has the field `ce-specversion`; None: no events.

    Raises OMSMessageFormatException 1400 (`content-type`) for a format that is not JSON.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == STRUCTURED_TYPE:
        return Mode.STRUCTURED
    if kind == BATCHED_TYPE:
        return Mode.BATCHED
    if kind.startswith(_FORMAT_BEGINS):
        step = f"Send {STRUCTURED_TYPE}, {BATCHED_TYPE} or the binary mode"
        raise bad_format("content-type", f"{kind:.80} is not spoken here", next_step=step)
    return Mode.BINARY if has_specversion else None


def read_binary_mode(fields: Fields, body: bytes) -> CloudEvent:
    """The event of a request in the binary mode. Raises OMSMessageFormatException 1400 naming the field."""
    attributes: dict[str, Attribute] = {}
    for name, value in fields:
        lowered = name.lower()
        if lowered == "content-type":
            attribute, text = "datacontenttype", value.strip()
        elif lowered.startswith(PREFIX):
            attribute = lowered[len(PREFIX) :]
            if attribute == "datacontenttype":
                raise bad_format("ce-datacontenttype", "it stands in Content-Type")
            text = _unescaped(attribute, value)
        else:
            continue
        if attribute in attributes:
            raise bad_format(attribute, "it is given twice")
        attributes[attribute] = text
    return CloudEvent(check_attributes(attributes), body)


def write_binary_mode(event: CloudEvent) -> list[tuple[str, str]]:
    """The fields of an event in the binary mode; its data goes beside them as it is. Raises as `check_attributes`."""
    fields: list[tuple[str, str]] = []
    for name, value in check_attributes(event.attributes).items():
        if name == "datacontenttype":
            fields.append(("content-type", str(value)))
        else:
            fields.append((PREFIX + name, encode_value(_text(value))))
    return fields


def read_structured_mode(body: bytes) -> CloudEvent:
    """The event of a JSON document. Raises OMSMessageFormatException 1400 naming what is wrong."""
    try:
        return _event(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as cause:
        raise bad_format("body", f"it is no event as JSON: {cause}") from cause


def write_structured_mode(event: CloudEvent) -> bytes:
    """An event as a JSON document. Raises as `check_attributes`."""
    return msgspec.json.encode(_document(event))


def read_batched_mode(body: bytes) -> list[CloudEvent]:
    """The events of a JSON array. Raises OMSMessageFormatException 1400 naming which, and what is wrong with it."""
    events: list[CloudEvent] = []
    try:
        for document in msgspec.json.decode(body, type=list[dict[str, msgspec.Raw]]):
            events.append(_event(document))  # noqa: PERF401 - their number is told when one is wrong
    except OMSMessageFormatException as cause:
        field = f"[{len(events)}].{cause.field}"
        raise bad_format(field, cause.reason, next_step=cause.next_step) from cause
    except (msgspec.DecodeError, UnicodeError, RecursionError) as cause:
        raise bad_format("body", f"it is no array of events as JSON: {cause}") from cause
    return events


def write_batched_mode(events: Sequence[CloudEvent]) -> bytes:
    """Events as a JSON array. Raises as `check_attributes`."""
    return msgspec.json.encode([_document(event) for event in events])


def accepted_mode(accept: Iterable[str], has_specversion: bool) -> Mode | None:
    """The mode in which messages are wanted, by the media types of Accept (in the order of preference) and whether the
    request has the field `ce-specversion`; None: not as events."""
    for kind in accept:
        if kind == STRUCTURED_TYPE:
            return Mode.STRUCTURED
        if kind == BATCHED_TYPE:
            return Mode.BATCHED
    return Mode.BINARY if has_specversion else None


def _unescaped(attribute: str, value: str) -> str:
    value = value.strip()
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(r"\1", quoted[1])
    return decode(attribute, value)


def _text(value: Attribute) -> str:
    """The canonical text of a value (CloudEvents, "type system")."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else write_binary(value)


def _document(event: CloudEvent) -> dict[str, Any]:
    document: dict[str, Any] = {
        name: write_binary(value) if isinstance(value, bytes) else value
        for name, value in check_attributes(event.attributes).items()
    }
    data = event.data
    kind = str(document.get("datacontenttype", ""))
    if not data:
        return document
    if _JSON.fullmatch(kind) and _is_whole_json(data):
        document["data"] = msgspec.Raw(data)
    elif _TEXT.fullmatch(kind) and (text := _as_text(data)) is not None:
        document["data"] = text
    else:
        document["data_base64"] = write_binary(data)
    return document


def _is_whole_json(data: bytes) -> bool:
    """Whether bytes are a JSON value that can stand in a document and be cut out again as it is."""
    if data == b"null" or data.strip(b" \t\r\n") != data:
        return False
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _as_text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _event(document: dict[str, msgspec.Raw]) -> CloudEvent:
    parts = {name: (raw, msgspec.json.decode(raw)) for name, raw in document.items()}
    present = {name: part for name, part in parts.items() if part[1] is not None}
    data, encoded = present.pop("data", None), present.pop("data_base64", None)
    attributes: dict[str, Any] = {name: value for name, (_, value) in present.items()}
    body = b""
    if encoded is not None:
        if data is not None:
            raise bad_format("data_base64", "it stands beside data")
        body = _decoded(encoded[1])
    elif data is not None:
        kind = str(attributes.setdefault("datacontenttype", "application/json"))
        if _JSON.fullmatch(kind):
            body = bytes(data[0])
        elif isinstance(data[1], str):
            body = data[1].encode()
        else:
            reason = f"with the type {kind:.80} it is a text, not {shown(data[1])}"
            raise bad_format("data", reason, next_step="Use data_base64")
    return CloudEvent(check_attributes(attributes), body)


def _decoded(text: Any) -> bytes:
    try:
        if isinstance(text, str):
            return read_binary(text)
    except ValueError as cause:
        raise bad_format("data_base64", f"it is no base64: {cause}") from cause
    raise bad_format("data_base64", f"base64 text is wanted, not {shown(text)}")
