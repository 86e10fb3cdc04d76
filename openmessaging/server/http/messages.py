"""Messages in the bodies of requests and answers: what JSON and MessagePack make of them, both ways.

One flat object per message, with the standard's names. The body is `text`, `json` or `data` (base64 in JSON, bytes in
MessagePack); numbers that JSON would change are written as in the JSON form of the model (`model/json_form.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openmessaging.model.errors import bad_format, error
from openmessaging.model.json_form import from_value, to_value
from openmessaging.model.key_value import KeyValue
from openmessaging.model.message import Message, Record

MAX_MESSAGES = 10_000
"""Messages in one request; more would hold up other clients."""
BodyForm = Literal["auto", "text", "json", "data"]
"""How bodies are shown: `auto`: as text where it is UTF-8, else as data."""
_HEADERS = ("correlationId", "delayTime", "expireTime", "priority", "partition", "qos", "traceId")


class NewMessage(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A message to be sent. Of `text`, `json` and `data`, at most one is given; none: an empty body."""

    text: Annotated[str, Meta(description="The body as text; stored as UTF-8.")] | UnsetType = UNSET
    json: Annotated[msgspec.Raw, Meta(description="The body as a JSON value; stored as its text.")] | UnsetType = UNSET
    data: Annotated[bytes, Meta(description="The body: base64 in JSON, bytes in MessagePack.")] | UnsetType = UNSET
    message_key: Annotated[str, Meta(description="Messages of one key keep their order.")] | None = None
    properties: (
        Annotated[
            dict[str, Any],
            Meta(
                description='Fields of your own: strings, booleans, numbers, and {"long": "…"}, {"double": "…"}, '
                '{"binary": "base64"} for what JSON has no form of.'
            ),
        ]
        | None
    ) = None
    correlation_id: str | None = None
    delay_time: Annotated[int, Meta(ge=0, description="Deliver so many ms later.")] | None = None
    expire_time: Annotated[int, Meta(description="Dropped if undelivered at this time, ms since the epoch.")] | None = (
        None
    )
    priority: Annotated[int, Meta(description="1 lowest to 10 highest; any other is ignored.")] | None = None
    partition: (
        Annotated[int, Meta(ge=0, description="The partition it shall go to; beside an offset, ignored.")] | None
    ) = None
    qos: Annotated[int, Meta(ge=0, le=2, description="0: at least once.")] | None = None
    trace_id: str | None = None
    # What a received message has beside these is taken and ignored, so that it can be sent again as it is.
    message_id: Annotated[Any, Meta(description="Ignored: the provider's.")] = None
    queue: Annotated[Any, Meta(description="Ignored: the path says it.")] = None
    born_timestamp: Annotated[Any, Meta(description="Ignored.")] = None
    born_host: Annotated[Any, Meta(description="Ignored.")] = None
    store_timestamp: Annotated[Any, Meta(description="Ignored.")] = None
    delivery_count: Annotated[Any, Meta(description="Ignored.")] = None
    offset: Annotated[Any, Meta(description="Ignored.")] = None
    receipt: Annotated[Any, Meta(description="Ignored.")] = None


