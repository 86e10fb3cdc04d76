"""What can be served."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from openmessaging.broker.mailboxes import Mailboxes
from openmessaging.broker.totals import QueueTotals
from openmessaging.model.spi import Driver as AnyDriver
from openmessaging.model.spi import OutgoingBatch, Placement


class Driver(AnyDriver, Protocol):
    """What can be served: a driver that finds again what was sent to it, and whose mailboxes may be named."""

    mailboxes: Mailboxes

    def written(self) -> Awaitable[object] | None:
        """None once all that was decided so far would outlive this process; else wait for what is returned."""

    async def find_sent(self, batch: OutgoingBatch, since_ms: int) -> Placement | None:
        """Where a batch was stored at or after a time (ms, the store's clock); None when it was not."""

    def queues_of(self, kind: str, name: str) -> list[str]:
        """Full names of the queues that something with a name of its own belongs to, see `broker/belonging.py`."""

    def totals(self) -> Sequence[QueueTotals]:
        """What each queue has stored and settled so far, and what waits."""
