"""What was stored already: by named producers and their numbers, and by keys of the user's within a window.

State in memory, in the log and in snapshots, bounded: per producer and queue the last `MAX_RECENT` batches, per queue
`MAX_KEYS` keys, `MAX_PRODUCERS` names.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from openmessaging.broker.entry import OpenProducer, Remember
from openmessaging.model.errors import error
from openmessaging.model.unique import Original, Unique

MAX_PRODUCERS = 1_000
"""Named producers; beyond it the one that was opened longest ago is forgotten."""
MAX_RECENT = 256
"""Batches per producer and queue whose place is remembered."""
MAX_KEYS = 100_000
"""Keys per queue; beyond it the oldest is forgotten before its time. About 25 MB."""


class Place(NamedTuple):
    """Where something was stored."""

    partition: int
    offset: int
    store_ms: int
    original: Original | None


UNKNOWN = Place(-1, -1, -1, None)
"""It was stored so long ago that nobody knows where."""


class Recent(msgspec.Struct, array_like=True, gc=False):
    """A producer's last batches in one queue."""

    last: int = -1
    """The highest number stored."""
    floor: int = 0
    """Below it, what was stored and what was not is not known any more: all counts as stored."""
    batches: dict[int, tuple[int, Place]] = {}
    """By first number: how many, and where."""

    def find(self, sequence: int, count: int) -> Place | None:
        """Where numbers were stored, None when they were not. Raises 1418 when only some of them were."""
        if sequence > self.last:
            return None
        exact = self.batches.get(sequence)
        if exact is not None and exact[0] == count:
            return exact[1]
        end = sequence + count
        for first, (size, place) in self.batches.items():
            if first <= sequence and end <= first + size:
                return _within(place, sequence - first)
            if first < end and sequence < first + size:
                text = f"the numbers {sequence} to {end - 1} were stored in part"
                raise error(1418, text, next_step="Send the same batches again, or one message at a time")
        return UNKNOWN if sequence < self.floor else None

    def add(self, sequence: int, count: int, place: Place) -> None:
        """Numbers are stored."""
        self.batches[sequence] = count, place
        self.last = max(self.last, sequence + count - 1)
        if len(self.batches) > MAX_RECENT:
            oldest = min(self.batches)
            self.floor = max(self.floor, oldest + self.batches.pop(oldest)[0])


class Named(msgspec.Struct, array_like=True, gc=False):
    """A named producer."""

    producer_id: int
    epoch: int
    queues: dict[str, Recent]


class Once:
    """The state: producers by name, keys by queue (full name)."""

    def __init__(self) -> None:
        self.producers: dict[str, Named] = {}
        """The one opened last comes last."""
        self.keys: dict[str, dict[str, Place]] = {}
        """By queue; the oldest comes first."""

    def find(self, queue: str, unique: Unique, count: int, oldest_ms: int) -> Place | None:
        """Where the same batch was stored before, as far as `oldest_ms` for keys; None when it was not.

        Raises 1409 when the producer's name was opened anew since, or is forgotten; 1418 as `Recent.find`.
        """
        if unique.producer is not None:
            named = self.producers.get(unique.producer)
            if named is None or named.epoch != unique.epoch:
                text = f"another producer has opened the name {unique.producer!r} since"
                raise error(1409, text, next_step="One producer per name: stop this one", field="name")
            recent = named.queues.get(queue)
            place = recent.find(unique.sequence, count) if recent is not None else None
            if place is not None:
                return place
        if unique.key is not None:
            place = self.keys.get(queue, {}).get(unique.key)
            if place is not None and place.store_ms >= oldest_ms:
                return place
        return None

    def open(self, operation: OpenProducer) -> None:
        """A name is opened."""
        named = self.producers.pop(operation.name, None)
        if named is None:
            named = Named(operation.producer_id, 0, {})
        named.epoch = operation.epoch
        self.producers[operation.name] = named
        if len(self.producers) > MAX_PRODUCERS:
            del self.producers[next(iter(self.producers))]

    def remember(self, operation: Remember, now_ms: int) -> None:
        """A batch is stored."""
        o = operation
        place = Place(o.partition, o.offset, now_ms, o.original)
        named = self.producers.get(o.producer) if o.producer is not None else None
        if named is not None:
            recent = named.queues.get(o.queue)
            if recent is None:
                recent = named.queues[o.queue] = Recent(batches={})
            recent.add(o.sequence, o.count, place)
        if o.key is not None:
            keys = self.keys.setdefault(o.queue, {})
            keys.pop(o.key, None)
            keys[o.key] = place
            for key in list(_outdated(keys, now_ms - o.window_ms)):
                del keys[key]

    def forget_queue(self, queue: str) -> None:
        """A queue is deleted."""
        self.keys.pop(queue, None)
        for named in self.producers.values():
            named.queues.pop(queue, None)


def _outdated(keys: dict[str, Place], oldest_ms: int) -> list[str]:
    found: list[str] = []
    for key, place in keys.items():
        if place.store_ms >= oldest_ms and len(keys) - len(found) <= MAX_KEYS:
            break
        found.append(key)
    return found


def _within(place: Place, ahead: int) -> Place:
    original = place.original
    if original is not None:
        original = original[0], original[1], original[2] + ahead
    return Place(place.partition, place.offset + ahead, place.store_ms, original)
