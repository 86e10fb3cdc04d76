"""Dead letters: messages that failed too often go to a queue of their group, with why and from where, and back.

A dead letter keeps body, key, properties and headers, and as headers of its own the message id, born time and born
host of the first sending. Properties that begin with `dead-letter.` say what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from openmessaging.broker import ranges
from openmessaging.broker.copying import batches, original
from openmessaging.broker.draft import Draft
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.partition import Partition
from openmessaging.broker.state import Contents
from openmessaging.model.dead_letter import PREFIX, REDRIVES, gained
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.replay import Refused


def bury(
    draft: Draft, contents: Contents, lease: HeldLease, spans: list[tuple[int, int]], reason: str
) -> OMSRuntimeException | None:
    """Add the messages of a lease to the draft as dead letters, creating their queue when missing.

    Returns the error when they cannot be read; the draft is then as before.
    """
    partition = lease.cursor.partition
    records: list[Record] = []
    try:
        for start, end in spans:
            for offset in _offsets(contents, partition, start, end):
                record = original(contents, partition.id, offset)
                facts = gained(
                    reason,
                    lease.group.queue.name,
                    lease.group.name,
                    partition.number,
                    lease.attempt,
                    draft.now_ms,
                    offset,
                )
                record.properties = {**(record.properties or {}), **facts}
                records.append(record)
    except OMSRuntimeException as cause:
        return cause
    name = lease.group.dead_letter_queue
    if records and not draft.has_queue(name):
        draft.create_queue(name, 1, {}, limited=False)
    for batch in batches(records, draft.now_ms):
        draft.place(name, 0, batch)
    return None


def move(
    draft: Draft,
    contents: Contents,
    lease: HeldLease,
    spans: list[tuple[int, int]],
    target: str | None,
    max_redrives: int,
    allowed: Callable[[str], bool] | None = None,
) -> list[Refused]:
    """Add dead letters to the draft as messages of `target` (None: the queue each came from), without what they
    gained but for how often they were sent back; they keep their ids, their priority, and their partition where the
    queue has it. Returns those that stay: of unknown origin, sent back `max_redrives` times before, or meant for a
    queue that is not `allowed`.

    Raises what `Draft.require_queue` raises.
    """
    refused: list[Refused] = []
    partition = lease.cursor.partition
    found: dict[tuple[str, int | None, int | None], list[Record]] = {}
    for start, end in spans:
        for offset in _offsets(contents, partition, start, end):
            record = original(contents, partition.id, offset)
            properties = record.properties or {}
            name = target or properties.get(f"{PREFIX}queue")
            times = properties.get(REDRIVES, 0)
            times = times if isinstance(times, int) else 0
            if not isinstance(name, str):
                refused.append(Refused(offset, "it does not say which queue it came from"))
                continue
            if allowed is not None and not allowed(name):
                refused.append(Refused(offset, f"no right to send to {name}"))
                continue
            if times >= max_redrives:
                refused.append(Refused(offset, f"it was sent back {times} times and died again each time"))
                continue
            number = properties.get(f"{PREFIX}partition")
            kept = {key: value for key, value in properties.items() if not key.startswith(PREFIX)}
            record.properties = {**kept, REDRIVES: times + 1}
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
    return refused


def _offsets(contents: Contents, partition: Partition, start: int, end: int) -> Iterable[int]:
    """The offsets of a range that still have a message."""
    if start >= partition.compacted:
        return range(start, end)
    _, holes = contents.live(partition.id, start, end, end - start)
    left = [start, end]
    for first, last in holes:
        ranges.subtract(left, first, last)
    return [offset for first, last in ranges.pairs(left) for offset in range(first, last)]
