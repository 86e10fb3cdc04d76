"""One message as an encoded batch, with all that is known about it: to ask a driver about it."""

from __future__ import annotations

from openmessaging.model.batch import encode_own
from openmessaging.model.headers import FIELDS
from openmessaging.model.message import Message, Record
from openmessaging.runtime import wall

_ELSEWHERE = frozenset(("destination", "messageKey", "partition", "offset", "deliveryCount"))


def encode_single(message: Message) -> bytes:
    """A message, sent or not; one that was not sent has an empty id."""
    headers = {name: message.get_header(name) for name in FIELDS if name not in _ELSEWHERE}
    known = {name: value for name, value in headers.items() if value is not None}
    now_ms = wall.time_ns() // 1_000_000
    own = {"messageId": "", "bornTimestamp": now_ms, **known}
    record = Record(message.data, message.message_key, dict(message.properties) or None, own)
    batch = encode_own([record], now_ms)
    return batch.head + batch.payload
