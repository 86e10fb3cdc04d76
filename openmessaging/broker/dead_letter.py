"""Dead letters: messages that failed too often go to a queue of their group, with why and from where, and back.

A dead letter keeps body, key, properties and headers, and as headers of its own the message id, born time and born
host of the first sending. Properties that begin with `dead-letter.` say what happened.
"""

from __future__ import annotations

from collections.abc import Iterable

from openmessaging.broker import ranges
from openmessaging.broker.copying import batches, original
from openmessaging.broker.draft import Draft
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.partition import Partition
from openmessaging.broker.state import Contents
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record

PREFIX = "dead-letter."
"""First characters of the properties that a dead letter gains."""
_REASON_CHARACTERS = 1_000


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
            for offset in _offsets(contents, partition, start, end):
                record = original(contents, partition.id, offset)
                record.properties = {**(record.properties or {}), **facts, f"{PREFIX}offset": offset}
                records.append(record)
    except OMSRuntimeException as cause:
        return cause
    name = lease.group.dead_letter_queue
    if records and not draft.has_queue(name):
        draft.create_queue(name, 1, {}, limited=False)
    for batch in batches(records, draft.now_ms):
        draft.place(name, 0, batch)
    return None


def move(draft: Draft, contents: Contents, lease: HeldLease, spans: list[tuple[int, int]], target: str | None) -> None:
    """Add dead letters to the draft as messages of `target` (None: the queue each came from), without what they
    gained; they keep their ids, their priority, and their partition where the queue has it.

    Raises 1418 for a message that came from no queue, and what `Draft.require_queue` raises.
    """
    partition = lease.cursor.partition
    found: dict[tuple[str, int | None, int | None], list[Record]] = {}
    for start, end in spans:
        for offset in _offsets(contents, partition, start, end):
            record = original(contents, partition.id, offset)
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
        for batch in batches(records, draft.now_ms):
            draft.place(name, number, batch, priority)


def _offsets(contents: Contents, partition: Partition, start: int, end: int) -> Iterable[int]:
    """The offsets of a range that still have a message."""
    if start >= partition.compacted:
        return range(start, end)
    _, holes = contents.live(partition.id, start, end, end - start)
    left = [start, end]
    for first, last in holes:
        ranges.subtract(left, first, last)
    return [offset for first, last in ranges.pairs(left) for offset in range(first, last)]
