"""The driver SPI for threads: the same names and meanings as in `openmessaging.model.spi`, without `await`.

A driver offers it where calling straight through is worth it (the embedded store); any other is bridged. All methods
may be called from many threads at once. Closing a subscription wakes a waiting `fetch`, which returns an empty list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from openmessaging.model.backup import BlockingBackups
from openmessaging.model.replay import BlockingReplays, Refused
from openmessaging.model.routing import BlockingRoutes
from openmessaging.model.schedule import BlockingSchedules
from openmessaging.model.spi import (
    Capability,
    DelayedInfo,
    Delivery,
    Done,
    GroupInfo,
    OutgoingBatch,
    Placement,
    QueueInfo,
    SubscriptionSpec,
)
from openmessaging.model.transaction import InDoubt, Preparation, Settlement
from openmessaging.model.unique import ProducerEpoch


class BlockingSubscription(Protocol):
    """A consumer's hold on a group, see `Subscription`."""

    def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages, as soon as there is one; an empty list after `wait` seconds or when it was closed."""
        ...

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease."""
        ...

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed."""
        ...

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now."""
        ...

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled."""
        ...

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last that many seconds from now; returns the new deadline in ms."""
        ...

    def move(
        self, lease_id: int, offsets: Sequence[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        """Send dead letters to `target` (None: where each came from) under their old ids and settle them here, in one
        step; returns when that is durable. Those of unknown origin, and those sent back `max_redrives` times before,
        stay in the lease and are returned. Raises as `ack`, and 1404. Needs REDRIVE."""
        ...

    def flush(self) -> None:
        """Return when every settlement made so far is durable."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class BlockingDriver(BlockingReplays, BlockingRoutes, BlockingSchedules, BlockingBackups, Protocol):
    """A messaging system reached by one access point, see `Driver`."""

    capabilities: frozenset[Capability]
    max_body_bytes: int

    def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none; returns when they are as durable as the placements say."""
        ...

    def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""
        ...

    def open_producer(self, name: str) -> ProducerEpoch:
        """Open a named producer; who opened the name before gets 1409 from now on."""
        ...

    def prepare(self, preparation: Preparation) -> None:
        """Store a message that stays invisible until it is committed."""
        ...

    def end_transaction(self, transaction_id: str, commit: bool) -> Placement | None:
        """Commit or roll back a prepared message."""
        ...

    def check_transactions(self, producer: str, max_messages: int) -> list[InDoubt]:
        """Prepared messages of a producer id about which it has to be asked now; each counts as asked."""
        ...

    def list_transactions(self) -> list[InDoubt]:
        """All prepared messages without a decision, the oldest first."""
        ...

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over in order and return at once; `done` is called by any thread."""
        ...

    def partition_count(self, destination: str) -> int:
        """Number of partitions of a queue. Raises 1404."""
        ...

    def subscribe(self, spec: SubscriptionSpec) -> BlockingSubscription:
        """Join a consumer group, made when missing."""
        ...

    def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset, leaving groups alone."""
        ...

    def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The batch that holds the message before an offset; None at the beginning."""
        ...

    def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time."""
        ...

    def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        ...

    def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        ...

    def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        ...

    def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it is there, 1405 when its namespace is missing."""
        ...

    def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change settings; raises 1404 when missing."""
        ...

    def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""
        ...

    def purge_queue(self, name: str) -> int:
        """Drop all messages; returns how many. Raises 1404 when missing."""
        ...

    def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted. Raises 1405 when the namespace is missing."""
        ...

    def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""
        ...

    def cancel_delayed(self, destination: str, message_id: str) -> bool:
        """With RECALL: take a delayed message of a queue back, never to be delivered; False when it is too late.

        Raises 1404 for a missing queue, 1418 for what is no id.
        """
        ...

    def reschedule_delayed(self, destination: str, message_id: str, due_ms: int) -> bool:
        """With RECALL: let a delayed message be due at another time, ms since the epoch; as `cancel_delayed`."""
        ...

    def list_delayed(self, destination: str, maximum: int) -> list[DelayedInfo]:
        """With RECALL: at most so many messages of a queue that are not due yet. Raises 1404."""
        ...

    def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue."""
        ...

    def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        ...

    def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group to `earliest`, `latest`, `offset:<n>` (of every partition) or `ts:<ms>`, or to an offset per
        partition (None: it stays); its leases in what moves end."""
        ...

    def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        ...

    def close(self) -> None:
        """Stop: what was acknowledged is safe, the rest fails with 1503."""
        ...
