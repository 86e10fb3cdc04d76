"""Messages as Pulsar's, and back; places as offsets: `spec/mappings/pulsar.md` says it in full."""

from __future__ import annotations

from typing import Any

from openmessaging.drivers.mapping import PREFIX, from_fields, to_fields
from openmessaging.model.message import Record
from openmessaging.model.timing import due_ms

ENTRY_BITS, PLACE_BITS, LEDGER_BITS = 20, 11, 32
_OFFSET_BITS = ENTRY_BITS + PLACE_BITS


_BORN, _ID, _HOST = f"{PREFIX}bornTimestamp", f"{PREFIX}messageId", f"{PREFIX}bornHost"
_USUAL = {_BORN, _ID, _HOST}
"""What every message of ours has, and most have nothing else."""


def to_message(record: Record) -> dict[str, Any]:
    """The arguments of a send."""
    headers = record.headers or {}
    born = int(headers.get("bornTimestamp") or 0)
    message: dict[str, Any] = {
        "content": record.data,
        "properties": dict(to_fields(record)),
        "partition_key": record.message_key,
        "event_timestamp": born or None,
    }
    if headers.get("delayTime"):
        message["deliver_at"] = due_ms(born, headers)
    return message


def from_message(message: Any, message_id: Any) -> Record:
    """The message of one that was received, with its place in its own headers."""
    key = message.partition_key() or None
    fields = message.properties()
    headers: dict[str, Any] = {"storeTimestamp": message.publish_timestamp()}
    offset = offset_of(message_id)
    if offset is not None:
        headers["offset"] = offset
    if fields.keys() == _USUAL and fields[_BORN].isdecimal():
        headers |= {"messageId": fields[_ID], "bornTimestamp": int(fields[_BORN]), "bornHost": fields[_HOST]}
        return Record(message.data(), key, None, headers)
    record = from_fields(message.data(), key, fields.items())
    if record.headers is None:
        born = message.event_timestamp()
        if born:
            headers["bornTimestamp"] = born
    record.headers = {**headers, **(record.headers or {})}
    return record


def offset_of(message_id: Any) -> int | None:
    """The offset that stands for a place; None for one beyond the bits."""
    return offset_at(message_id.ledger_id(), message_id.entry_id(), max(message_id.batch_index(), 0))


def offset_at(ledger: int, entry: int, place: int = 0) -> int | None:
    """The offset of a message in an entry of a ledger."""
    if ledger >> LEDGER_BITS or entry >> ENTRY_BITS or place >> PLACE_BITS:
        return None
    return ledger << _OFFSET_BITS | entry << PLACE_BITS | place


def place_of(offset: int) -> tuple[int, int, int]:
    """Ledger, entry and place in the entry that an offset stands for."""
    entry = offset >> PLACE_BITS & (1 << ENTRY_BITS) - 1
    return offset >> _OFFSET_BITS, entry, offset & (1 << PLACE_BITS) - 1
