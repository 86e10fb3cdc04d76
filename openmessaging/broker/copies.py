"""Copying a range of a queue to another queue: batch by batch, how far it is noted in the entry that stores them.

So a crash repeats nothing and leaves nothing out: whoever goes on begins behind what the log has.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmessaging.broker.copy import Copy
from openmessaging.broker.draft import Draft, check_keys, no_partition, queue_named
from openmessaging.broker.entry import AdvanceCopy, CreateCopy, EndCopy, Entry
from openmessaging.broker.state import Contents, State
from openmessaging.model.batch import HEADER, HOLE, SPARSE, Batch, decode, parse_header, thin
from openmessaging.model.errors import error

MAX_KEPT = 1_000
"""Copies that a store remembers, under way or complete."""
_STEP_BYTES = 1 << 20


def begin(
    draft: Draft, state: State, name: str, source: str, target: str, bounds: Sequence[tuple[int, int]], keep: bool
) -> Entry:
    """Begin a copy under a name, or nothing where it has begun; `keep` remembers that it is complete.

    Raises 1404 for a missing queue, 1418 for a name that is another copy's, for bounds that do not fit the partitions,
    and at the maximum.
    """
    found = state.copies.get(name)
    if found is not None:
        if (found.source, found.target) != (source, target):
            text = f"the copy {name} is one from {found.source} to {found.target}"
            raise error(1418, text, next_step="Give another name, or end that copy", field="name")
        return draft.entry()
    queue = queue_named(state, source)
    if len(bounds) > len(queue.partitions):
        raise no_partition(source, len(bounds) - 1, len(queue.partitions))
    if len(state.copies) >= MAX_KEPT:
        raise error(1418, f"there are {MAX_KEPT:,} copies", next_step="End those that are complete", field="name")
    draft.require_queue(target)
    starts = [start for start, _ in bounds]
    ends = [min(end, partition.visible) for (_, end), partition in zip(bounds, queue.partitions, strict=False)]
    draft.operations.append(CreateCopy(name, source, target, starts, ends, keep))
    return draft.entry()


def advance(draft: Draft, state: State, contents: Contents, name: str, max_messages: int) -> Entry:
    """Copy the next messages, some `max_messages` or a megabyte; no operation when it is complete.

    Messages keep key, properties, ids and order; the partition `n` goes to `n` modulo the partitions of the target, a
    lane to the lane of its priority. Raises 1404 for a copy or queue that is not there, and 1418 for a message without
    key when the target is compacted.
    """
    copy = copy_named(state, name)
    source, target = queue_named(state, copy.source), queue_named(state, copy.target)
    room = _STEP_BYTES
    for number, (at, end) in enumerate(zip(copy.positions, copy.ends, strict=True)):
        partition = source.partitions[number]
        begun, end = at, min(end, partition.visible)
        at = max(at, partition.start)
        while at < end and max_messages > 0 and room > 0:
            base, data = contents.raw(partition.id, at)
            header = parse_header(data)
            stop = min(end, base + header.count)
            for batch in _batches(data, max(at - base, 0), stop - base):
                if target.compact:
                    check_keys(batch, target.name)
                draft.place(target.name, partition.base % target.count, batch, partition.priority)
                max_messages -= batch.count
            room -= len(data)
            at = stop if base < end else end
        at = max(at, begun)
        if at != begun:
            draft.operations.append(AdvanceCopy(name, number, at))
        if at < end:
            return draft.entry()
    if not copy.keep:
        draft.operations.append(EndCopy(name))
    return draft.entry()


def copy_named(state: State, name: str) -> Copy:
    """A copy by name. Raises 1404."""
    copy = state.copies.get(name)
    if copy is None:
        raise error(1404, f"there is no copy {name}", next_step="Begin it again")
    return copy


def _batches(data: bytes, first: int, last: int) -> list[Batch]:
    """The messages from `first` to `last` (exclusive) of a batch, as batches without holes."""
    header = parse_header(data)
    if first >= last:
        return []
    if not header.attributes & SPARSE:
        if (first, last) == (0, header.count):
            return [Batch(data[: HEADER.size], data[HEADER.size :], header.count)]
        return [thin(data, range(first, last))]
    records = decode(data)[2]
    found: list[list[int]] = []
    for place in range(first, last):
        if records[place] is not HOLE:
            if found and found[-1][-1] == place - 1:
                found[-1].append(place)
            else:
                found.append([place])
    return [thin(data, places) for places in found]
