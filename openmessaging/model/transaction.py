"""What the driver SPI says about transactions: settlements that go with sends, and messages that are prepared first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from openmessaging.model.spi import OutgoingBatch


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """Messages of a lease that `Driver.commit` settles."""

    subscription: object
    """What fetched them: from `subscribe` of the same system, of either face."""
    lease_id: int
    offsets: Sequence[int] | None
    """None: all that is left of the lease."""


class TransactionCheck(msgspec.Struct, frozen=True):
    """When a producer is asked about a message that it prepared and has not decided on, in seconds."""

    first: float = 6.0
    """Until it is asked for the first time."""
    interval: float = 30.0
    """Between questions, and after the last one."""
    limit: int = 15
    """Questions without a decision, after which the message is rolled back."""
    expire: float = 86_400.0
    """After which it is rolled back in any case, even if nobody was there to be asked."""


class Preparation(msgspec.Struct, frozen=True, gc=False):
    """A message to be stored where nobody sees it, until it is committed or rolled back."""

    batch: OutgoingBatch
    """A batch of this message alone."""
    transaction_id: str
    producer: str
    """Producer id: any producer of this id may be asked."""
    check: TransactionCheck


class InDoubt(msgspec.Struct, frozen=True, gc=False):
    """A prepared message without a decision."""

    transaction_id: str
    destination: str
    """Full name of the queue it is meant for."""
    partition: int | None
    producer: str
    prepared_ms: int
    checks: int
    """How often its producer was asked."""
    next_check_ms: int
    data: bytes
    """The encoded batch."""
