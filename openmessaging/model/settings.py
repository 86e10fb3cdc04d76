"""Settings that are stored with queues and groups; part of the driver SPI (`spi.py`)."""

from __future__ import annotations

from typing import Literal

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """When a failed message comes back: `initial * factor ** (attempt - 1)` seconds, at most `maximum`, varied by up to
    `jitter` (0 to 1) of it; after `max_delivery` deliveries it goes to the dead-letter queue."""

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 300.0
    jitter: float = 0.1
    max_delivery: int = 16

    def delay(self, attempt: int, drawn: float) -> float:
        """Seconds that a message stays away after its `attempt`-th delivery; `drawn` is a random number from 0 to 1."""
        try:
            delay = min(self.initial * self.factor ** (attempt - 1), self.maximum)
        except OverflowError:
            delay = self.maximum
        return delay * (1 + self.jitter * (2 * drawn - 1))


class GroupConfig(msgspec.Struct, frozen=True):
    """Settings of a consumer group, stored with it."""

    start: str = "earliest"
    """Where a new group begins: `earliest`, `latest`, `offset:<n>` or `ts:<ms>`."""
    order: Literal["none", "key"] = "none"
    """`key`: one message of a key is in flight per group, others in parallel."""
    invisible_time: float = 30.0
    """Seconds that a received message stays hidden from the rest of its group."""
    backoff: Backoff = Backoff()
    broadcast: bool = False
    """One consumer's own group: it ends with that consumer, or with the process that held the store."""
    filter: str | None = None
    """An SQL condition: messages that do not match it are passed over. None or empty: every message comes."""


class QueueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a queue, stored with it: what may be dropped to give space back."""

    retention: Literal["consumed", "keep"] = "consumed"
    """`consumed`: what every group has settled (nothing without a group); `keep`: only age and size decide."""
    retention_age: float | None = None
    """Seconds after which a message may go, consumed or not."""
    retention_bytes: int | None = None
    """Bytes per partition beyond which the oldest messages may go, consumed or not."""
    compact: bool = False
    """A table: the newest message of each key stays for good, older ones of the key go, nothing else does. Every
    message needs a key; one with an empty body, a tombstone, takes its key out of the table."""
    tombstone_age: float = 86_400.0
    """Seconds after which a tombstone may go, once every group has settled it: readers have so long to see it."""
    deduplication_window: float | None = None
    """Seconds for which a message sent with a key by `send_once` is not stored again; None: such sends are refused."""
    expired_queue: str | None = None
    """Queue that gets a copy of each message that expires for a group; a bare name lies in the same namespace."""
    filter: str | None = None
    """An SQL condition: groups of this queue get only what matches it, and their own. None or empty: everything."""
