"""The header fields of a message: one table, one check, and the two views over a message.

The table is the standard's: name, part, type, range, and whether the provider alone sets it. Everything that reads or
writes headers (views, JSON form, HTTP binding, drivers) asks this table; nothing else lists the fields.

Source: specification 1.0.0, "message header" and "message extension header"; `offset` is the Java interface's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from openmessaging.model.errors import OMSMessageFormatException, bad_format

if TYPE_CHECKING:
    from openmessaging.model.message import Message

T = TypeVar("T")

INT_MAX = (1 << 31) - 1
LONG_MIN = -(1 << 63)
LONG_MAX = (1 << 63) - 1
MAX_STRING_BYTES = 1024
"""Longest header string, in bytes of UTF-8."""
DEFAULT_QOS = 0
DEFAULT_PRIORITY = 5


class Field(msgspec.Struct, frozen=True, gc=False):
    """One header field of the standard."""

    name: str
    """The standard's name, camelCase."""
    attribute: str
    """The name in Python, snake_case."""
    part: str
    """`header` or `extensionHeader`."""
    kind: str
    """The standard's type: String, Integer (32 bit) or Long (64 bit)."""
    low: int = 0
    """Smallest number accepted; no meaning for a String."""
    high: int = LONG_MAX
    """Largest number accepted; no meaning for a String."""
    provider: bool = False
    """Set by library or server alone: a sender's value is ignored."""
    required: bool = False
    """Every delivered message has it."""
    default: int | None = None
    """What an unset field reads as."""


_TABLE = (
    Field("messageId", "message_id", "header", "String", provider=True, required=True),
    Field("destination", "destination", "header", "String", required=True),
    Field("bornTimestamp", "born_timestamp", "header", "Long", provider=True, required=True),
    Field("bornHost", "born_host", "header", "String", provider=True, required=True),
    Field("qos", "qos", "header", "Integer", high=2, default=DEFAULT_QOS),
    Field("compression", "compression", "header", "String"),
    Field("storeTimestamp", "store_timestamp", "extensionHeader", "Long", provider=True),
    Field("storeHost", "store_host", "extensionHeader", "String", provider=True),
    Field("messageKey", "message_key", "extensionHeader", "String"),
    Field("correlationId", "correlation_id", "extensionHeader", "String"),
    Field("delayTime", "delay_time", "extensionHeader", "Long"),
    Field("expireTime", "expire_time", "extensionHeader", "Long", low=LONG_MIN),
    Field("transactionId", "transaction_id", "extensionHeader", "String"),
    Field("traceId", "trace_id", "extensionHeader", "String"),
    Field("deliveryCount", "delivery_count", "extensionHeader", "Integer", high=INT_MAX, provider=True),
    Field("priority", "priority", "extensionHeader", "Integer", low=1, high=10, default=DEFAULT_PRIORITY),
    Field("partition", "partition", "extensionHeader", "Integer", high=INT_MAX),
    Field("offset", "offset", "extensionHeader", "Long", provider=True),
)

FIELDS: dict[str, Field] = {field.name: field for field in _TABLE}
"""Every header field by its standard name, in the standard's order."""

NAMES: dict[str, str] = {field.attribute: field.name for field in _TABLE}
"""The standard name of each snake_case name."""

_STRINGS = frozenset(field.name for field in _TABLE if field.kind == "String")
_SHORT = MAX_STRING_BYTES // 4
"""Characters that fit `MAX_STRING_BYTES` whatever they are."""

PROVIDER_FIELDS = frozenset(field.name for field in _TABLE if field.provider)
"""Standard names of the fields whose value on a message to be sent is ignored."""


def check_header(name: str, value: Any) -> Any:
    """The value a header field (standard name) takes; None means unset.

    A priority outside 1 to 10 reads as unset, as the standard says.

    Raises OMSMessageFormatException naming the field: 1400 for an unknown name, a wrong type, an empty or unprintable
    String, a number outside its range or a destination left out; 1412 for a String over `MAX_STRING_BYTES`.
    """
    if type(value) is str and name in _STRINGS and 0 < len(value) <= _SHORT and value.isprintable():
        return value  # most values: every message that is created comes through here
    field = FIELDS.get(name)
    if type(value) is int and field is not None and field.kind != "String" and field.low <= value <= field.high:
        return value
    if field is None:
        raise _unknown(name)
    if value is None:
        if name == "destination":
            raise bad_format(name, "it is required", next_step="Name the queue the message is sent to")
        return None
    if field.kind == "String":
        return _check_string(name, value)
    if type(value) is not int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_format(name, f"{field.kind} wanted, not {type(value).__name__} {shown(value)}")
        value = int(value)
    if field.low <= value <= field.high:
        return value
    if name == "priority":
        return None
    raise bad_format(name, f"{value} is outside {field.low} to {field.high}")


