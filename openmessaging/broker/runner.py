"""The shell around the engine: one lock, the log, the index, and who is told when something is durable or there.

Every change takes the same way: under the lock the engine decides, the entry is appended to the log and applied; then
the committer makes it durable, with whatever else arrived meanwhile. Sends are answered when a sync has covered them;
leases and acknowledgements count at once and reach the disk with the next sync.
Drivers come in at `stage_send`; the log is next; `receive` asks the engine for leases and `contents.py` for batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from openmessaging.broker import filtering, ranges
from openmessaging.broker.alarm import Alarm
from openmessaging.broker.committer import Committer, Waiter
from openmessaging.broker.contents import StoredContents, is_copy, place
from openmessaging.broker.engine import Engine
from openmessaging.broker.entry import FORMAT as ENTRY_FORMAT
from openmessaging.broker.entry import PLAIN, Entry, Extend, Lease, Retry, Select, Settle, Skip, encode
from openmessaging.broker.group import Group
from openmessaging.broker.holds import Holds
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.partition import Partition
from openmessaging.broker.tally import Tally
from openmessaging.broker.views import Views
from openmessaging.broker.wakeups import Wake, Wakeups
from openmessaging.model.batch import Batch
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Delivery, Durability, OutgoingBatch, Placement
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.interface import Storage
from openmessaging.system import Clock


class Runner:
    """Runs an engine on a log. All methods may be called from any thread.

    Args:
        storage: the log, owned by the runner from now on.
        engine: the state, already recovered from the log.
        indexes: where the batches of each partition lie.
        clock: where time comes from.
        durable: True for `flush=always`: a send is answered after the sync that covers it.
    """

    def __init__(
        self,
        storage: Storage,
        engine: Engine,
        indexes: PartitionIndexes,
        contents: StoredContents,
        clock: Clock,
        *,
        durable: bool,
        durability: Durability,
    ) -> None:
        self.storage = storage
        self.engine = engine
        self.indexes = indexes
        self.contents = contents
        self.clock = clock
        self.durable = durable
        self.durability = durability
        self.lock = threading.Lock()
        self.committer = Committer(storage, self.lock, self._on_durable, clock, sync=durable)
        self._acks: dict[int, list[int]] = {}
        self.receivers = Wakeups()
        """By group id."""
        self.readers = Wakeups()
        """By partition id."""
        self.views = Views()
        self.holds = Holds()
        self.tally: Tally | None = None
        """Counts what groups are handed and settle, where somebody asks."""
        self.on_dirty: Wake = _nothing
        """Called under the lock when something was staged that nobody waits for."""
        self.alarm = Alarm(engine)
        self._dirty = False
        self.closed: OMSRuntimeException | None = None
        """Set once it takes nothing any more: what calls raise then."""
        self._lost: OMSRuntimeException | None = None

    # ---- sending -------------------------------------------------------------------------------------------------

    def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store batches, all in one entry; blocks until they are as durable as the placements say.

        Raises OMSRuntimeException: 1404, 1405 for a missing queue or namespace, 1501 when the disk is full or failed,
        1503 after `close`.
        """
        committer = self.committer
        with self.lock:
            placements, index = self.stage_send_locked(batches)
            if committer.claim_locked():
                waiter = None
            else:
                waiter = Waiter()
                committer.wait_locked(index, waiter)
        if waiter is None:
            committer.lead()
        else:
            committer.wait(waiter)
        return placements

    def stage_send_locked(self, batches: Sequence[OutgoingBatch]) -> tuple[list[Placement], int]:
        """Append a send to the log without waiting; returns the placements and the entry's index."""
        if self.committer.failure is not None:
            raise self.committer.failure
        if len(batches) == 1:
            outgoing = batches[0]
            queue = self.engine.queues.get(outgoing.destination)
            if (
                queue is not None
                and queue.count == 1
                and not outgoing.partition
                and outgoing.priority is None
                and outgoing.timing is None
                and not queue.compact
                and not self.closed
            ):
                return self._append_batch(queue.partitions[0], outgoing.batch)
        return self.stage_sent_locked(lambda engine, now_ms: engine.decide_send(now_ms, batches))

    def stage_sent_locked(self, decide: Callable[[Engine, int], Entry]) -> tuple[list[Placement], int]:
        """Append what places batches, and whatever happens with it, without waiting; as `stage_send_locked`."""
        entry = decide(self.engine, self.clock.now_ms())
        index = self.stage_locked(entry, reserved=False)
        partitions = self.engine.partitions
        return [
            Placement(partitions[placed.partition_id].number, placed.base_offset, placed.store_ms, self.durability)
            for placed in entry.placed
        ], index

    def _append_batch(self, partition: Partition, batch: Batch) -> tuple[list[Placement], int]:
        """The common case: one batch for a queue of one partition. Same bytes as `entry.encode` makes."""
        now_ms = self.clock.now_ms()
        base_offset = partition.end
        head, payload = batch.head, batch.payload
        plain = PLAIN.pack(ENTRY_FORMAT, 1, 0, now_ms, partition.id, base_offset, now_ms, 0)
        try:
            result = self.storage.append((plain, head, payload))
            index = result.index
            self.engine.apply_send(partition, batch.count, index)
            position = result.body_position + PLAIN.size
            self.indexes.add(partition.id, base_offset, batch.count, position, len(head) + len(payload), now_ms)
        except BaseException as cause:
            self._interrupted(cause)
            raise
        return [Placement(partition.number, base_offset, now_ms, self.durability)], index

    def stage_locked(self, entry: Entry, *, reserved: bool = True) -> int:
        """Append a decided entry to the log and apply it; returns its index."""
        if self.closed:
            raise self.closed
        if self.committer.failure is not None:
            return self._apply_in_memory(entry, self.committer.failure)
        parts, starts = encode(entry)
        copies = [is_copy(self.engine, placed) for placed in entry.placed]
        try:
            result = self.storage.append(parts, reserved=reserved)
            if self.tally is not None:
                self.tally.applying(self.engine, entry)
            self.engine.apply(entry, result.index)
            for placed, batch, start, copy in zip(entry.placed, entry.batches, starts, copies, strict=True):
                # The index moves to a copy once that is durable, see `reclaim`; that of a deleted queue is gone.
                if not copy and placed.partition_id in self.engine.partitions:
                    place(self.indexes, placed, result.body_position + start, batch.size, copy=False)
            self.alarm.applied(entry)
        except BaseException as cause:
            self._interrupted(cause)
            raise
        if reserved and not self._dirty:  # who sends waits by himself
            self._dirty = True
            self.on_dirty()
        if self.engine.woken:
            self._wake()
        return result.index

    def _interrupted(self, cause: BaseException) -> None:
        """An entry may be in the log and not in the state (Ctrl-C in between): nothing may be built on that state, so
        the store takes nothing more until it is opened again. A refusal of the log itself leaves both as they were."""
        if not isinstance(cause, OMSRuntimeException):
            self.committer.failure = OMSRuntimeException(
                1501, f"interrupted while changing the store: {cause!r}", next_step="Open the store again"
            )

    def _apply_in_memory(self, entry: Entry, failure: OMSRuntimeException) -> int:
        """On a log that failed, leases and their ends still count until the store is closed: what is visible can be
        read and handled, and comes again after the next opening. Nothing else is done: raises the failure."""
        if entry.placed or not all(isinstance(operation, _HELD_IN_MEMORY) for operation in entry.operations):
            raise failure
        index = self.storage.max_index()
        self.engine.apply(entry, index)
        if self.engine.woken:
            self._wake()
        return index

    def change(self, decide: Callable[[Engine, int], Entry | None]) -> None:
        """Decide and apply a change of the state and wait until it is durable."""
        with self.lock:
            self._settle_acks()
            entry = decide(self.engine, self.clock.now_ms())
            if entry is None or not entry.operations:
                return
            self.stage_locked(entry)
        self.flush()

    def flush(self) -> None:
        """Return once everything staged so far is on disk, whatever the flush mode. Raises OMSRuntimeException 1501."""
        with self.lock:
            self._settle_acks()
            failure = self.committer.failure or self._lost
            if failure is not None:
                raise failure
            index = self.storage.max_index()
            if self.storage.durable_index() >= index:
                return
            lead = self.committer.claim_locked()
            if not lead:
                waiter = Waiter()
                self.committer.wait_locked(index, waiter, sync=True)
        if lead:
            self.committer.lead(sync=True)
        else:
            self.committer.wait(waiter)

    # ---- receiving -----------------------------------------------------------------------------------------------

    def receive(
        self, group: Group, max_messages: int, max_bytes: int, wake: Wake | None, outside: bool = False
    ) -> list[Delivery] | None:
        """Lease messages; with none there, `wake` is registered and called once when there may be some. None: some were
        looked at and passed over; ask again at once. `outside`: they go to a process that may outlive this one.

        Raises OMSRuntimeException 1404 when the group was deleted, 1501 for damage in the log (with its position).
        """
        while True:
            with self.lock:
                now_ms = self.tick_locked()
                reach = self.contents.reach(max_bytes, outside=outside)
                entry = self.engine.decide_receive(now_ms, group, max_messages, reach, outside)
                if entry.operations:
                    self.stage_locked(entry)
                leases = filtering.leases(entry)
                if not leases:
                    if entry.operations:
                        return None
                    if wake is not None:
                        self.receivers.add(group.id, wake)
                    return []
                found = self.contents.found(leases, self.engine, reach)
            try:
                deliveries = self.contents.deliveries_of(group.queue.name, found)
            except OMSRuntimeException:
                with self.lock:  # a segment may have gone meanwhile and its messages moved: look again, once
                    found = self.contents.found(leases, self.engine)
                deliveries = self.contents.deliveries_of(group.queue.name, found)
            if deliveries:  # else all of it was gone from a compacted queue
                return deliveries

    def forget_receiver(self, group: Group, wake: Wake) -> None:
        """Take back a registration of `receive`."""
        with self.lock:
            self.receivers.forget(group.id, wake)

    def tick_locked(self) -> int:
        """Apply acknowledgements and whatever has become due; returns the time in ms. Raises 1503 when closed."""
        if self.closed:
            raise self.closed
        self._settle_acks()
        now_ms = self.clock.now_ms()
        deadline = self.engine.next_deadline()
        if deadline is not None and deadline <= now_ms:
            entry = self.engine.tick(now_ms)
            if entry is not None:
                try:
                    self.stage_locked(entry)
                except OMSRuntimeException:
                    if self.committer.failure is None:
                        raise
                    # Dead letters can be stored no more: those leases stay as they are.
            elif self.engine.woken:
                self._wake()
        self._fire(now_ms)
        return now_ms

    def _fire(self, now_ms: int) -> None:
        """Send on what is due by the clock; what cannot be stored now is late rather than lost."""
        entry = self.alarm.due(now_ms)
        if entry is not None:
            try:
                self.stage_locked(entry, reserved=False)
            except OMSRuntimeException:
                self.alarm.put_off(now_ms)
            else:
                self._dirty = True
                self.alarm.on_urgent()

    def ack(self, group_id: int, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease. Raises OMSRuntimeException 1418 for a lease that is gone or another group's."""
        with self.lock:
            lease = self.engine.leases.get(lease_id)
            if lease is None or offsets is None or len(offsets) != 1 or not self._holds(lease, group_id, offsets[0]):
                self._settle_acks()
                operation = self.engine.decide_ack(group_id, lease_id, offsets)
                self.stage_locked(Entry(self.clock.now_ms(), (operation,)))
                return
            if self.closed:
                raise self.closed
            pending = self._acks.get(lease_id)
            if pending is None:
                self._acks[lease_id] = [offsets[0]]
            else:
                pending.append(offsets[0])
            if not self._dirty:
                self._dirty = True
                self.on_dirty()

    def give_back(self, decide: Callable[[Engine, int], Entry]) -> Entry:
        """Nack, release or extend: applied at once, durable with the next sync; returns what was decided."""
        with self.lock:
            self._settle_acks()
            entry = decide(self.engine, self.clock.now_ms())
            self.stage_locked(entry)
        return entry

    def commit_dirty(self) -> None:
        """Put on disk what nobody waits for. Called by maintenance a moment after `on_dirty`."""
        with self.lock:
            self._settle_acks()
            self._dirty = False
            if self.committer.failure is not None:
                return
            lead = self.committer.claim_locked()
            if not lead:  # the sync that runs may have begun before this was staged: there must be another
                self.committer.wait_locked(self.storage.max_index(), _nothing)
        if lead:
            self.committer.lead()

    def shut(self) -> bool:
        """Refuse everything from now on and wake all who wait for messages; False when that was done before."""
        with self.lock:
            if self.closed:
                return False
            try:
                self._settle_acks()
            except OMSRuntimeException as failure:  # no space for them: those messages come again, `flush` tells
                self._lost = failure
                self._acks.clear()
            self.closed = OMSRuntimeException(1503, "the store is closed", next_step="Connect again")
            self.receivers.fire_all()
            self.readers.fire_all()
            return True

    def leave_locked(self, why: OMSRuntimeException) -> None:
        """In a forked child: the store is the parent's, nothing may be done with it here."""
        self.closed = self.committer.failure = why

    # ---- inside --------------------------------------------------------------------------------------------------

    @staticmethod
    def _holds(lease: HeldLease, group_id: int, offset: int) -> bool:
        """Whether an offset is among the first that a lease still holds: the common case of an acknowledgement."""
        left = lease.left
        return lease.group.id == group_id and left[0] <= offset < left[1]

    def _settle_acks(self) -> None:
        """Make one entry of the acknowledgements that came in since the last entry."""
        if not self._acks:
            return
        acks, self._acks = self._acks, {}
        operations = [Settle(lease_id, ranges.from_offsets(offsets)) for lease_id, offsets in acks.items()]
        try:
            self.stage_locked(Entry(self.clock.now_ms(), operations))
        except OMSRuntimeException:  # no space now: they wait for the next entry
            self._acks = acks
            raise

    def _on_durable(self, index: int) -> None:
        engine = self.engine
        engine.set_durable(index)
        if engine.grown or engine.woken:
            self._wake()

    def _wake(self) -> None:
        engine = self.engine
        if self.receivers.waiting:
            self.receivers.fire(engine.woken)
        if self.readers.waiting:
            self.readers.fire(engine.grown)
        engine.woken.clear()
        engine.grown.clear()


_HELD_IN_MEMORY = (Lease, Settle, Retry, Extend, Select, Skip)


def _nothing(_: OMSRuntimeException | None = None) -> None:
    pass
