"""The embedded driver for threads: straight calls into the store, no event loop and no change of threads."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Sequence

from openmessaging.broker.admin import Admin
from openmessaging.broker.backups import BackupAdmin
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import Entry, Extend
from openmessaging.broker.group import Group
from openmessaging.broker.mailboxes import Offer, Take
from openmessaging.broker.runner import Runner
from openmessaging.broker.store import Store
from openmessaging.broker.transactions import Settled
from openmessaging.broker.transactor import Transactor
from openmessaging.broker.wakeups import Wake
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, error
from openmessaging.model.mail import ServiceInfo, no_responders
from openmessaging.model.replay import Refused
from openmessaging.model.spi import Capability, Delivery, Done, OutgoingBatch, Placement, SubscriptionSpec
from openmessaging.model.transaction import InDoubt, Preparation, Settlement
from openmessaging.model.unique import ProducerEpoch

CAPABILITIES = frozenset(Capability)
MAX_BODY_BYTES = 4 << 20


class BlockingEmbeddedDriver(Admin, BackupAdmin):
    """The SPI's blocking face on a store in this process. Safe for many threads."""

    capabilities = CAPABILITIES
    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, store: Store, release: Callable[[], None]) -> None:
        super().__init__(store.runner)
        self.transactor = Transactor(store.runner)
        self.mailboxes = mailboxes = store.mailboxes
        self.close_mailbox = mailboxes.close
        self.post = mailboxes.post
        self.hand_over = store.hand_overs.give
        self.send = store.runner.send
        """Store all batches or none; returns when they are as durable as the store's flush mode says."""
        self._release: Callable[[], None] | None = release

    def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, in one entry of the log, or do none of it."""
        return self.transactor.commit(batches, self.settled(settlements))

    def open_producer(self, name: str) -> ProducerEpoch:
        """Open a named producer."""
        return self.transactor.open_producer(name)

    def prepare(self, preparation: Preparation) -> None:
        """Store a message that stays invisible until it is committed."""
        self.transactor.prepare(preparation)

    def end_transaction(self, transaction_id: str, commit: bool) -> Placement | None:
        """Commit or roll back a prepared message."""
        return self.transactor.end(transaction_id, commit)

    def check_transactions(self, producer: str, max_messages: int) -> list[InDoubt]:
        """Prepared messages about which a producer has to be asked now."""
        return self.transactor.checks(producer, max_messages)

    def list_transactions(self) -> list[InDoubt]:
        """All prepared messages without a decision."""
        return self.transactor.in_doubt()

    def settled(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Settlements as the broker knows them. Raises 1418 for one of another store."""
        found: list[Settled] = []
        for settlement in settlements:
            subscription = settlement.subscription
            if getattr(subscription, "runner", None) is not self.runner:
                step = "Acknowledge it with its consumer, after the transaction"
                raise error(1418, "a message that was received elsewhere", next_step=step, field="receipt")
            group: Group = subscription.group  # type: ignore[attr-defined] # one of the two faces'
            found.append(Settled(group.id, settlement.lease_id, settlement.offsets))
        return found

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Append one batch now; `done` is called when it is durable."""
        runner = self.runner
        with runner.lock:
            placements, index = runner.stage_send_locked((batch,))

            def release(error: OMSRuntimeException | None) -> None:
                done(placements[0] if error is None else None, error)

            runner.committer.wait_locked(index, release)

    def open_mailbox(self, take: Take, serves: tuple[str, str] | None = None, offer: Offer | None = None) -> str:
        """Open a mailbox of this process."""
        address = secrets.token_hex(8)
        self.mailboxes.open(address, take, serves, offer)
        return address

    def services(self, queue: str | None = None) -> list[ServiceInfo]:
        """The services at work in this process."""
        return self.mailboxes.services(queue)

    def has_mailbox(self, address: str, _seen_ms: int = 0) -> bool:
        """Whether a mailbox is open."""
        return self.mailboxes.has(address)

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request. Raises OMSRuntimeException 1503 when nobody serves its queue."""
        if not self.mailboxes.services(batch.destination):
            raise no_responders(batch.destination)
        self.submit(batch, done)

    def partition_count(self, destination: str) -> int:
        """Number of partitions, creating the queue on first use."""
        return self.ensure_queue(destination)

    def subscribe(self, spec: SubscriptionSpec) -> BlockingSubscription:
        """Join or create a consumer group."""
        return BlockingSubscription(self, self.join(spec), spec)

    def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset, waiting at the end."""
        return until(
            self.runner,
            wait,
            lambda wake: self.browse(destination, partition, offset, max_messages, wake),
            lambda wake: self.forget_browser(destination, partition, wake),
        )

    def close(self) -> None:
        """Let the store go; the last user closes it. Safe to call twice."""
        release, self._release = self._release, None
        if release is not None:
            release()


class BlockingSubscription:
    """A thread's hold on a consumer group."""

    def __init__(self, driver: BlockingEmbeddedDriver, group: Group, spec: SubscriptionSpec) -> None:
        self._driver = driver
        self.runner = driver.runner
        self.group = group
        self.outside = spec.outside
        self._broadcast = spec.broadcast

    def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages as soon as there are any; empty after `wait` seconds."""
        runner, group, outside = self.runner, self.group, self.outside
        return until(
            runner,
            wait,
            lambda wake: runner.receive(group, max_messages, max_bytes, wake, outside),
            lambda wake: runner.forget_receiver(group, wake),
        )

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease."""
        self.runner.ack(self.group.id, lease_id, offsets)

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed."""
        group_id = self.group.id
        self.runner.give_back(
            lambda engine, now_ms: engine.decide_nack(now_ms, group_id, lease_id, offsets, delay, reason)
        )

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now."""
        group_id = self.group.id
        self.runner.give_back(lambda engine, now_ms: engine.decide_reject(now_ms, group_id, lease_id, offsets, reason))

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled."""
        group_id = self.group.id
        self.runner.give_back(lambda engine, now_ms: engine.decide_release(now_ms, group_id, lease_id, offsets))

    def move(
        self,
        lease_id: int,
        offsets: Sequence[int] | None,
        target: str | None,
        max_redrives: int,
        allowed: Callable[[str], bool] | None = None,
    ) -> list[Refused]:
        """Send dead letters back and settle them here, in one step; returns those that stay, also those that are not
        `allowed` to the queue that they came from."""
        group_id = self.group.id
        refused: list[Refused] = []

        def decide(engine: Engine, now_ms: int) -> Entry:
            entry, stay = engine.decide_move(now_ms, group_id, lease_id, offsets, target, max_redrives, allowed)
            refused.extend(stay)
            return entry

        self.runner.change(decide)
        return refused

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last longer; returns its new deadline in ms."""
        group_id = self.group.id
        entry = self.runner.give_back(
            lambda engine, now_ms: engine.decide_extend(now_ms, group_id, lease_id, invisible_time)
        )
        return next(operation.deadline_ms for operation in entry.operations if isinstance(operation, Extend))

    def flush(self) -> None:
        """Return when every settlement made so far is durable."""
        self.runner.flush()

    def close(self) -> None:
        """Let go; a broadcast group ends with its only consumer."""
        if self._broadcast:
            self._broadcast = False
            with contextlib.suppress(OMSDestinationException):  # gone already, with its queue
                self._driver.delete_group(self.group.queue.name, self.group.name)


def until(
    runner: Runner, wait: float, take: Callable[[Wake | None], list[Delivery] | None], forget: Callable[[Wake], None]
) -> list[Delivery]:
    """What `take` gives, as soon as it gives something, for `wait` seconds; `take` registers the wake it is handed, and
    gives None when it has more to look at."""
    if wait <= 0:
        while (found := take(None)) is None:
            pass
        return found
    clock = runner.clock.monotonic
    deadline = clock() + wait
    while True:
        arrived = threading.Event()
        found = take(arrived.set)
        if found:
            return found
        if found is None and clock() < deadline:
            continue
        if not arrived.wait(max(0.0, deadline - clock())):
            forget(arrived.set)
            return []
