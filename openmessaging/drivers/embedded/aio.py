"""The embedded driver for asyncio: sends go by `sender.py` beside this file; nothing else waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from openmessaging.broker.belonging import queues_of
from openmessaging.broker.outliving import write
from openmessaging.broker.resent import find_sent
from openmessaging.broker.runner import Runner
from openmessaging.broker.stored_bytes import StoredBytes
from openmessaging.broker.wakeups import Wake
from openmessaging.drivers.embedded.sender import LoopSender, call_in
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver, BlockingSubscription
from openmessaging.model.backup import BackupPlan
from openmessaging.model.mail import no_responders
from openmessaging.model.replay import CopyInfo, Refused, TableView
from openmessaging.model.routing import Explanation, Route, RouteInfo
from openmessaging.model.schedule import ScheduleInfo, ScheduleSpec
from openmessaging.model.spi import (
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
from openmessaging.system.loops import runs_here


class EmbeddedDriver:
    """The SPI's asyncio face on a store in this process. May be used from several loops."""

    def __init__(self, blocking: BlockingEmbeddedDriver) -> None:
        self._blocking = blocking
        self.runner = blocking.runner
        self._stored_bytes = StoredBytes(self.runner)
        self._senders: dict[asyncio.AbstractEventLoop, LoopSender] = {}
        self.capabilities = blocking.capabilities
        self.max_body_bytes = blocking.max_body_bytes
        self.hand_over = blocking.hand_over
        self.mailboxes = blocking.mailboxes
        self.open_mailbox = blocking.open_mailbox
        self.close_mailbox = blocking.close_mailbox
        self.post = blocking.post
        self.has_mailbox = blocking.has_mailbox
        self.services = blocking.services
        self.totals = blocking.totals

    def _sender(self) -> LoopSender:
        loop = asyncio.get_running_loop()
        sender = self._senders.get(loop)
        if sender is None:
            for old in list(self._senders):
                if old.is_closed():
                    self._senders.pop(old, None)
            sender = self._senders[loop] = LoopSender(self.runner, self._blocking.transactor, loop)
        return sender

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none."""
        return await self._sender().send(batches)

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""
        return await self._sender().commit(batches, self._blocking.settled(settlements))

    async def open_producer(self, name: str) -> ProducerEpoch:
        """Open a named producer."""
        return await asyncio.to_thread(self._blocking.open_producer, name)

    async def prepare(self, preparation: Preparation) -> None:
        """Store a message that stays invisible until it is committed."""
        await asyncio.to_thread(self._blocking.prepare, preparation)

    async def end_transaction(self, transaction_id: str, commit: bool) -> Placement | None:
        """Commit or roll back a prepared message."""
        return await asyncio.to_thread(self._blocking.end_transaction, transaction_id, commit)

    async def check_transactions(self, producer: str, max_messages: int) -> list[InDoubt]:
        """Prepared messages about which a producer has to be asked now."""
        return self._blocking.check_transactions(producer, max_messages)

    async def list_transactions(self) -> list[InDoubt]:
        """All prepared messages without a decision."""
        return self._blocking.list_transactions()

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over; `done` is called when it is durable."""
        self._sender().submit(batch, done)

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request. Raises OMSRuntimeException 1503 when nobody serves its queue."""
        if not self.services(batch.destination):
            raise no_responders(batch.destination)
        self.submit(batch, done)

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call, if that takes no longer than a quick sync."""
        return self._sender().send_now(batch)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn of the loop, before what it submitted goes to the log."""
        self._sender().soon(callback)

    async def find_sent(self, batch: OutgoingBatch, since_ms: int) -> Placement | None:
        """Where a batch was stored at or after a time, for one that is sent again."""
        return await asyncio.to_thread(find_sent, self.runner, batch, since_ms)

    def queues_of(self, kind: str, name: str) -> list[str]:
        """The queues that something with a name of its own belongs to."""
        return queues_of(self.runner, kind, name)

    def stored_bytes(self, wanted: Callable[[str], bool]) -> int:
        """Bytes that the queues hold whose names are wanted; for one thread at a time."""
        return self._stored_bytes.of(wanted)

    def written(self) -> Awaitable[object] | None:
        """None once all that was decided so far would outlive this process; else wait for what is returned."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        return None if write(self.runner, lambda _: call_in(loop, done.set)) else done.wait()

    def partition_count(self, destination: str) -> int:
        """Number of partitions, creating the queue on first use."""
        return self._blocking.partition_count(destination)

    async def subscribe(self, spec: SubscriptionSpec) -> EmbeddedSubscription:
        """Join or create a consumer group."""
        return EmbeddedSubscription(await asyncio.to_thread(self._blocking.subscribe, spec), self.runner)

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset, waiting at the end."""
        blocking = self._blocking
        return await _until(
            wait,
            lambda wake: blocking.browse(destination, partition, offset, max_messages, wake),
            lambda wake: blocking.forget_browser(destination, partition, wake),
        )

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The batch that holds the message before an offset."""
        return self._blocking.read_before(destination, partition, offset)

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time."""
        return self._blocking.find_time(destination, partition, timestamp_ms)

    async def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        await asyncio.to_thread(self._blocking.create_namespace, name)

    async def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        await asyncio.to_thread(self._blocking.delete_namespace, name)

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        return self._blocking.list_namespaces()

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it is there, 1405 when its namespace is missing."""
        await asyncio.to_thread(self._blocking.create_queue, name, partitions, config)

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Raises 1404 when missing."""
        await asyncio.to_thread(self._blocking.update_queue, name, config)

    async def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""
        await asyncio.to_thread(self._blocking.delete_queue, name)

    async def purge_queue(self, name: str) -> int:
        """Drop all messages; returns how many."""
        return await asyncio.to_thread(self._blocking.purge_queue, name)

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted."""
        return self._blocking.list_queues(namespace)

    async def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""
        return self._blocking.describe_queue(name)

    async def cancel_delayed(self, destination: str, message_id: str) -> bool:
        """Take a delayed message back."""
        return await asyncio.to_thread(self._blocking.cancel_delayed, destination, message_id)

    async def reschedule_delayed(self, destination: str, message_id: str, due_ms: int) -> bool:
        """Let a delayed message be due at another time."""
        return await asyncio.to_thread(self._blocking.reschedule_delayed, destination, message_id, due_ms)

    async def list_delayed(self, destination: str, maximum: int) -> list[DelayedInfo]:
        """Messages that are not due yet."""
        return await asyncio.to_thread(self._blocking.list_delayed, destination, maximum)

    async def create_schedule(self, spec: ScheduleSpec, replace: bool) -> ScheduleInfo:
        """Create a schedule, or change the one of its name."""
        return await asyncio.to_thread(self._blocking.create_schedule, spec, replace)

    async def list_schedules(self) -> list[ScheduleInfo]:
        """All schedules, by name."""
        return self._blocking.list_schedules()

    async def pause_schedule(self, name: str, paused: bool) -> ScheduleInfo:
        """Pause a schedule, or let it go on."""
        return await asyncio.to_thread(self._blocking.pause_schedule, name, paused)

    async def delete_schedule(self, name: str) -> None:
        """Raises 1404 when missing."""
        await asyncio.to_thread(self._blocking.delete_schedule, name)

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue."""
        return self._blocking.list_groups(queue)

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        return self._blocking.describe_group(queue, group)

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group; its leases end."""
        await asyncio.to_thread(self._blocking.seek_group, queue, group, to)

    async def peek(self, queue: str, group: str, max_messages: int, max_bytes: int) -> list[Delivery]:
        """What the group's next fetch would bring."""
        return self._blocking.peek(queue, group, max_messages, max_bytes)

    async def begin_copy(
        self, name: str, source: str, target: str, bounds: Sequence[tuple[int, int]], keep: bool
    ) -> CopyInfo:
        """Begin a copy, or take up the one of that name."""
        return await asyncio.to_thread(self._blocking.begin_copy, name, source, target, bounds, keep)

    async def advance_copy(self, name: str, max_messages: int) -> CopyInfo:
        """Copy about that many messages more."""
        return await asyncio.to_thread(self._blocking.advance_copy, name, max_messages)

    async def list_copies(self) -> list[CopyInfo]:
        """Copies under way, and those that are remembered."""
        return self._blocking.list_copies()

    async def end_copy(self, name: str) -> None:
        """Give a copy up, or forget it."""
        await asyncio.to_thread(self._blocking.end_copy, name)

    async def open_view(self, destination: str) -> TableView:
        """See a queue as it is now."""
        return self._blocking.open_view(destination)

    async def renew_view(self, view_id: int) -> None:
        """Go on with a view."""
        self._blocking.renew_view(view_id)

    async def close_view(self, view_id: int) -> None:
        """It is not needed any more."""
        self._blocking.close_view(view_id)

    async def begin_backup(self) -> BackupPlan:
        """Hold on to the store as it is now."""
        return await asyncio.to_thread(self._blocking.begin_backup)

    async def read_backup(self, backup_id: int, base_position: int, at: int, size: int) -> bytes:
        """Bytes of what is held."""
        return await asyncio.to_thread(self._blocking.read_backup, backup_id, base_position, at, size)

    async def end_backup(self, backup_id: int) -> None:
        """It is not needed any more."""
        self._blocking.end_backup(backup_id)

    async def create_route(self, route: Route, start: str) -> None:
        """Add a route."""
        await asyncio.to_thread(self._blocking.create_route, route, start)

    async def delete_route(self, name: str) -> None:
        """Remove a route with its group."""
        await asyncio.to_thread(self._blocking.delete_route, name)

    async def list_routes(self, namespace: str) -> list[RouteInfo]:
        """The routes of a namespace, by name."""
        return self._blocking.list_routes(namespace)

    async def describe_route(self, name: str) -> RouteInfo:
        """Raises 1404 when missing."""
        return self._blocking.describe_route(name)

    async def explain_route(self, queue: str, message: bytes) -> list[Explanation]:
        """What the routes of a queue would do with a message."""
        return await asyncio.to_thread(self._blocking.explain_route, queue, message)

    async def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        await asyncio.to_thread(self._blocking.delete_group, queue, group)

    async def close(self) -> None:
        """Let the store go; the last user closes it."""
        await asyncio.to_thread(self._blocking.close)


