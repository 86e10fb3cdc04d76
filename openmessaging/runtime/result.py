"""What a send gives back: cheap views over what all messages of a batch share, nothing built until it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, overload

import msgspec

from openmessaging.model.batch import make_id
from openmessaging.model.replay import Refused
from openmessaging.model.spi import Durability, Placement

_NOWHERE = Placement(-1, -1, -1, Durability.MEMORY)


class RedriveReport(msgspec.Struct, frozen=True):
    """What became of a redrive."""

    found: int
    """Dead letters there were."""
    matched: int
    """Those that the condition chose."""
    redriven: int
    """Those that were sent back."""
    refused: list[Refused]
    """Those that may not be: of unknown origin, or sent back too often."""


class SentOrigin(msgspec.Struct, gc=False, eq=False):
    """What the messages of one sent batch share; the `Origin` of each of them once it is stored."""

    destination: str
    born_ms: int
    born_host: str
    producer_id: int
    first_sequence: int
    placement: Placement = _NOWHERE

    def header(self, name: str, position: int) -> Any:
        """The provider's value of a header field, None when it has none."""
        if name == "messageId":
            return make_id(self.born_ms, self.producer_id, self.first_sequence + position)
        if name == "bornTimestamp":
            return self.born_ms
        if name == "bornHost":
            return self.born_host
        if name == "partition":
            return self.placement.partition
        if name == "offset":
            return self.placement.base_offset + position if self.placement.base_offset >= 0 else None
        if name == "storeTimestamp":
            return self.placement.store_ms
        return None


class SendResult(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Where a message was stored."""

    origin: SentOrigin
    position: int

    @property
    def message_id(self) -> str:
        """The id that the library gave it: unique, sorts by time."""
        origin = self.origin
        return make_id(origin.born_ms, origin.producer_id, origin.first_sequence + self.position)

    @property
    def destination(self) -> str:
        """Full name of the queue."""
        return self.origin.destination

    @property
    def partition(self) -> int:
        """Partition it lies in."""
        return self.origin.placement.partition

    @property
    def offset(self) -> int:
        """Its offset in the partition; -1 where the system does not say."""
        base = self.origin.placement.base_offset
        return base + self.position if base >= 0 else -1

    @property
    def store_timestamp(self) -> int:
        """When it was stored, ms since the epoch."""
        return self.origin.placement.store_ms

    @property
    def duplicate(self) -> bool:
        """Whether it was stored before, and not again: then all of this is said of the first one."""
        return self.origin.placement.original is not None

    @property
    def durability(self) -> Durability:
        """How safe it was when the send returned."""
        return self.origin.placement.durability

    def __repr__(self) -> str:
        place = f"{self.destination}, partition {self.partition}, offset {self.offset}"
        return f"SendResult({self.message_id}, {place}, {self.durability})"


class SendResults(Sequence[SendResult]):
    """One result per message of a list that was sent, in its order; built when read."""

    __slots__ = ("_places",)

    def __init__(self, places: Sequence[tuple[SentOrigin, Sequence[int]]], count: int) -> None:
        """`places`: per batch, its origin and which messages of the list it holds, in order (a range: all of them)."""
        if len(places) == 1 and isinstance(places[0][1], range):
            self._places: Sequence[tuple[SentOrigin, int]] | tuple[SentOrigin, range] = (places[0][0], range(count))
            return
        spread: list[Any] = [None] * count
        for origin, members in places:
            for position, index in enumerate(members):
                spread[index] = (origin, position)
        self._places = spread

    def places(self) -> Iterator[tuple[SentOrigin, int]]:
        """Per message, what its batch shares and its place in it."""
        if isinstance(self._places, tuple):
            origin, positions = self._places
            return zip(repeat(origin), positions, strict=False)
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places[1]) if isinstance(self._places, tuple) else len(self._places)

    @overload
    def __getitem__(self, index: int) -> SendResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[SendResult]: ...
    def __getitem__(self, index: int | slice) -> SendResult | list[SendResult]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if isinstance(self._places, tuple):
            return SendResult(self._places[0], self._places[1][index])
        return SendResult(*self._places[index])
