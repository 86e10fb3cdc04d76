"""A message as a record of Kafka, both ways: `spec/mappings/kafka.md` has it byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.model.batch import OWN_IDS, decode, with_own
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch

if TYPE_CHECKING:
    from confluent_kafka import Message

OPAQUE_KEY = "kafka-key"
"""Property of type Binary: a key that another program wrote and that is no UTF-8."""
_BORN = "oms"
"""Header that says id, born time and host, where a message has all three."""
_BIRTH = ("messageId", "bornTimestamp", "bornHost")
_EVENT, _EVENT_TYPE, _CONTENT_TYPE = "ce_specversion", "ce_datacontenttype", "content-type"
_SEQUENCE_DIGITS = 10

Headers = list[tuple[str, str | bytes | None]]


class Native(NamedTuple):
    """What Kafka stores of a message."""

    value: bytes | None
    key: str | bytes | None
    timestamp_ms: int
    headers: Headers


def natives(outgoing: OutgoingBatch, compact: bool) -> Iterator[Native]:
    """The messages of a batch. `compact`: an empty body is a tombstone there."""
    header, shared, records = decode(outgoing.batch.head + outgoing.batch.payload, check=False)
    begin = header.message_id(0)[:-_SEQUENCE_DIGITS]
    sequence = header.first_sequence
    born_ms = header.born_ms
    plain = not header.attributes & OWN_IDS and shared.keys() == {"bornHost"}
    end = f" {born_ms} {shared.get('bornHost')}"
    for place, record in enumerate(records):
        value = None if compact and not record.data else record.data
        if plain and not record.headers and not record.properties:
            birth = f"{begin}{sequence + place & 0xFFFFFFFFFF:010x}{end}"
            yield Native(value, record.message_key, born_ms, [(_BORN, birth)])
        else:
            yield _marked(with_own(header, shared, record, place), value)


def _marked(record: Record, value: bytes | None) -> Native:
    """A message with properties or header fields of its own."""
    headers = record.headers or {}
    properties = record.properties or {}
    key: str | bytes | None = record.message_key
    if key is None and _is_opaque(properties.get(OPAQUE_KEY)):
        key = properties[OPAQUE_KEY]
        properties = {name: found for name, found in properties.items() if name != OPAQUE_KEY}
    birth = [headers.get(name) for name in _BIRTH]
    fields: Headers = []
    others = headers
    if None not in birth:
        fields.append((_BORN, "{} {} {}".format(*birth)))
        others = {name: found for name, found in headers.items() if name not in _BIRTH}
    names = {_BORN: f"{PREFIX}p-{_BORN}"}
    if _EVENT in properties:
        names[_CONTENT_TYPE] = f"{PREFIX}p-{_CONTENT_TYPE}"
        if isinstance(properties.get(_EVENT_TYPE), str):
            names[_EVENT_TYPE] = _CONTENT_TYPE
    fields += [(names.get(name, name), text) for name, text in to_fields(Record(b"", None, properties, others))]
    return Native(value, key, headers.get("bornTimestamp", -1), fields)


def _is_opaque(value: Any) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def to_record(message: Message) -> Record:
    """The message of a record, with everything that is known of it in its own headers. Never raises."""
    offset = message.offset() or 0
    timestamp_ms = message.timestamp()[1]
    own: dict[str, Any] = {"offset": offset, "storeTimestamp": timestamp_ms, "bornTimestamp": timestamp_ms}
    found: Any = message.headers()
    key = message.key()
    text: str | None = None
    others: list[tuple[str, str | bytes]] | None = None
    if key is not None:
        try:
            text = key.decode()
        except UnicodeDecodeError:
            others = []
    for name, value in found or ():
        if name == _BORN and value and _read_birth(own, value):
            continue
        if others is None:
            others = [(name, value or b"")]
        else:
            others.append((name, value or b""))
    body = message.value() or b""
    if others is None:
        return Record(body, text, None, own)
    record = _with_fields(body, text, others, own)
    if key is not None and text is None:
        record.properties = {**(record.properties or {}), OPAQUE_KEY: key}
    return record


def _read_birth(own: dict[str, Any], value: bytes) -> bool:
    """Take id, born time and host out of their header; False for what another program wrote there."""
    try:
        number, born, host = value.decode().split(" ", 2)
        born_ms = int(born)
    except ValueError:
        return False
    own["messageId"], own["bornTimestamp"], own["bornHost"] = number, born_ms, host
    return True


def _with_fields(body: bytes, key: str | None, fields: list[tuple[str, str | bytes]], own: dict[str, Any]) -> Record:
    names = {name for name, _ in fields}
    if _EVENT in names and _CONTENT_TYPE in names and _EVENT_TYPE not in names:
        fields = [(_EVENT_TYPE if name == _CONTENT_TYPE else name, value) for name, value in fields]
    record = from_fields(body, key, fields)
    record.headers = {**own, **(record.headers or {})}
    return record
