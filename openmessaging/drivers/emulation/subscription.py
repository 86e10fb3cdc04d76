"""A consumer's hold on a group, with what its system lacks.

What comes from the system goes through a sieve. What does not match, or is expired, is acknowledged; what is not due
yet is held here under its lease, which is extended until then. Leases are numbered anew, for the messages of one of the
system's leases may be handed out at different times.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import msgspec

from openmessaging.drivers.emulation.sieve import Sieve, single
from openmessaging.model import dead_letter
from openmessaging.model.batch import HOLE, decode, with_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.replay import Delivery, Refused
from openmessaging.model.spi import Subscription, SubscriptionSpec
from openmessaging.model.transaction import Settlement

MANY_LEASES = 10_000
"""Leases that are remembered before those that are over are forgotten."""
MOST_HELD = 10_000
"""Messages that are held until they are due: with so many, nothing more is fetched until the first one is."""
_LONGEST_SLEEP = 1.0

Bury = Callable[[str, list[Record], int], Awaitable[None]]
"""Store dead letters in a queue (full name); the number is the time, ms since the epoch."""


class _Lease(msgspec.Struct, eq=False):
    inner: int
    """The system's number of it."""
    left: set[int]
    deliveries: list[Delivery]
    until: float
    """When it is over, unless it was extended: seconds of the loop's clock."""


class _Held(msgspec.Struct, order=True):
    due_ms: int
    number: int
    delivery: Delivery
    """Of one message."""

    @property
    def offset(self) -> int:
        return self.delivery.base_offset + self.delivery.first


