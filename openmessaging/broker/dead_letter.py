"""Dead letters: messages that failed too often go to a queue of their group, with why and from where, and back.

A dead letter keeps body, key, properties and headers, and as headers of its own the message id, born time and born
host of the first sending. Properties that begin with `dead-letter.` say what happened.
"""

from __future__ import annotations

from typing import Any

from openmessaging.broker.draft import Draft
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.state import Contents
from openmessaging.model.batch import KEYED, OWN_IDS, Batch, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record

PREFIX = "dead-letter."
"""First characters of the properties that a dead letter gains."""
_REASON_CHARACTERS = 1_000
_BATCH_BYTES = 1 << 20
_NOTHING_SHARED = encode_shared({})


def bury(
    draft: Draft, contents: Contents, lease: HeldLease, spans: list[tuple[int, int]], reason: str
) -> OMSRuntimeException | None:
    """Add the messages of a lease to the draft as dead letters, creating their queue when missing.

    Returns the error when they cannot be read; the draft is then as before.
    """
    partition = lease.cursor.partition
    facts = {
        f"{PREFIX}reason": reason[:_REASON_CHARACTERS],
        f"{PREFIX}queue": lease.group.queue.name,
        f"{PREFIX}group": lease.group.name,
        f"{PREFIX}partition": partition.number,
        f"{PREFIX}delivery-count": lease.attempt,
        f"{PREFIX}time": draft.now_ms,
    }
    records: list[Record] = []
    try:
        for start, end in spans:
            for offset in range(start, end):
                record = _original(contents, partition.id, offset)
                record.properties = {**(record.properties or {}), **facts, f"{PREFIX}offset": offset}
                records.append(record)
    except OMSRuntimeException as cause:
        return cause
    name = lease.group.dead_letter_queue
    if not draft.has_queue(name):
        draft.create_queue(name, 1, {}, limited=False)
    for batch in _batches(records, draft.now_ms):
        draft.place(name, 0, batch)
    return None


def move(draft: Draft, contents: Contents, lease: HeldLease, spans: list[tuple[int, int]], target: str | None) -> None:
    """Add dead letters to the draft as messages of `target` (None: the queue each came from), without what they
    gained; they keep their ids, their priority, and their partition where the queue has it.

    Raises 1418 for a message that came from no queue, and what `Draft.require_queue` raises.
    """
    partition_id = lease.cursor.partition.id
    found: dict[tuple[str, int | None, int | None], list[Record]] = {}
    for start, end in spans:
        for offset in range(start, end):
            record = _original(contents, partition_id, offset)
            properties = record.properties or {}
            name = target or properties.get(f"{PREFIX}queue")
            if not isinstance(name, str):
                text = f"the message at offset {offset} does not say which queue it came from"
                raise error(
                    1418, text, next_step="Name a target queue (`oms dead-letter redrive --to`)", field=f"{PREFIX}queue"
                )
            number = properties.get(f"{PREFIX}partition")
            kept = {key: value for key, value in properties.items() if not key.startswith(PREFIX)}
            record.properties = kept or None
            draft.require_queue(name)
            if isinstance(number, int):
                number = draft.base(str(properties.get(f"{PREFIX}queue")), number)
            fits = isinstance(number, int) and 0 <= number < draft.partitions(name)
            given = (record.headers or {}).get("priority")
            priority = given if isinstance(given, int) else None
            found.setdefault((name, number if fits else None, priority), []).append(record)
    for (name, number, priority), records in found.items():
        for batch in _batches(records, draft.now_ms):
            draft.place(name, number, batch, priority)


def _original(contents: Contents, partition_id: int, offset: int) -> Record:
    """A message with everything that its batch said about it in its own headers."""
    header, shared, record, position = contents.message(partition_id, offset)
    given = {"messageId": header.message_id(position), "bornTimestamp": header.born_ms, **shared}
    written = record.headers or {}
    # What a sender wrote over the provider's fields is ignored, unless the broker moved the message before.
    own: dict[str, Any] = {**given, **written} if header.attributes & OWN_IDS else {**written, **given}
    return Record(record.data, record.message_key, record.properties, own)


def _batches(records: list[Record], now_ms: int) -> list[Batch]:
    batches: list[Batch] = []
    begin = bytes_so_far = 0
    for at, record in enumerate(records, 1):
        bytes_so_far += len(record.data)
        if at == len(records) or bytes_so_far >= _BATCH_BYTES:
            part = records[begin:at]
            keyed = KEYED if any(each.message_key is not None for each in part) else 0
            attributes = OWN_IDS | keyed
            batches.append(
                encode(
                    part,
                    shared=_NOTHING_SHARED,
                    born_ms=now_ms,
                    producer_id=0,
                    first_sequence=0,
                    attributes=attributes,
                )
            )
            begin, bytes_so_far = at, 0
    return batches
