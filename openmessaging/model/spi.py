"""The driver SPI: what a messaging system must offer so that everything above works on it.

A driver translates and does nothing else: batching, interceptors, lifecycle, retries and the two faces are written
once above it. Every method exists twice with the same name and arguments: `Driver` is for asyncio, `BlockingDriver`
for threads; a driver that has only the first is bridged. All times in calls are seconds, all header fields ms.
What a system cannot do is absent from `capabilities`, and the method raises OMSUnsupportException.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from openmessaging.model.access_point import AccessPoint
from openmessaging.model.backup import Backups as Backups
from openmessaging.model.batch import Batch
from openmessaging.model.replay import Delivery as Delivery
from openmessaging.model.replay import Replays
from openmessaging.model.routing import Routes
from openmessaging.model.schedule import Schedules
from openmessaging.model.settings import Backoff as Backoff
from openmessaging.model.settings import GroupConfig as GroupConfig
from openmessaging.model.settings import QueueConfig as QueueConfig
from openmessaging.model.subscription import Subscription as Subscription
from openmessaging.model.timing import DelayedInfo as DelayedInfo
from openmessaging.model.timing import Timing as Timing
from openmessaging.model.unique import Original, ProducerEpoch, Unique

if TYPE_CHECKING:
    from openmessaging.model.transaction import InDoubt, Preparation, Settlement


class Capability(StrEnum):
    """What a driver may be able to do; each is proven by the conformance kit."""

    KEY_ORDER = "key-order"
    LEASE = "lease"
    EXTEND_LEASE = "extend-lease"
    NACK_DELAY = "nack-delay"
    DEAD_LETTER = "dead-letter"
    SEEK = "seek"
    BROWSE = "browse"
    BROADCAST = "broadcast"
    ATOMIC_BATCH = "atomic-batch"
    ADMIN = "admin"
    PEEK = "peek"
    COPY = "copy"
    REDRIVE = "redrive"
    TABLE = "table"
    TRANSACTIONS = "transactions"
    UNIQUE = "unique"
    """Batches are stored once, by a named producer's numbers or by a key within a window."""
    PRIORITY = "priority"
    MAILBOX = "mailbox"
    DELAY = "delay"
    """Messages are delivered later, to the millisecond, and never before."""
    RECALL = "recall"
    """What is delayed can be listed, cancelled and rescheduled until it is due."""
    EXPIRY = "expiry"
    SCHEDULE = "schedule"
    """Messages are sent by the system itself, at intervals or by cron."""
    FILTER = "filter"
    ROUTING = "routing"
    BACKUP = "backup"
    """A moment of the whole store can be read while it goes on."""
    """Routes from a queue through operators to queues; those without functions run where the messages are."""


class Durability(StrEnum):
    """How safe a message was when its send returned."""

    MEMORY = "memory"
    """In the memory of one process, or handed to the operating system but not synced."""
    FSYNC = "fsync"
    """Covered by a sync of one disk."""
    QUORUM = "quorum"
    """Synced by a majority of replicas."""


class OutgoingBatch(msgspec.Struct, gc=False):
    """A batch on its way: full queue name, partition (None: the driver picks) and the encoded bytes."""

    destination: str
    partition: int | None
    batch: Batch
    priority: int | None = None
    """1 to 10, of all its messages (with PRIORITY); None where none of them says."""
    timing: Timing | None = None
    """None for most batches: deliver at once, never expire."""
    unique: Unique | None = None
    """What makes it storable only once; for `commit` alone."""


class Placement(msgspec.Struct, frozen=True, gc=False):
    """Where a batch was stored: the offset of its first message, the others follow; -1 where a system does not say."""

    partition: int
    base_offset: int
    store_ms: int
    durability: Durability
    original: Original | None = None
    """Set when the batch was stored before, and not again: what the header of that one says."""


Done = Callable[[Placement | None, BaseException | None], object]
"""Called once with where a batch was stored, or with why it was not."""


class SubscriptionSpec(msgspec.Struct, frozen=True):
    """What a consumer asks for."""

    destination: str
    group: str
    config: GroupConfig
    broadcast: bool = False
    """A group of this consumer's own, deleted when it closes."""
    update: bool = False
    """Whether `config` replaces the settings of an existing group."""
    outside: bool = False
    """Set by a server: the consumer is in another process than the store, so that its leases outlive that one."""


class QueueInfo(msgspec.Struct, frozen=True):
    """A queue as `describe` shows it."""

    name: str
    """Full name."""
    partitions: int
    messages: int
    """Messages that can still be read, over all partitions."""
    offsets: list[tuple[int, int]]
    """(first, next) offset per partition, and behind them per lane."""
    groups: list[str]
    config: dict[str, Any]
    lanes: list[tuple[int, int]] = []
    """Per lane (numbered behind the partitions), the partition it belongs to and the priority of its messages."""
    delayed: int = 0
    """Messages that are not due yet."""
    expired: int = 0
    """Messages that expired before they were handed out, over all groups."""