class MessageView(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """A message as it is stored, and where."""

    message_id: str
    queue: str
    """Full name."""
    partition: int
    offset: int
    born_timestamp: int
    """When it was sent, ms since the epoch."""
    store_timestamp: int
    """When it was stored, ms since the epoch."""
    born_host: str | None = None
    text: str | UnsetType = UNSET
    json: msgspec.Raw | UnsetType = UNSET
    data: bytes | UnsetType = UNSET
    message_key: str | None = None
    properties: dict[str, Any] = {}
    correlation_id: str | None = None
    delay_time: int | None = None
    expire_time: int | None = None
    priority: int | None = None
    qos: int | None = None
    trace_id: str | None = None
    transaction_id: str | None = None
    delivery_count: int | None = None
    receipt: str | None = None


def to_message(new: NewMessage, queue: str) -> Message:
    """The message for a queue. Raises OMSMessageFormatException 1400, 1411, 1412 naming what is wrong."""
    record = Record(body_of(new))
    message = Message(record, queue)
    if _is_plain(new):
        return message
    if new.message_key is not None:
        message.message_key = new.message_key
    if new.properties:
        properties = KeyValue()
        for name, value in new.properties.items():
            properties[name] = from_value(name, value) if isinstance(value, dict) else value
        record.properties = properties
    for name, attribute in _ATTRIBUTES:
        value = getattr(new, attribute)
        if value is not None and not (name == "partition" and new.offset is not None):
            message.set_header(name, value)
    return message


def _is_plain(new: NewMessage) -> bool:
    """Whether it is a body and nothing else, as most are of long lists."""
    return (
        new.message_key is None
        and new.properties is None
        and new.correlation_id is None
        and new.delay_time is None
        and new.expire_time is None
        and new.priority is None
        and new.partition is None
        and new.qos is None
        and new.trace_id is None
    )


def body_of(new: NewMessage) -> bytes:
    """The bytes of a body. Raises OMSMessageFormatException 1400 when it is given twice."""
    if type(new.text) is str and new.json is UNSET and new.data is UNSET:
        return _text(new.text)
    given = [value for value in (new.text, new.json, new.data) if value is not UNSET]
    if len(given) > 1:
        raise bad_format("text", "only one of text, json and data is the body", next_step="Leave the others out")
    if not given:
        return b""
    body: Any = given[0]
    return bytes(body)  # bytes, or Raw, which is a buffer


def _text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as cause:
        raise bad_format("text", f"it is no Unicode text: {cause.reason}") from cause


def to_messages(new: Sequence[NewMessage], queue: str) -> list[Message]:
    """The messages for a queue, in their order. Raises as `to_message`, and 1418 for none or too many."""
    if not 0 < len(new) <= MAX_MESSAGES:
        raise error(1418, f"{len(new):,} messages, the limits are 1 and {MAX_MESSAGES:,}", field="messages")
    return [to_message(each, queue) for each in new]


def to_view(
    message: Message, form: BodyForm = "auto", receipt: str | None = None, *, binary: bool = False
) -> MessageView:
    """How a message is shown; `binary`: in MessagePack, where nothing needs a form of its own."""
    get = message.get_header
    record = message.record
    headers = record.headers or {}
    properties = record.properties or {}
    view = MessageView(
        get("messageId") or "",
        message.destination,
        get("partition") or 0,
        get("offset") or 0,
        get("bornTimestamp") or 0,
        get("storeTimestamp") or 0,
        get("bornHost"),
        message_key=record.message_key,
        properties=to_properties(properties, binary=binary),
        delivery_count=get("deliveryCount"),
        receipt=receipt,
    )
    show_headers(view, headers)
    show_body(view, record.data, form)
    return view


def to_properties(properties: Mapping[str, Any], *, binary: bool) -> dict[str, Any]:
    """How properties are shown."""
    return dict(properties) if binary else {name: to_value(value) for name, value in properties.items()}


def show_headers(view: MessageView, headers: Mapping[str, Any]) -> None:
    """Set the header fields that a message has for itself."""
    if headers:
        for name, attribute in _SHOWN:
            if name in headers:
                setattr(view, attribute, headers[name])


def show_body(view: Any, body: bytes, form: BodyForm) -> None:
    """Set `text`, `json` or `data` of what is shown."""
    if form == "json":
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            form = "auto"
        else:
            view.json = msgspec.Raw(body)
            return
    if form != "data":
        try:
            view.text = body.decode()
        except UnicodeDecodeError:
            view.data = body
    else:
        view.data = body


def _attribute(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_ATTRIBUTES = [(name, _attribute(name)) for name in _HEADERS]
_SHOWN = [(name, _attribute(name)) for name in (*_HEADERS, "transactionId") if name != "partition"]
