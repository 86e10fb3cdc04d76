"""From messages of a source to batches of targets: as the bytes that they are where nothing has to change.

Order: what goes to a partition of a target is put there in the order of the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from openmessaging.broker.copying import batches
from openmessaging.broker.draft import Draft
from openmessaging.broker.partition import Partition
from openmessaging.broker.state import Contents, State
from openmessaging.model.batch import HEADER, HOLE, KEYED, SPARSE, Batch, BatchHeader, encode, parse_header, with_own
from openmessaging.model.message import Record, partition_of_key
from openmessaging.model.routing import Route
from openmessaging.routing.steps import Subject

MIN_RUN = 8
"""Neighbours from which on they become a batch with the header of theirs."""
Place = tuple[str, int, int | None]
"""A target, its partition, and a priority."""


class Piece(NamedTuple):
    """Places of a stored batch, as ranges `[first, last)` in order."""

    partition: Partition
    base: int
    data: bytes
    header: BatchHeader
    spans: list[tuple[int, int]]


class Member(NamedTuple):
    """A message that goes on."""

    position: int
    record: Record
    subject: Subject | None


def pieces(contents: Contents, partition: Partition, ranges: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """The stored batches that hold ranges of offsets, in order, each once. Raises OMSRuntimeException 1501."""
    piece: Piece | None = None
    for start, end in ranges:
        at = start
        while at < end:
            if piece is None or at >= piece.base + piece.header.count:
                if piece is not None:
                    yield piece
                base, data = contents.raw(partition.id, at)
                piece = Piece(partition, base, data, parse_header(data), [])
            first = max(at, piece.base) - piece.base
            last = min(end - piece.base, piece.header.count)
            if first < last:
                if piece.spans and piece.spans[-1][1] == first:
                    first = piece.spans.pop()[0]
                piece.spans.append((first, last))
            at = min(end, piece.base + piece.header.count)
    if piece is not None:
        yield piece


class Forwarding:
    """Puts messages of a route into a draft."""

    def __init__(self, draft: Draft, state: State, route: Route) -> None:
        self._draft = draft
        self._route = route
        self._count = state.queues[route.source].count
        self._targets = [(name, state.queues[name].count) for name in route.targets]
        self._scattered: dict[Place, list[Record]] = {}
        self.bytes = 0
        """How much was put."""

    def forward_whole(self, piece: Piece) -> bool:
        """Forward a piece as it is; False, and nothing is done, where its messages have to be looked at."""
        header = piece.header
        if piece.spans != [(0, header.count)] or header.attributes & SPARSE:
            return False
        if header.attributes & KEYED and any(count not in (1, self._count) for _, count in self._targets):
            return False
        batch = Batch(piece.data[: HEADER.size], piece.data[HEADER.size : header.size], header.count)
        for name, count in self._targets:
            self._put((name, piece.partition.base % count, piece.partition.priority), batch)
        return True

    def forward(self, piece: Piece, members: Sequence[Member], shared: dict[str, Any]) -> None:
        """Forward messages of a piece, which have headers in common."""
        header = piece.header
        for name, count in self._targets:
            for number, chosen in self._spread(piece, members, count).items():
                place = name, number, piece.partition.priority
                if is_run(chosen, header):
                    self._put(place, _slice(piece.data, header, chosen))
                else:
                    owned = [with_own(header, shared, each.record, each.position) for each in chosen]
                    self._scattered.setdefault(place, []).extend(owned)

    def finish(self) -> None:
        """Put what is left."""
        for place in list(self._scattered):
            self._flush(place)

    def _spread(self, piece: Piece, members: Sequence[Member], count: int) -> dict[int, list[Member]]:
        """Messages by the partition of a target that has so many."""
        by_number = piece.partition.base % count
        if count == 1:
            return {0: list(members)}
        same = count == self._count
        found: dict[int, list[Member]] = {}
        for member in members:
            moved = member.subject is not None and member.subject.moved
            key = member.record.message_key
            by_key = key is not None and (moved or not same)
            number = partition_of_key(key, count) if by_key and key is not None else by_number
            found.setdefault(number, []).append(member)
        return found

    def _put(self, place: Place, batch: Batch) -> None:
        if place in self._scattered:
            self._flush(place)
        name, number, priority = place
        self._draft.place(name, number, batch, priority)
        self.bytes += batch.size

    def _flush(self, place: Place) -> None:
        name, number, priority = place
        for batch in batches(self._scattered.pop(place), self._draft.now_ms):
            self._draft.place(name, number, batch, priority)
            self.bytes += batch.size


def is_run(members: Sequence[Member], header: BatchHeader) -> bool:
    """Whether messages are neighbours, as they were sent, and enough of them for a batch of their own."""
    first, last = members[0].position, members[-1].position
    enough = len(members) >= min(MIN_RUN, header.count)
    unchanged = all(each.subject is None or not each.subject.changed for each in members)
    return enough and last - first == len(members) - 1 and unchanged


def _slice(data: bytes, header: BatchHeader, members: Sequence[Member]) -> Batch:
    """Neighbours as a batch with the header of theirs: ids and times stay as they are."""
    return encode(
        [member.record for member in members],
        shared=data[HEADER.size : HEADER.size + header.shared_bytes],
        born_ms=header.born_ms,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        first_sequence=header.first_sequence + members[0].position,
        attributes=header.attributes & ~SPARSE,
        last_delta_ms=header.last_delta_ms,
    )


def members_of(piece: Piece, records: Sequence[Record]) -> Iterator[tuple[int, Record]]:
    """Places and messages of a piece; those that are gone from a compacted queue are left out."""
    for first, last in piece.spans:
        for position in range(first, last):
            if records[position] is not HOLE:
                yield position, records[position]


def changed_record(record: Record, subject: Subject) -> Record:
    """A message as the operators left it."""
    if not subject.changed:
        return record
    return Record(record.data, subject.key, subject.properties or None, record.headers)
