"""The engine: what shall happen to messages, decided on the state without doing any I/O.

A *decision* (`decide_…`, `tick`) validates, raises the standard's errors, and returns an `Entry` or an operation; it
changes nothing but soft state. The runner appends the entry to the log and hands it to `apply`, under one lock; after a
restart the same entries are applied again. Nothing here knows a clock: times come in as `now_ms` and stand in the
entries, as do the numbers that were drawn at random.

A message's way: `decide_send` places its batch, `apply` moves the partition's end, `set_durable` makes it visible,
`decide_receive` leases it, `decide_ack` settles it. The next file is `broker/runner.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Protocol

from openmessaging.broker import dead_letter, delays, expiry, filtering, ranges, schedules, snapshot, transactions
from openmessaging.broker.administration import MAX_SECONDS, Administration
from openmessaging.broker.cursor import Cursor
from openmessaging.broker.draft import Draft, Limits
from openmessaging.broker.entry import Entry, Extend, Placed, Retry, Settle
from openmessaging.broker.group import Group
from openmessaging.broker.key_order import InFlight, KeyOrder
from openmessaging.broker.lease import HeldLease, held_ranges
from openmessaging.broker.reception import Bound as Bound
from openmessaging.broker.reception import Reception
from openmessaging.broker.state import Contents
from openmessaging.broker.transactions import Decision, Settled
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.replay import Refused
from openmessaging.model.schedule import ScheduleSpec
from openmessaging.model.spi import OutgoingBatch
from openmessaging.storage.timer_index import TimerIndex

_MAX_EXPIRED = 1_000
"""Most leases that one tick ends; what is left is due at once."""
_MAX_BURIED = 1_000
"""Dead letters after which a tick ends no more leases."""


class Random(Protocol):
    """Where chance comes from."""

    def random(self) -> float:
        """A number from 0 to 1, 1 excluded."""
        ...


class Engine(Administration):
    """A broker's mind. Not for several threads at once: its owner holds a lock around every call."""

    def __init__(
        self, contents: Contents, random: Random, limits: Limits | None = None, timers: TimerIndex | None = None
    ) -> None:
        super().__init__()
        self.contents = contents
        self.limits = limits or Limits()
        self.timers = timers or TimerIndex(None, "")
        self.timers.shelves = self
        self._random = random.random

    def snapshot(self) -> bytes:
        """The hard state; equal states give equal bytes. Write it only when the log is durable up to here."""
        return snapshot.dump(self)

    def restore(self, state: bytes) -> None:
        """Continue from a snapshot. Raises OMSRuntimeException 1101 for a newer format, 1501 for damaged bytes."""
        snapshot.load(self, state)

    def decide_send(self, now_ms: int, batches: Sequence[OutgoingBatch]) -> Entry:
        """Place batches, all or none; queues come into being on first use.

        Raises 1404 (creating is off), 1405 (no such namespace), 1416 (maximum of queues), 1418 (no such partition).
        """
        if len(batches) == 1:
            outgoing = batches[0]
            queue = self.queues.get(outgoing.destination)
            plain = outgoing.priority is None and outgoing.timing is None
            if queue is not None and plain and not queue.compact:
                number = outgoing.partition
                if number is None:
                    number = queue.next_partition()
                if 0 <= number < queue.count:
                    partition = queue.partitions[number]
                    batch = outgoing.batch
                    return Entry(now_ms, (), (Placed(partition.id, partition.end, batch.count, now_ms),), (batch,))
        draft = Draft(self, self.limits, now_ms)
        for outgoing in batches:
            draft.send(outgoing)
        return draft.entry()

    def decide_commit(self, now_ms: int, batches: Sequence[OutgoingBatch], settled: Sequence[Settled]) -> Decision:
        """Place batches and settle messages, all or nothing: see `transactions.commit`."""
        return transactions.commit(Draft(self, self.limits, now_ms), self, batches, settled, self.held)

    def decide_open_producer(self, now_ms: int, name: str) -> Entry:
        """Open a named producer: see `transactions.open_producer`."""
        return transactions.open_producer(self, now_ms, name, self._random())

    def decide_create_schedule(self, now_ms: int, spec: ScheduleSpec, replace: bool) -> Entry | None:
        """Create a schedule: see `schedules.decide_create`."""
        return schedules.decide_create(self, now_ms, spec, replace, self._random())

    def decide_receive(
        self, now_ms: int, group: Group, max_messages: int, bound: Bound, outside: bool = False
    ) -> Entry:
        """Lease at most that many messages: what is due again first, then new ones; partitions take turns, and so do
        priorities (see `openmessaging.broker.priority`).

        The entry has no operations when there is nothing. Raises 1404 when the group was deleted.
        """
        reception = self.receive(now_ms, group, max_messages, bound, outside)
        return expiry.with_copies(self, Entry(now_ms, reception.operations), group)

    def receive(self, now_ms: int, group: Group, max_messages: int, bound: Bound, outside: bool = False) -> Reception:
        """What `decide_receive` does, without copies of what expires. Raises 1404 when the group was deleted."""
        if self.groups.get(group.id) is not group:
            raise error(1404, f"the consumer group {group.name} was deleted", next_step="Subscribe again")
        reception = Reception(self.next_lease_id, group, now_ms, max_messages, bound, self.contents, outside)
        condition = group.condition()
        if condition is not None:
            reception.sieve = filtering.Sieve(self.contents, condition)
        if group.queue.lanes:
            group.turns.receive(
                group.queue.levels,
                max_messages,
                lambda number: self._ready(reception, group, group.cursors[number]),
                lambda numbers, messages: self._serve_some(reception, group, numbers, messages),
            )
        else:
            cursors = group.cursors
            turn = group.turn = (group.turn + 1) % len(cursors)
            if turn:
                cursors = cursors[turn:] + cursors[:turn]
            self._serve(reception, group, cursors)
        if reception.sieve is not None:
            filtering.settle_missed(reception)
        return reception

    def _serve(self, reception: Reception, group: Group, cursors: Sequence[Cursor]) -> None:
        """Lease from some cursors, in their order, until the reception wants no more."""
        now_ms = reception.now_ms
        if group.config.order == "key":
            for cursor in cursors:
                if reception.open:
                    for start, end, deliveries in self._keys(group, cursor).pick(now_ms, reception.messages):
                        if reception.sieve is not None and start < cursor.next:
                            filtering.lease_matching(reception, cursor, reception.sieve, start, end, deliveries)
                        else:
                            reception.lease(cursor, start, end, deliveries)
        elif reception.sieve is not None:
            filtering.serve(reception, cursors, reception.sieve)
        else:
            for cursor in cursors:
                if reception.open and len(cursor.waiting):
                    for span in cursor.waiting.due(now_ms, reception.messages):
                        reception.lease(cursor, span.start, span.end, span.attempt)
            for cursor in cursors:
                if reception.open and cursor.next < cursor.partition.visible:
                    reception.lease(cursor, cursor.next, cursor.partition.visible, 0)

    def _serve_some(self, reception: Reception, group: Group, numbers: Sequence[int], messages: int) -> int:
        """As `_serve`, from partitions by number, at most that many messages; returns how many."""
        wanted = reception.messages
        if not reception.open:
            return 0
        reception.messages = limit = min(messages, wanted)
        self._serve(reception, group, [group.cursors[number] for number in numbers])
        served = limit - reception.messages
        reception.messages = wanted - served
        if served == limit:  # it closed for that reason only
            reception.open = reception.messages > 0
        return served

    def _ready(self, reception: Reception, group: Group, cursor: Cursor) -> int:
        """How many messages of a cursor may be handed out, counted up to what is wanted."""
        wanted = reception.messages
        if group.config.order == "key":
            return self._keys(group, cursor).ready(reception.now_ms, wanted)
        due = sum(span.end - span.start for span in cursor.waiting.due(reception.now_ms, wanted))
        return min(due + max(cursor.partition.visible - cursor.next, 0), wanted)

    def _keys(self, group: Group, cursor: Cursor) -> KeyOrder:
        """The key order of a cursor. The lanes of a partition get theirs together, anew when one has none."""
        if cursor.keys is None:
            family = group.family(cursor.partition.base)
            shared = InFlight() if len(family) > 1 else None
            condition = group.condition()
            misses = filtering.Sieve(self.contents, condition).misses if condition is not None else None
            made = [KeyOrder(each, self.contents.keys, shared, misses) for each in family]
            for each, keys in zip(family, made, strict=True):
                each.keys = keys
        assert cursor.keys is not None
        return cursor.keys

    def decide_ack(self, group_id: int, lease_id: int, offsets: Sequence[int] | None) -> Settle:
        """Settle offsets of a lease, None: all that is left. Apply it in an entry.

        Raises 1418 for a lease that is unknown, over, or another group's, and for offsets it does not hold any more.
        """
        lease = self.held(group_id, lease_id)
        return Settle(lease_id, None if offsets is None else held_ranges(lease, offsets))

    def decide_nack(
        self,
        now_ms: int,
        group_id: int,
        lease_id: int,
        offsets: Sequence[int] | None,
        delay: float | None,
        reason: str,
    ) -> Entry:
        """Give messages back as failed: due again after `delay` seconds (None: the group's back-off), or dead letters
        when it was their last attempt. Raises 1418 as `decide_ack`, and for a delay out of range."""
        lease = self.held(group_id, lease_id)
        spans = None if offsets is None else held_ranges(lease, offsets)
        if delay is not None and not 0 <= delay <= MAX_SECONDS:
            raise error(1418, f"delay: {delay!r} is not from 0 to a year, in seconds", field="delay")
        draft = Draft(self, self.limits, now_ms)
        self._fail(draft, lease, spans, delay, reason)
        return draft.entry()

    def decide_reject(
        self, now_ms: int, group_id: int, lease_id: int, offsets: Sequence[int] | None, reason: str
    ) -> Entry:
        """Make dead letters of messages now, whatever deliveries they have left; those that cannot be read are put off
        as by a nack. Raises 1418 as `decide_ack`."""
        lease = self.held(group_id, lease_id)
        draft = Draft(self, self.limits, now_ms)
        self._fail(draft, lease, None if offsets is None else held_ranges(lease, offsets), None, reason, last=True)
        return draft.entry()

    def decide_release(self, now_ms: int, group_id: int, lease_id: int, offsets: Sequence[int] | None) -> Entry:
        """Give messages back that were never handled: due at once, the attempt not counted. Raises as `decide_ack`."""
        lease = self.held(group_id, lease_id)
        spans = None if offsets is None else held_ranges(lease, offsets)
        return Entry(now_ms, (Retry(lease_id, spans, 0, counted=False),))

    def decide_extend(self, now_ms: int, group_id: int, lease_id: int, invisible_time: float) -> Entry:
        """Let a lease end that many seconds from now. Raises 1418 as `decide_ack`, and for a time out of range."""
        self.held(group_id, lease_id)
        if not 0 < invisible_time <= MAX_SECONDS:
            text = f"invisible_time: {invisible_time!r} is not over 0 and at most a year, in seconds"
            raise error(1418, text, field="invisible_time")
        return Entry(now_ms, (Extend(lease_id, now_ms + int(invisible_time * 1000)),))

    def decide_move(
        self,
        now_ms: int,
        group_id: int,
        lease_id: int,
        offsets: Sequence[int] | None,
        target: str | None,
        max_redrives: int,
        allowed: Callable[[str], bool] | None = None,
    ) -> tuple[Entry, list[Refused]]:
        """Redrive dead letters: send them to `target` (None: where each came from) under their old ids, and settle
        them here, in one entry. Those that are refused stay in the lease, see `dead_letter.move`.

        Raises 1418 as `decide_ack`, 1404, 1405, 1416.
        """
        lease = self.held(group_id, lease_id)
        spans = None if offsets is None else held_ranges(lease, offsets)
        draft = Draft(self, self.limits, now_ms)
        moved = ranges.pairs(lease.left) if spans is None else spans
        refused = dead_letter.move(draft, self.contents, lease, moved, target, max_redrives, allowed)
        if refused:
            settled = [bound for pair in moved for bound in pair]
            for each in refused:
                ranges.subtract(settled, each.offset, each.offset + 1)
            spans = ranges.pairs(settled)
        if spans != []:
            draft.operations.append(Settle(lease_id, spans))
        return draft.entry(), refused

    def tick(self, now_ms: int) -> Entry | None:
        """End leases that have expired, roll back what was prepared too long ago, and wake groups whose retries are
        due. None when nothing has to be logged."""
        while self._wakes and self._wakes[0][0] <= now_ms:
            self.woken.add(heappop(self._wakes)[1])
        expired: dict[int, HeldLease] = {}
        draft = Draft(self, self.limits, now_ms)
        buried = 0
        while len(expired) < _MAX_EXPIRED and buried < _MAX_BURIED:
            deadline = self._next_expiry()
            if deadline is None or deadline > now_ms:
                break
            lease = self.leases[heappop(self._deadlines)[1]]
            if lease.id not in expired:
                expired[lease.id] = lease
                buried += self._fail(draft, lease, None, None, "the lease expired")
        for lease in expired.values():  # until the entry is applied they are held
            heappush(self._deadlines, (lease.deadline_ms, lease.id))
        draft.operations.extend(self.prepared.overdue(now_ms))
        return draft.entry() if draft.operations else None

    def fire(self, now_ms: int) -> Entry | None:
        """Send what is due by the clock: delayed messages, and those of schedules. None when nothing is."""
        draft = Draft(self, self.limits, now_ms)
        delays.fire(self, draft)
        schedules.fire(self, draft)
        return draft.entry() if draft.operations else None

    def next_due(self) -> int | None:
        """When `fire` has something to do, in ms; may lie in the past."""
        timer, scheduled = self.timers.next_ms(), self.timetable.next_ms()
        if timer is None or scheduled is None:
            return scheduled if timer is None else timer
        return min(timer, scheduled)

    def next_deadline(self) -> int | None:
        """When `tick` has something to do, in ms; may lie in the past."""
        expiry = self._next_expiry()
        wake = self._wakes[0][0] if self._wakes else None
        if self.prepared.waiting:
            rollback = self.prepared.next_end()
            return min([time for time in (expiry, wake, rollback) if time is not None], default=None)
        if expiry is None or wake is None:
            return wake if expiry is None else expiry
        return min(expiry, wake)

    def _next_expiry(self) -> int | None:
        deadlines = self._deadlines
        while deadlines:
            deadline, lease_id = deadlines[0]
            lease = self.leases.get(lease_id)
            if lease is not None and lease.deadline_ms == deadline:
                return deadline
            heappop(deadlines)
        return None

    def _fail(
        self,
        draft: Draft,
        lease: HeldLease,
        spans: list[tuple[int, int]] | None,
        delay: float | None,
        reason: str,
        *,
        last: bool = False,
    ) -> int:
        """Put messages off, or bury them after their last attempt (`last`: this one); returns how many were buried."""
        if last or lease.attempt >= lease.group.config.backoff.max_delivery:
            buried = ranges.pairs(lease.left) if spans is None else spans
            if dead_letter.bury(draft, self.contents, lease, buried, reason) is None:
                draft.operations.append(Settle(lease.id, spans))
                return sum(end - start for start, end in buried)
            # They cannot be read: keep them, so that nothing is lost and the others go on.
        wait_ms = lease.group.backoff_ms(lease.attempt, self._random()) if delay is None else int(delay * 1000)
        draft.operations.append(Retry(lease.id, spans, draft.now_ms + wait_ms))
        return 0

    def held(self, group_id: int, lease_id: int) -> HeldLease:
        """A lease of a group. Raises 1418 when it is unknown, over, or another group's."""
        lease = self.leases.get(lease_id)
        if lease is None or lease.group.id != group_id:
            raise self._not_held(lease_id, lease)
        return lease

    def _not_held(self, lease_id: int, lease: HeldLease | None) -> OMSRuntimeException:
        if lease is not None:
            text = f"the receipt (lease {lease_id}) belongs to group {lease.group.name}"
            step = "Acknowledge with the consumer that received the message"
        elif lease_id < self.next_lease_id:
            text = f"the receipt (lease {lease_id}) has expired, or its messages are settled or given back already"
            step = "Handle the message when it comes again, or ask for a longer invisible time"
        else:
            text, step = f"the receipt (lease {lease_id}) was never given out", "Use the receipt of a received message"
        return error(1418, text, next_step=step, field="receipt")
