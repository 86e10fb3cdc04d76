"""Reading without taking, copies and tables: what of the driver SPI has to do with going back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Delivery(msgspec.Struct, eq=False):
    """Messages of one batch handed out under one lease, still encoded: the driver's answer to `fetch`.

    They are the messages `first` to `last` (exclusive, places in the batch) of `data`, the encoded batch.
    """

    destination: str
    partition: int
    base_offset: int
    """Offset of the batch's first message (place 0, not place `first`). Offsets below 0 are not the system's: they only
    tell the messages of a lease apart, and what is known of a message's place stands in its own headers."""
    store_ms: int
    data: bytes
    first: int
    last: int
    lease_id: int = 0
    attempt: int = 1
    deadline_ms: int = 0


class Refused(msgspec.Struct, frozen=True):
    """A dead letter that was not sent back, and why."""

    offset: int
    reason: str


class CopyInfo(msgspec.Struct, frozen=True):
    """A copy from a queue to another: how far each partition of the source is, and where it ends."""

    name: str
    source: str
    """Full name."""
    target: str
    """Full name."""
    positions: list[int]
    ends: list[int]

    @property
    def left(self) -> int:
        """Offsets that are not copied yet; 0 when it is complete."""
        return sum(max(end - at, 0) for at, end in zip(self.positions, self.ends, strict=True))


class TableView(msgspec.Struct, frozen=True):
    """A queue as it is at a moment: until it is closed, or not used for a minute, no compaction takes away what it
    shows."""

    id: int
    offsets: list[tuple[int, int]]
    """(first, next) offset per partition."""


class Replays(Protocol):
    """What a driver offers with PEEK, COPY and TABLE."""

    async def peek(self, queue: str, group: str, max_messages: int, max_bytes: int) -> list[Delivery]:
        """What the group's next fetch would bring, without leasing it (lease_id 0). Raises 1404. Needs PEEK."""
        ...

    async def begin_copy(
        self, name: str, source: str, target: str, bounds: Sequence[tuple[int, int]], keep: bool
    ) -> CopyInfo:
        """Begin to copy messages (from and to an offset, per partition) under a name, or take up the copy that has it;
        with `keep` it is remembered when complete. Raises 1404, 1418 for a name that is another copy's. Needs COPY."""
        ...

    async def advance_copy(self, name: str, max_messages: int) -> CopyInfo:
        """Copy about that many messages more; returns when they are durable. Raises 1404, 1418."""
        ...

    async def list_copies(self) -> list[CopyInfo]:
        """Copies under way, and those that are remembered."""
        ...

    async def end_copy(self, name: str) -> None:
        """Give a copy up, or forget it. Raises 1404."""
        ...

    async def open_view(self, destination: str) -> TableView:
        """See a queue as it is now. Raises 1404. Needs TABLE."""
        ...

    async def renew_view(self, view_id: int) -> None:
        """Go on with a view. Raises 1418 when it was not used for a minute."""
        ...

    async def close_view(self, view_id: int) -> None:
        """It is not needed any more; again is no error."""
        ...


class BlockingReplays(Protocol):
    """The same for threads."""

    def peek(self, queue: str, group: str, max_messages: int, max_bytes: int) -> list[Delivery]:
        """What the group's next fetch would bring, without leasing it (lease_id 0). Raises 1404. Needs PEEK."""
        ...

    def begin_copy(
        self, name: str, source: str, target: str, bounds: Sequence[tuple[int, int]], keep: bool
    ) -> CopyInfo:
        """Begin to copy messages (from and to an offset, per partition) under a name, or take up the copy that has it;
        with `keep` it is remembered when complete. Raises 1404, 1418 for a name that is another copy's. Needs COPY."""
        ...

    def advance_copy(self, name: str, max_messages: int) -> CopyInfo:
        """Copy about that many messages more; returns when they are durable. Raises 1404, 1418."""
        ...

    def list_copies(self) -> list[CopyInfo]:
        """Copies under way, and those that are remembered."""
        ...

    def end_copy(self, name: str) -> None:
        """Give a copy up, or forget it. Raises 1404."""
        ...

    def open_view(self, destination: str) -> TableView:
        """See a queue as it is now. Raises 1404. Needs TABLE."""
        ...

    def renew_view(self, view_id: int) -> None:
        """Go on with a view. Raises 1418 when it was not used for a minute."""
        ...

    def close_view(self, view_id: int) -> None:
        """It is not needed any more; again is no error."""
        ...