class GroupInfo(msgspec.Struct, frozen=True):
    """A consumer group as `describe` shows it."""

    name: str
    queue: str
    lag: int
    """Messages that are not settled yet, those in flight included."""
    in_flight: int
    retrying: int
    """Messages that wait for their next attempt."""
    floors: list[int]
    """Per partition and lane, the offset below which all is settled."""
    dead_letter_queue: str
    oldest_ms: int | None
    """Store time of the oldest message not settled; None without lag."""
    config: GroupConfig
    expired: int = 0
    """Messages that expired before they were handed out."""


class Driver(Replays, Routes, Schedules, Backups, Protocol):
    """A messaging system reached by one access point."""

    capabilities: frozenset[Capability]
    max_body_bytes: int

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none (with ATOMIC_BATCH); returns when they are as durable as the placements say."""
        ...

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it (with TRANSACTIONS), whatever crashes;
        returns when it is as durable as the placements say.

        Raises as `send`; OMSRuntimeException 1418 when a lease has expired, does not hold an offset any more, or is of
        another system.
        """
        ...

    async def open_producer(self, name: str) -> ProducerEpoch:
        """Open a named producer (with UNIQUE); who opened the name before gets 1409 from now on."""
        ...

    async def prepare(self, preparation: Preparation) -> None:
        """Store a message that stays invisible until it is committed (with TRANSACTIONS).

        Raises as `send`; OMSRuntimeException 1502 when too many wait for their decision.
        """
        ...

    async def end_transaction(self, transaction_id: str, commit: bool) -> Placement | None:
        """Commit or roll back a prepared message; returns its place when this call committed it. Again is no error.

        Raises OMSTransactionException for the opposite of what was done, or a transaction that is not known.
        """
        ...

    async def check_transactions(self, producer: str, max_messages: int) -> list[InDoubt]:
        """Prepared messages of a producer id about which it has to be asked now; each counts as asked."""
        ...

    async def list_transactions(self) -> list[InDoubt]:
        """All prepared messages without a decision, the oldest first."""
        ...

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over in order and return at once; `done` is called in this loop, later, when `send` would
        return or raise."""
        ...

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call, where that is quicker than a turn of the loop; None, and nothing done, where
        it is not, or when it would have to wait. Raises as `send`."""
        ...

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn of the loop, just before what the turn submitted goes off: so that senders who
        collect share a sync or a round trip. `loop.call_soon` where nothing is gained by more."""
        ...

    def partition_count(self, destination: str) -> int | Awaitable[int]:
        """Number of partitions of a queue, created on first use where that is on. Raises 1404."""
        ...

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group, made when missing. Raises 1404 for a queue that may not be created."""
        ...

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset, leaving groups alone (lease_id 0); waits up to `wait` seconds for one at the end."""
        ...

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The batch that holds the message before an offset; None at the beginning."""
        ...

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time; the next offset to be written when there is none."""
        ...

    async def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        ...

    async def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        ...

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        ...

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it is there, 1405 when its namespace is missing."""
        ...

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change settings; raises 1404 when missing."""
        ...

    async def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""
        ...

    async def purge_queue(self, name: str) -> int:
        """Drop all messages; returns how many. Raises 1404 when missing."""
        ...

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted. Raises 1405 when the namespace is missing."""
        ...

    async def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""
        ...

    async def cancel_delayed(self, destination: str, message_id: str) -> bool:
        """With RECALL: take a delayed message of a queue back, never to be delivered; False when it is too late.

        Raises 1404 for a missing queue, 1418 for what is no id.
        """
        ...

    async def reschedule_delayed(self, destination: str, message_id: str, due_ms: int) -> bool:
        """With RECALL: let a delayed message be due at another time, ms since the epoch; as `cancel_delayed`."""
        ...

    async def list_delayed(self, destination: str, maximum: int) -> list[DelayedInfo]:
        """With RECALL: at most so many messages of a queue that are not due yet. Raises 1404."""
        ...

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue."""
        ...

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        ...

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group to `earliest`, `latest`, `offset:<n>` (of every partition) or `ts:<ms>`, or to an offset per
        partition (None: it stays); its leases in what moves end."""
        ...

    async def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        ...

    async def close(self) -> None:
        """Stop: what was acknowledged is safe, the rest fails with 1503."""
        ...


class DriverFactory(Protocol):
    """What an entry point of the group `openmessaging.drivers` names. It may also have `open_blocking`, with the same
    arguments, which returns a BlockingDriver, or None where only `open` will do."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Open the system. Raises OMSRuntimeException 10000 (with the cause) when it cannot."""
        ...
