"""What a service endpoint keeps about requests, the same on both faces."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery
from openmessaging.runtime.lease import DeliveryOrigin

MAX_CANCELLED = 10_000
"""Cancelled requests that are remembered until they come out of the queue."""


class Statistics(msgspec.Struct):
    """What a service has done since it was made."""

    requests: int = 0
    """Requests that a handler was called with."""
    errors: int = 0
    """Of these, answered with an error."""
    seconds: float = 0.0
    """Time in handlers, all together."""
    expired: int = 0
    """Requests whose requester had stopped waiting before a handler was free."""
    cancelled: int = 0
    """Requests that were cancelled, before or in the handler."""
    orphaned: int = 0
    """Requests whose requester was gone, before the handler or before the answer."""
    interrupted: int = 0
    """Requests refused because another service had them before and did not answer, and they are not idempotent."""


class Arrived:
    """A request as it came out of the queue."""

    __slots__ = ("delivery", "offset", "origin", "place", "record")

    def __init__(self, record: Record, delivery: Delivery, origin: DeliveryOrigin, place: int) -> None:
        self.record = record
        self.delivery = delivery
        self.origin = origin
        self.place = place
        self.offset = delivery.base_offset + place


class Running:
    """A request in a handler; `interrupt` ends a coroutine."""

    __slots__ = ("_interrupt", "arrived", "cancelled", "credit", "progress", "sent", "settled")

    def __init__(self, arrived: Arrived | None, interrupt: Callable[[], object]) -> None:
        self.arrived = arrived
        """None: it was handed over."""
        self.cancelled = False
        """Whether the requester waits no more."""
        self.settled = False
        """Whether it was given up: nothing more is to be done about it."""
        self.sent = 0
        """Items of a stream that were sent, and how many of them were taken (`credit`)."""
        self.credit = 0
        self.progress: Callable[[], object] | None = None
        """Called when there is more credit."""
        self._interrupt = interrupt

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.cancelled = True
        self._interrupt()
        self.advance(self.credit)

    def advance(self, taken: int) -> None:
        """The reader of the stream has taken so many items."""
        self.credit = max(self.credit, taken)
        if self.progress is not None:
            self.progress()

    def is_cancelled(self) -> bool:
        """See `cancelled`."""
        return self.cancelled


class Cancelled:
    """Requests that were cancelled and are not here (yet): the last `MAX_CANCELLED` of them."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, call_id: str) -> None:
        """Remember one."""
        self._ids[call_id] = None
        if len(self._ids) > MAX_CANCELLED:
            self._ids.pop(next(iter(self._ids)), None)

    def take(self, call_id: str) -> bool:
        """Whether one was cancelled; it is forgotten with that."""
        return bool(self._ids) and self._ids.pop(call_id, self) is None
