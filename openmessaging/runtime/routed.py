"""Messages on their way through a route with functions, without I/O: what a function gets, and what becomes of what it
returns. The same for both faces."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from openmessaging.model.batch import ATTRIBUTES_AT, EXPIRES, PRODUCER_BITS, SEQUENCE_BITS, encode_own, make_id
from openmessaging.model.errors import bad_format
from openmessaging.model.headers import DEFAULT_PRIORITY
from openmessaging.model.message import Message, Record, partition_of_key
from openmessaging.model.routing import Route
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.timing import Timing
from openmessaging.routing.hops import with_hop
from openmessaging.routing.steps import Step, Subject
from openmessaging.runtime import wall
from openmessaging.runtime.outgoing import checked_record

_KEPT = ("messageId", "bornTimestamp", "bornHost")


def working_copy(message: Message) -> Message:
    """A message that may be changed, for another attempt may need the first one."""
    record = message.record
    own = None if record.headers is None else dict(record.headers)
    properties = None if record.properties is None else dict(record.properties)
    return Message(
        Record(record.data, record.message_key, properties, own), message.destination, message.origin, message.position
    )


def passes(step: Step, message: Message) -> bool:
    """Whether a message passes a declarative operator, which may change it."""
    record = message.record
    subject = Subject(record.message_key, record.properties, message.get_header)
    if not step(subject, _never):
        return False
    if subject.changed:
        record.message_key, record.properties = subject.key, subject.properties
    return True


def _never(_: bytes, __: float) -> bool:
    return False


def returned(result: Any, source: Message) -> list[Message]:
    """The messages that a function returned: one keeps the id of what it was made from, several have new ones.

    Raises TypeError for anything but a message, bytes (a new body), a list of these, or None.
    """
    if result is None:
        return []
    if not isinstance(result, list | tuple):
        message = _message(result, source)
        if message.origin is None:
            kept = {name: source.get_header(name) for name in _KEPT}
            message.record.headers = {**(message.record.headers or {}), **kept}
        return [message]
    return [_with_new_id(_message(each, source), source) for each in result]


def _with_new_id(message: Message, source: Message) -> Message:
    now_ms = wall.time_ns() // 1_000_000
    new_id = make_id(now_ms, secrets.randbits(PRODUCER_BITS), secrets.randbits(SEQUENCE_BITS))
    own = {"messageId": new_id, "bornTimestamp": now_ms, "bornHost": source.get_header("bornHost")}
    record = message.record
    headers = {**(record.headers or {}), **own}
    return Message(Record(record.data, record.message_key, record.properties, headers), message.destination)


def _message(each: Any, source: Message) -> Message:
    if isinstance(each, Message):
        return each
    if isinstance(each, bytes):
        record = source.record
        return Message(Record(each, record.message_key, record.properties, record.headers), source.destination)
    text = f"the function returned {type(each).__name__}; wanted are a message, bytes, a list of these, or None"
    raise TypeError(text)


class Outgoing:
    """Collects what a route sends to its targets, as batches."""

    def __init__(self, route: Route, counts: Sequence[int], max_body_bytes: int) -> None:
        self._route = route
        self._counts = counts
        self._max_body_bytes = max_body_bytes
        self._found: dict[tuple[str, int | None, int | None], list[Record]] = {}

    def add(self, source: Message, outputs: Sequence[Message]) -> None:
        """Add what was made of a message: all of it or nothing. Raises OMSMessageFormatException for what cannot be
        sent."""
        places = [(each, self._stored(source, each)) for each in outputs]
        for message, record in places:
            given = message.get_header("priority")
            priority = None if given == DEFAULT_PRIORITY else given
            for name, count in zip(self._route.targets, self._counts, strict=True):
                key = record.message_key
                number = None if key is None else partition_of_key(key, count)
                self._found.setdefault((name, number, priority), []).append(record)

    def batches(self) -> list[OutgoingBatch]:
        """All of it, encoded."""
        now_ms = wall.time_ns() // 1_000_000
        found: list[OutgoingBatch] = []
        for (name, number, priority), records in self._found.items():
            batch = encode_own(records, now_ms)
            timing = Timing(expires=True) if batch.head[ATTRIBUTES_AT] & EXPIRES else None
            found.append(OutgoingBatch(name, number, batch, priority, timing))
        return found

    def _stored(self, source: Message, message: Message) -> Record:
        record = checked_record(message, self._max_body_bytes, once=True)
        headers = record.headers or {}
        if headers.get("delayTime") != (source.record.headers or {}).get("delayTime") or "deliverAt" in headers:
            raise bad_format("delayTime", "a route delivers at once", next_step="Send it with a producer instead")
        properties = record.properties
        if self._route.trace:
            properties = with_hop(self._route, source.partition or 0, source.offset or 0, properties)
        own = {**headers, **{name: message.get_header(name) for name in _KEPT}}
        return Record(record.data, record.message_key, properties or None, own)