class EmbeddedSubscription:
    """A task's hold on a consumer group."""

    def __init__(self, blocking: BlockingSubscription, runner: Runner) -> None:
        self._blocking = blocking
        self.runner = runner
        self.group = blocking.group
        self._outside = blocking.outside
        self.ack = blocking.ack
        self.nack = blocking.nack
        self.reject = blocking.reject
        self.release = blocking.release
        self.extend = blocking.extend

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages as soon as there are any; empty after `wait` seconds. Nothing is leased while it waits, so
        cancelling it loses nothing."""
        group, outside = self.group, self._outside
        receive = self.runner.receive
        return await _until(
            wait,
            lambda wake: receive(group, max_messages, max_bytes, wake, outside),
            lambda wake: self.runner.forget_receiver(group, wake),
        )

    async def move(
        self,
        lease_id: int,
        offsets: Sequence[int] | None,
        target: str | None,
        max_redrives: int,
        allowed: Callable[[str], bool] | None = None,
    ) -> list[Refused]:
        """Send dead letters back and settle them here, in one step; see the blocking one for `allowed`."""
        return await asyncio.to_thread(self._blocking.move, lease_id, offsets, target, max_redrives, allowed)

    async def flush(self) -> None:
        """Return when every settlement made so far is durable."""
        await asyncio.to_thread(self._blocking.flush)

    async def close(self) -> None:
        """Let go; a broadcast group ends with its only consumer."""
        await asyncio.to_thread(self._blocking.close)


async def _until(
    wait: float, take: Callable[[Wake | None], list[Delivery] | None], forget: Callable[[Wake], None]
) -> list[Delivery]:
    """What `take` gives, as soon as it gives something; `take` registers the wake it is handed, and gives None when it
    has more to look at: meanwhile the loop has its turn."""
    if wait <= 0:
        while (found := take(None)) is None:  # noqa: ASYNC110 - it goes on with work, it does not poll
            await asyncio.sleep(0)
        return found
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        arrived: asyncio.Future[bool] = loop.create_future()
        wake = partial(_wake, loop, arrived)
        found = take(wake)
        if found:
            return found
        if found is None and loop.time() < deadline:
            await asyncio.sleep(0)
            continue
        timer = loop.call_at(deadline, _set, arrived, False)
        try:
            if not await arrived:
                forget(wake)
                return []
        except BaseException:
            forget(wake)
            raise
        finally:
            timer.cancel()


def _wake(loop: asyncio.AbstractEventLoop, arrived: asyncio.Future[bool]) -> None:
    if runs_here(loop):
        _set(arrived, True)  # who waits goes on in the next turn; nothing has to be woken for it
    else:
        call_in(loop, _set, arrived, True)


def _set(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