class EmulatingSubscription:
    """Over a system's subscription; `bury` is for dead letters, where the system makes none, after `max_delivery`."""

    def __init__(
        self,
        inner: Subscription,
        spec: SubscriptionSpec,
        sieve: Sieve,
        expired: Callable[[int], object],
        bury: Bury | None,
        max_delivery: int,
    ) -> None:
        self._inner = inner
        self._spec = spec
        self._sieve = sieve
        self._expired = expired
        self._bury = bury
        self._max_delivery = max_delivery
        self._loop = asyncio.get_running_loop()
        self._leases: dict[int, _Lease] = {}
        self._numbers = count(1)
        self._held: list[_Held] = []
        self._keeper: asyncio.TimerHandle | None = None
        self._burials: set[asyncio.Task[None]] = set()
        self._failure: OMSRuntimeException | None = None

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages that pass, as soon as there is one; an empty list after `wait` seconds."""
        deadline = self._loop.time() + wait
        while True:
            found = self._due(max_messages)
            left = max(deadline - self._loop.time(), 0.0)
            if found:
                return found
            if self._held:
                left = min(left, max(self._held[0].due_ms / 1000 - time.time(), 0.0))
            arrived: list[Delivery] = []
            if len(self._held) < MOST_HELD:
                arrived = await self._inner.fetch(max_messages, max_bytes, left)
                found = self._sift(arrived)
            else:
                await asyncio.sleep(min(left, _LONGEST_SLEEP))
            if found:
                return found
            if not arrived and self._loop.time() >= deadline:
                return self._due(max_messages)

    def _due(self, max_messages: int) -> list[Delivery]:
        """What was held and is due; with its lease extended, it stays hidden as long as any."""
        now_ms = time.time_ns() // 1_000_000
        due: list[Delivery] = []
        while self._held and self._held[0].due_ms <= now_ms and len(due) < max_messages:
            due.append(heapq.heappop(self._held).delivery)
        alive: dict[int, bool] = {}
        for each in due:
            if each.lease_id not in alive:
                alive[each.lease_id] = self._extend(each.lease_id)
        return self._sift([each for each in due if alive[each.lease_id]])

    def _sift(self, arrived: Sequence[Delivery]) -> list[Delivery]:
        """Deliveries under leases of our own, of what passes."""
        now_ms = time.time_ns() // 1_000_000
        passing: list[Delivery] = []
        leases: dict[int, int] = {}
        until = self._loop.time() + self._spec.config.invisible_time
        if len(self._leases) > MANY_LEASES:
            self._leases = {key: lease for key, lease in self._leases.items() if lease.until > self._loop.time()}
        for delivery in arrived:
            if self._bury is not None and delivery.attempt > self._max_delivery:
                self._make_dead(self._bury, delivery.lease_id, [delivery], None, "the lease expired")
                continue
            found = self._sieve.sift(delivery, now_ms)
            base = delivery.base_offset
            if found.dropped:
                self._inner.ack(delivery.lease_id, [base + place for place in found.dropped])
            if found.expired:
                self._expired(found.expired)
            for due_ms, place in found.early:
                heapq.heappush(self._held, _Held(due_ms, next(self._numbers), single(delivery, place)))
            for first, last in found.passing:
                number = leases.setdefault(delivery.lease_id, next(self._numbers))
                lease = self._leases.setdefault(number, _Lease(delivery.lease_id, set(), [], until))
                lease.left.update(range(base + first, base + last))
                if self._bury is not None:
                    lease.deliveries.append(delivery)
                passing.append(msgspec.structs.replace(delivery, first=first, last=last, lease_id=number))
        if self._held and self._keeper is None:
            self._keeper = self._loop.call_later(self._spec.config.invisible_time / 3, self._keep)
        return passing

    def _keep(self) -> None:
        """Let the leases of what is held last; what is lost all the same is dropped, it comes again."""
        lost = {number for number in {each.delivery.lease_id for each in self._held} if not self._extend(number)}
        if lost:
            self._held = [each for each in self._held if each.delivery.lease_id not in lost]
            heapq.heapify(self._held)
        again = self._spec.config.invisible_time / 3
        self._keeper = self._loop.call_later(again, self._keep) if self._held else None

    def _extend(self, inner: int) -> bool:
        try:
            self._inner.extend(inner, self._spec.config.invisible_time)
        except OMSRuntimeException:
            return False
        return True

    # Settling

    def _taken(self, lease_id: int, offsets: Sequence[int] | None) -> tuple[_Lease, list[int]]:
        """Take messages out of a lease; offsets that are settled already are passed over."""
        lease = self._leases.get(lease_id)
        if lease is None:
            step = "Settle within the invisible time, or extend it"
            raise error(1418, f"lease {lease_id} of group {self._spec.group} is over", next_step=step, field="receipt")
        chosen = sorted(lease.left if offsets is None else lease.left.intersection(offsets))
        return lease, chosen

    def _settled(self, lease_id: int, offsets: Sequence[int]) -> None:
        lease = self._leases[lease_id]
        lease.left.difference_update(offsets)
        if not lease.left:
            del self._leases[lease_id]

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease."""
        lease, chosen = self._taken(lease_id, offsets)
        self._inner.ack(lease.inner, chosen)
        self._settled(lease_id, chosen)

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed; those on their last delivery become dead letters."""
        lease, chosen = self._taken(lease_id, offsets)
        last = []
        if self._bury is not None:
            spans = [(range(d.base_offset + d.first, d.base_offset + d.last), d.attempt) for d in lease.deliveries]
            last = [each for each in chosen if any(each in span and at >= self._max_delivery for span, at in spans)]
            if last:
                self.reject(lease_id, last, reason)
        back = [each for each in chosen if each not in last]
        if back:
            self._inner.nack(lease.inner, back, delay, reason)
            self._settled(lease_id, back)

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now."""
        lease, chosen = self._taken(lease_id, offsets)
        if self._bury is None:
            self._inner.reject(lease.inner, chosen, reason)
        else:
            self._make_dead(self._bury, lease.inner, lease.deliveries, chosen, reason)
        self._settled(lease_id, chosen)

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled."""
        lease, chosen = self._taken(lease_id, offsets)
        self._inner.release(lease.inner, chosen)
        self._settled(lease_id, chosen)

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last that many seconds from now, and what else came with it."""
        lease, _ = self._taken(lease_id, ())
        deadline = self._inner.extend(lease.inner, invisible_time)
        lease.until = self._loop.time() + invisible_time
        return deadline

    async def move(
        self, lease_id: int, offsets: Sequence[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        """Send dead letters back."""
        lease, chosen = self._taken(lease_id, offsets)
        refused = await self._inner.move(lease.inner, chosen, target, max_redrives)
        stay = {each.offset for each in refused}
        self._settled(lease_id, [each for each in chosen if each not in stay])
        return refused

    def translated(self, asked: Settlement) -> Settlement:
        """What a commit settles, as the system under this one knows it."""
        lease, chosen = self._taken(asked.lease_id, asked.offsets)
        return Settlement(self._inner, lease.inner, chosen)

    def committed(self, asked: Settlement) -> None:
        """It was."""
        _, chosen = self._taken(asked.lease_id, asked.offsets)
        self._settled(asked.lease_id, chosen)

    def _make_dead(
        self, bury: Bury, inner: int, deliveries: Sequence[Delivery], offsets: Sequence[int] | None, reason: str
    ) -> None:
        task = self._loop.create_task(self._bury_all(bury, inner, list(deliveries), offsets, reason))
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)

    async def _bury_all(
        self, bury: Bury, inner: int, deliveries: Sequence[Delivery], offsets: Sequence[int] | None, reason: str
    ) -> None:
        """Store dead letters, and acknowledge what they were once that is safe."""
        now_ms = time.time_ns() // 1_000_000
        records: list[Record] = []
        gone: list[int] = []
        for delivery in deliveries:
            header, shared, found = decode(delivery.data)
            for place in range(delivery.first, delivery.last):
                offset = delivery.base_offset + place
                if found[place] is HOLE or (offsets is not None and offset not in offsets):
                    continue
                own = with_own(header, shared, found[place], place)
                known = offset if offset >= 0 else (own.headers or {}).get("offset")
                facts = dead_letter.gained(
                    reason, delivery.destination, self._spec.group, delivery.partition, delivery.attempt, now_ms, known
                )
                own.properties = {**(own.properties or {}), **facts}
                records.append(own)
                gone.append(offset)
        try:
            if records:
                await bury(dead_letter.queue_of(self._spec.destination, self._spec.group), records, now_ms)
                self._inner.ack(inner, gone)
        except OMSRuntimeException as failure:
            self._failure = self._failure or failure

    async def flush(self) -> None:
        """Return when every settlement made so far is durable; raises the first failure since the last call."""
        if self._burials:
            await asyncio.wait(self._burials)
        failure, self._failure = self._failure, None
        await self._inner.flush()
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Give back what is held, and let go."""
        if self._keeper is not None:
            self._keeper.cancel()
        held, self._held = self._held, []
        for each in held:
            self._inner.release(each.delivery.lease_id, [each.offset])
        if self._burials:
            await asyncio.wait(self._burials)
        await self._inner.close()
