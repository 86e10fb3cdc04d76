"""A message as one line of JSON, as `receive --json` writes and `send --jsonl` reads it.

    {"queue", "message_id", "key", "partition", "offset", "delivery_count", "store_timestamp", "properties", "headers",
     "body" | "body_base64"}

Properties and headers are written as in the standard's JSON form (`openmessaging.model.json_form`); headers are those
that a sender may set. A line to send needs a body; what only the store can say is ignored there. A body that is not a
string is sent as JSON. The standard's own document, `{"message": …}`, may be sent, too.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, bad_format, error
from openmessaging.model.headers import FIELDS
from openmessaging.model.json_form import from_json, to_json
from openmessaging.model.message import VERSION, Message

_STORE_SAYS = frozenset(("queue", "message_id", "partition", "offset", "delivery_count", "store_timestamp"))
_SENT = frozenset(("key", "properties", "headers", "body", "body_base64"))
_FIELDS_APART = frozenset(("destination", "messageKey", "partition"))
_HEADERS = [name for name, field in FIELDS.items() if not field.provider and name not in _FIELDS_APART]


def to_line(message: Message) -> dict[str, Any]:
    """The document of a message that was received or read."""
    document = to_json(message)["message"]
    headers = {**document["header"], **document.get("extensionHeader", {})}
    return {
        "queue": message.destination,
        "message_id": message.message_id,
        "key": message.message_key,
        "partition": message.partition,
        "offset": message.offset,
        "delivery_count": message.delivery_count,
        "store_timestamp": message.get_header("storeTimestamp"),
        "properties": document["properties"],
        "headers": {name: headers[name] for name in _HEADERS if name in headers},
        **body_of(message.data),
    }


def body_of(body: bytes) -> dict[str, str]:
    """A body as a member of a document: text when it is UTF-8."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": b64encode(body).decode()}


def from_line(line: bytes, number: int, queue: str) -> Message:
    """The message of a line, for a queue. Raises OMSMessageFormatException 1400 or 1402 naming line and field."""
    try:
        try:
            parsed = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as cause:
            raise bad_format("document", f"it is not JSON: {cause}", next_step="Write one object per line") from cause
        if not isinstance(parsed, dict):
            raise bad_format("document", "an object is wanted", next_step='Write {"body": …} on each line')
        message = from_json(parsed if "message" in parsed else _standard(parsed, queue))
    except OMSRuntimeException as failure:
        raise at_line(failure, number) from failure
    message.destination = queue
    return message


def at_line(failure: OMSRuntimeException, number: int) -> OMSRuntimeException:
    """The error with the line it is about."""
    return type(failure)(
        failure.code, f"line {number}: {failure.reason}", next_step=failure.next_step, field=failure.field
    )


def _standard(line: dict[str, Any], queue: str) -> dict[str, Any]:
    for name in line:
        if name not in _SENT and name not in _STORE_SAYS:
            raise bad_format(name, "a line has no such member", next_step=f"Use {', '.join(sorted(_SENT))}")
    headers = _given(line, "headers")
    if not isinstance(headers, dict):
        raise bad_format("headers", "an object is wanted")
    header = {**headers, "destination": queue}
    if line.get("key") is not None:
        header["messageKey"] = line["key"]
    parts = {"version": VERSION, "header": header, "properties": _given(line, "properties")}
    return {"message": {**parts, "data": b64encode(_body(line)).decode()}}


def _given(line: dict[str, Any], name: str) -> Any:
    """A member; absent and null are an empty object."""
    found = line.get(name)
    return {} if found is None else found


def _body(line: dict[str, Any]) -> bytes:
    if "body_base64" in line:
        try:
            return b64decode(line["body_base64"], validate=True)
        except (ValueError, TypeError) as cause:
            raise bad_format("body_base64", f"it is not base64: {cause}") from cause
    if "body" not in line:
        raise error(1402, "there is no body", next_step='Write {"body": …} or {"body_base64": …}', field="body")
    body = line["body"]
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)
