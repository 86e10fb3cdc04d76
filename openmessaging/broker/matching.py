"""Which messages of a stored batch match a condition. Only what the condition looks at is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from openmessaging.broker.partition import Partition
from openmessaging.filters import Condition
from openmessaging.filters.condition import Slim
from openmessaging.model.batch import OWN_IDS, SPARSE, BatchHeader, opened
from openmessaging.storage.index import IndexEntry

_HOLE = Slim(Raw(b""))


def matching_offsets(data: bytes, condition: Condition, partition: Partition, entry: IndexEntry) -> Sequence[int]:
    """Offsets, in order. Raises OMSRuntimeException 1501 for damaged bytes."""
    batch = opened(data)
    plain = data if isinstance(batch.payload, memoryview) else batch.payload
    for needle in condition.needles:
        if not any(part in plain for part in needle):
            return ()
    header, shared, records = batch.read(condition.decode, condition.decode_sparse, _HOLE)
    facts = facts_of(shared, partition, entry.timestamp_ms)

    def read(name: str, offset: int) -> Any:
        return _header(name, header, facts, records[offset - entry.base_offset], offset, entry)

    offsets = condition.select(records, entry.base_offset, read)
    if header.attributes & SPARSE:  # what is gone from a compacted queue matches nothing
        return [offset for offset in offsets if records[offset - entry.base_offset] is not _HOLE]
    return offsets


def _header(name: str, header: BatchHeader, facts: dict[str, Any], record: Any, offset: int, entry: IndexEntry) -> Any:
    """A header field as a receiver sees it: what the provider knows wins."""
    if name == "messageKey":
        return record.message_key
    return provided(name, header, facts, record.headers or {}, entry.base_offset, offset - entry.base_offset)


def provided(
    name: str, header: BatchHeader, facts: dict[str, Any], own: dict[str, Any], base_offset: int, position: int
) -> Any:
    """A header field of the message at a place in a batch, whose headers are `own`; `facts`: see `facts_of`."""
    if name == "offset":
        return base_offset + position
    if name in ("messageId", "bornTimestamp"):
        if header.attributes & OWN_IDS and own.get(name):
            return own[name]
        return header.born_ms if name == "bornTimestamp" else header.message_id(position)
    value = facts.get(name)
    return own.get(name) if value is None else value


def facts_of(shared: dict[str, Any], partition: Partition, store_ms: int) -> dict[str, Any]:
    """The header fields that are the same for all messages of a stored batch."""
    return {
        **shared,
        "destination": partition.queue.name,
        "partition": partition.number,
        "storeTimestamp": store_ms,
    }
