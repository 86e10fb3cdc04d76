"""A message as RabbitMQ holds it, both ways: `spec/mappings/rabbitmq.md` says it byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pamqp.commands import Basic

from openmessaging.drivers.mapping import PREFIX, from_fields, to_typed_fields
from openmessaging.model.errors import error
from openmessaging.model.message import Record
from openmessaging.model.timing import NEVER, expires_ms

ATTEMPTS = f"{PREFIX}attempts"
"""Header: deliveries before this copy of the message was made."""
KEY = f"{PREFIX}messageKey"
MAX_NAME_BYTES = 128
"""Of the name of a header, as AMQP 0-9-1 says."""
MAX_HEADER_BYTES = 126_000
"""All headers of a message must fit one frame, whose largest size both sides set to 128 KiB."""
MAX_EXPIRATION_MS = (1 << 32) - 1
"""Longest life that RabbitMQ can be told; what lives longer is looked at when it is delivered."""
_NATIVE = (str, bool, int)
_SHORT_BYTES = 255
_BROKERS_OWN = frozenset(("x-death", "x-delivery-count", "x-stream-offset"))
_BROKERS_PREFIXES = ("x-first-death-", "x-last-death-", "x-opt-")
_KEPT = ("content_type", "content_encoding", "correlation_id", "reply_to", "message_id", "timestamp", "message_type")
Properties = Basic.Properties


def to_native(record: Record, now_ms: int) -> Properties:
    """The properties of a message that has everything in its own headers.

    Raises OMSRuntimeException 1411 for a property whose name is longer than `MAX_NAME_BYTES`, and for more than
    `MAX_HEADER_BYTES` of them.
    """
    headers = record.headers or {}
    fields: dict[str, Any] = dict(to_typed_fields(record, _NATIVE))
    if record.message_key is not None:
        fields[KEY] = record.message_key
    properties = Properties(delivery_mode=2, headers=fields)
    message_id = fields.pop(f"{PREFIX}messageId", None)
    if message_id is not None:
        properties.message_id = message_id
    correlation = headers.get("correlationId")
    if correlation is not None and len(correlation.encode()) <= _SHORT_BYTES:
        properties.correlation_id = fields.pop(f"{PREFIX}correlationId")
    born_ms = headers.get("bornTimestamp")
    if born_ms is not None:
        properties.timestamp = datetime.fromtimestamp(born_ms // 1000, UTC)
        expiry = expires_ms(born_ms, headers)
        if expiry != NEVER and expiry - now_ms <= MAX_EXPIRATION_MS:
            properties.expiration = str(max(expiry - now_ms, 0))
    _check_size(fields)
    return properties


def _check_size(fields: dict[str, Any]) -> None:
    size = 0
    for name, value in fields.items():
        length = len(name) if name.isascii() else len(name.encode())
        if length > MAX_NAME_BYTES:
            reason = f"RabbitMQ takes names of properties of at most {MAX_NAME_BYTES} bytes, {name[:40]}… has {length}"
            raise error(1411, reason, next_step="Use a shorter name", field=name)
        size += length + 16
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
    if size > MAX_HEADER_BYTES:
        reason = f"properties and headers have {size:,} bytes, RabbitMQ takes {MAX_HEADER_BYTES:,}"
        raise error(1411, reason, next_step="Put them into the body", field="properties")


def from_native(body: bytes, properties: Properties) -> Record:
    """The message that a body and properties are."""
    fields = [
        (name, value)
        for name, value in (properties.headers or {}).items()
        if name not in _BROKERS_OWN and name != ATTEMPTS and not name.startswith(_BROKERS_PREFIXES)
    ]
    record = from_fields(body, None, fields, typed=True)
    headers = record.headers or {}
    record.message_key = headers.pop("messageKey", None)
    if properties.message_id:
        headers["messageId"] = properties.message_id
    if properties.correlation_id:
        headers["correlationId"] = properties.correlation_id
    if properties.timestamp is not None and "bornTimestamp" not in headers:
        headers["bornTimestamp"] = int(properties.timestamp.timestamp() * 1000)
    record.headers = headers or None
    return record


def attempt_of(properties: Properties, redelivered: bool) -> int:
    """Which delivery to the group this is: RabbitMQ's count, on top of what the copies before it had."""
    headers: dict[str, Any] = properties.headers or {}
    counted = headers.get("x-delivery-count")
    if not isinstance(counted, int):
        counted = int(redelivered)  # a classic queue only says that there was one
    before = headers.get(ATTEMPTS)
    return counted + 1 + (before if isinstance(before, int) and before > 0 else 0)


def copy_of(properties: Properties, attempts: int) -> Properties:
    """The properties of a copy that goes to the end of its group's queue, delivered so many times before. A delayed
    copy must not expire in the queue where it waits: who takes it looks at its `expireTime`."""
    headers: dict[str, Any] = {
        name: bytearray(value) if isinstance(value, bytes) else value
        for name, value in (properties.headers or {}).items()
        if name not in _BROKERS_OWN and not name.startswith(_BROKERS_PREFIXES)
    }
    headers[ATTEMPTS] = attempts
    kept = {name: value for name in _KEPT if (value := getattr(properties, name)) is not None}
    return Properties(delivery_mode=2, headers=headers, **kept)
