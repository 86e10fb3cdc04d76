"""One message as an encoded batch, with all that is known about it: to ask a driver about it."""

from __future__ import annotations

from openmessaging.model.batch import KEYED, OWN_IDS, encode, encode_shared
from openmessaging.model.headers import FIELDS
from openmessaging.model.message import Message, Record
from openmessaging.runtime import wall

_ELSEWHERE = frozenset(("destination", "messageKey", "partition", "offset", "deliveryCount"))
_SHARED = encode_shared({})


def encode_single(message: Message) -> bytes:
    """A message, sent or not; one that was not sent has an empty id."""
    headers = {name: message.get_header(name) for name in FIELDS if name not in _ELSEWHERE}
    known = {name: value for name, value in headers.items() if value is not None}
    now_ms = wall.time_ns() // 1_000_000
    own = {"messageId": "", "bornTimestamp": now_ms, **known}
    record = Record(message.data, message.message_key, dict(message.properties) or None, own)
    attributes = OWN_IDS | (KEYED if message.message_key is not None else 0)
    batch = encode([record], shared=_SHARED, born_ms=now_ms, producer_id=0, first_sequence=0, attributes=attributes)
    return batch.head + batch.payload