def read_field(name: str, value: Any) -> tuple[str, Any]:
    """Name and value of a field in an input form (JSON, HTTP): `durability` is read as `qos` (0 as 0, 1 as 1).

    Raises what `check_header` raises.
    """
    if name != "durability":
        return name, check_header(name, value)
    if value is None:
        return "qos", None
    if type(value) is not int or value not in (0, 1):
        raise bad_format(name, f"0 (persistent) or 1 (not persistent) wanted, not {shown(value)}", next_step="Use qos")
    return "qos", value


def shown(value: object) -> str:
    """A value for an error text, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check_string(name: str, value: Any) -> str:
    if type(value) is not str:
        if not isinstance(value, str):
            raise bad_format(name, f"String wanted, not {type(value).__name__} {shown(value)}")
        value = str.__str__(value)
    text: str = value
    if not text:
        raise bad_format(name, "it is empty", next_step="Leave it unset instead")
    if not text.isprintable():
        raise bad_format(name, f"{shown(text)} holds characters that are not printable")
    if len(text) > _SHORT and len(text.encode()) > MAX_STRING_BYTES:
        raise OMSMessageFormatException(
            1412,
            f"{name}: {len(text.encode()):,} bytes, the limit is {MAX_STRING_BYTES:,}",
            next_step="Put it into the body",
            field=name,
        )
    return text


def _unknown(name: str) -> OMSMessageFormatException:
    step = f"The standard's name is {NAMES[name]}" if name in NAMES else "Fields of your own go into the properties"
    return bad_format(name, "the standard has no header field of this name", next_step=step)


class Attribute(Generic[T]):
    """A header field as an attribute of a view: reads the field or its default, sets it through the message."""

    def __init__(self, name: str, default: T) -> None:
        self.name = name
        self.default = default

    @overload
    def __get__(self, view: None, owner: type) -> Attribute[T]: ...
    @overload
    def __get__(self, view: View, owner: type) -> T: ...
    def __get__(self, view: View | None, owner: type) -> T | Attribute[T]:
        if view is None:
            return self
        value: T | None = view.message.get_header(self.name)
        return self.default if value is None else value

    def __set__(self, view: View, value: T | None) -> None:
        view.message.set_header(self.name, value)


class View:
    """A face of a message's headers; setting a field raises what `check_header` raises, None unsets it."""

    __slots__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message


class Header(View):
    """The system fields every message has. Setting a provider's field (message_id, born_timestamp, born_host) is
    ignored, as the standard says.
    """

    __slots__ = ()

    message_id = Attribute[str | None]("messageId", None)
    """Unique, sorts by time; None until sent."""
    destination = Attribute[str]("destination", "")
    """The queue the message is sent to or lies in."""
    born_timestamp = Attribute[int | None]("bornTimestamp", None)
    """When it was sent, ms since the epoch; None until sent."""
    born_host = Attribute[str | None]("bornHost", None)
    """Host of the sender; None until sent."""
    qos = Attribute[int]("qos", DEFAULT_QOS)
    """0 at least once, 1 at most once, 2 exactly once."""
    compression = Attribute[str | None]("compression", None)
    """Algorithm the body was compressed with on its way; the body read here is always decompressed."""


class ExtensionHeader(View):
    """The system fields that a message may have. Setting a provider's field (store_timestamp, store_host,
    delivery_count, offset) is ignored, as the standard says.
    """

    __slots__ = ()

    store_timestamp = Attribute[int | None]("storeTimestamp", None)
    """When the store took it, ms since the epoch; None until sent."""
    store_host = Attribute[str | None]("storeHost", None)
    """Host of the store; None until sent."""
    message_key = Attribute[str | None]("messageKey", None)
    """Message group: messages of one key lie in one partition, in order."""
    correlation_id = Attribute[str | None]("correlationId", None)
    """Links a reply to its request."""
    delay_time = Attribute[int | None]("delayTime", None)
    """Deliver so many ms after it was sent; None: at once."""
    expire_time = Attribute[int | None]("expireTime", None)
    """Dropped if undelivered at this time, ms since the epoch; None, 0 or earlier than its delivery time: never."""
    transaction_id = Attribute[str | None]("transactionId", None)
    """The transaction it belongs to."""
    trace_id = Attribute[str | None]("traceId", None)
    """Ties the events of a message together, worldwide."""
    delivery_count = Attribute[int | None]("deliveryCount", None)
    """Times delivered, this one included; None on the sending side."""
    priority = Attribute[int]("priority", DEFAULT_PRIORITY)
    """1 lowest to 10 highest; best effort."""
    partition = Attribute[int | None]("partition", None)
    """The partition it shall go to or lies in."""
    offset = Attribute[int | None]("offset", None)
    """Its place in the partition; None until received."""
