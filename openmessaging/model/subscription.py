"""The part of the driver SPI that a consumer holds: its hold on a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from openmessaging.model.replay import Delivery, Refused


class Subscription(Protocol):
    """A consumer's hold on a group."""

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages, as soon as there is one; an empty list after `wait` seconds. Cancelling it loses nothing: what was
        leased goes back uncounted."""
        ...

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease (None: all that is left); in memory at once, on disk with the next sync.

        Raises OMSRuntimeException 1418 when the lease has expired or is of another group.
        """
        ...

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed: they return after `delay` seconds (None: the group's back-off), or go to the
        dead-letter queue after the last attempt. Raises as `ack`."""
        ...

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now, whatever deliveries they have left. Raises as `ack`."""
        ...

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled: visible at once, the attempt not counted."""
        ...

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last that many seconds from now; returns the new deadline in ms. Raises as `ack`."""
        ...

    async def move(
        self, lease_id: int, offsets: Sequence[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        """Send dead letters to `target` (None: where each came from) under their old ids and settle them here, in one
        step; returns when that is durable. Those of unknown origin, and those sent back `max_redrives` times before,
        stay in the lease and are returned. Raises as `ack`, and 1404. Needs REDRIVE."""
        ...

    async def flush(self) -> None:
        """Return when every settlement made so far is durable. Raises 1418, once, naming those of which it turned out
        later that they came too late, where `ack` could not know."""
        ...

    async def close(self) -> None:
        """Let go; leases that are still held go on until they expire."""
        ...
