"""Messages as PUBLISH packets, and back: `spec/mappings/mqtt.md` says it in full."""

from __future__ import annotations

import re
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
from openmessaging.model.value_text import read_binary, write_binary

NAMING = Naming(".")
_KEY = f"{PREFIX}messageKey"
_ENCODED = f"{PREFIX}base64-"
_OUTSIDE = "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
_REFUSED = re.compile(f"[\0-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff{_OUTSIDE}]")
"""What a broker may take for a malformed packet, and hang up; sent again, it would end the next connection, too."""
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
        if _REFUSED.search(name):
            step = "Take letters, digits and marks"
            raise bad_format(name, "a name in MQTT holds no control characters", next_step=step)
        if max(len(name), len(value)) * 4 > _LONGEST and max(len(name.encode()), len(value.encode())) > _LONGEST:
            raise error(1411, f"{name[:80]}: a text of MQTT has at most {_LONGEST:,} bytes", field=name)
    properties.UserProperty = [
        (_ENCODED + name, write_binary(value.encode())) if _REFUSED.search(value) else (name, value)
        for name, value in fields
    ]
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
        if name.startswith(_ENCODED):
            fields.append(_decoded(name, value))
        elif name != _KEY:
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


def _decoded(name: str, value: str) -> tuple[str, str]:
    """A field whose text stands in base64; as it is, where another program wrote something else."""
    try:
        return name.removeprefix(_ENCODED), read_binary(value).decode()
    except ValueError:
        return name, value


def _as_key(text: str) -> str | None:
    try:
        key: str | None = check_header("messageKey", text)
    except OMSRuntimeException:
        return None
    return key
