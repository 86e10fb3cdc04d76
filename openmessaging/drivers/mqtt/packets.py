"""Messages as PUBLISH packets, and back: `spec/mappings/mqtt.md` says it in full."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.drivers.naming import Naming
from openmessaging.model.errors import OMSRuntimeException, bad_format, error
from openmessaging.model.headers import check_header
from openmessaging.model.message import Record
from openmessaging.model.timing import expires_ms

NAMING = Naming(".")
_KEY = f"{PREFIX}messageKey"
_LONGEST = 65_535
"""Bytes of a text."""
_FOREVER_S = (1 << 32) - 1


def topic_of(queue: str) -> str:
    """The topic of a queue (full name): a dot between the parts of its name is a level of the topic."""
    return NAMING.native(queue).replace(".", "/")


def to_properties(record: Record, now_ms: int) -> Properties:
    """What a PUBLISH says beside topic and payload. Raises OMSMessageFormatException 1400, 1411."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    fields = to_fields(record)
    if record.message_key is not None:
        fields.insert(0, (_KEY, record.message_key))
    for name, value in fields:
        if "\0" in name or "\0" in value:
            raise bad_format(name, "a text of MQTT holds no U+0000", next_step="Send it as bytes")
        if max(len(name), len(value)) * 4 > _LONGEST and max(len(name.encode()), len(value.encode())) > _LONGEST:
            raise error(1411, f"{name[:80]}: a text of MQTT has at most {_LONGEST:,} bytes", field=name)
    properties.UserProperty = fields
    headers = record.headers or {}
    if "correlationId" in headers:
        properties.CorrelationData = headers["correlationId"].encode()
    expires = expires_ms(headers.get("bornTimestamp", now_ms), headers)
    if expires:
        properties.MessageExpiryInterval = min(max(-(-(expires - now_ms) // 1000), 1), _FOREVER_S)
    return properties


def from_publish(message: MQTTMessage, now_ms: int) -> Record:
    """The message of a PUBLISH."""
    properties: Any = message.properties
    key = None
    fields: list[tuple[str, str]] = []
    for name, value in getattr(properties, "UserProperty", ()):
        if name != _KEY:
            fields.append((name, value))
        elif (key := _as_key(value)) is None:
            fields.append((f"{PREFIX}p-{name}", value))
    record = from_fields(bytes(message.payload), key, fields)
    headers = record.headers = record.headers or {}
    correlation = getattr(properties, "CorrelationData", None)
    if correlation is not None and "correlationId" not in headers:
        with suppress(UnicodeDecodeError, OMSRuntimeException):  # other bytes have no place in a message
            headers["correlationId"] = check_header("correlationId", correlation.decode())
    left = getattr(properties, "MessageExpiryInterval", None)
    if left is not None and "expireTime" not in headers:
        headers["expireTime"] = now_ms + left * 1000
    return record


def is_expired(record: Record, now_ms: int) -> bool:
    """Whether a message is too old to be handed out."""
    headers = record.headers or {}
    expires = expires_ms(headers.get("bornTimestamp", 0), headers)
    return bool(expires) and expires <= now_ms


def _as_key(text: str) -> str | None:
    try:
        key: str | None = check_header("messageKey", text)
    except OMSRuntimeException:
        return None
    return key
