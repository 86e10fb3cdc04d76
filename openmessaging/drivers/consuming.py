"""A consumer's hold on a group of another system: what the SPI asks of a subscription over what most systems have.

A system hands out messages one by one, each with something of its own by which it is settled. Here they get leases, are
settled in batches, fail with the group's back-off, and become dead letters in the end. What a system does by itself
(redelivery after a crash, counting attempts) is its side's business: `Source`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

from openmessaging.drivers.mapping import packed
from openmessaging.model import dead_letter
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.lacking import lacking
from openmessaging.model.message import Record
from openmessaging.model.spi import Capability, Delivery, SubscriptionSpec

_FIRST_NUMBER = -(1 << 62)
"""Messages under leases are numbered from here, below every offset: these numbers are nobody else's."""


class Received(msgspec.Struct, eq=False):
    """A message as a system handed it out."""

    record: Record
    """What is known of its place and store time stands in its own headers (`offset`, `storeTimestamp`)."""
    receipt: Any
    """By what the system settles it."""
    attempt: int = 1
    """How many times the group got it, this time included."""
    partition: int = 0


class Source(Protocol):
    """A system's side of a subscription."""

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages, as soon as there is one; none after `wait` seconds. Is never cancelled, but ended by `close`."""
        ...

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done; returns when that is as durable as the system makes it."""
        ...

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They come again after `delay` seconds, with this attempt counted or not, as far as the system can."""
        ...

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """They stay hidden for that long from now."""
        ...

    async def close(self) -> None:
        """Let go; ends a `pull` that waits."""
        ...


Bury = Callable[[str, list[Record]], Awaitable[None]]
"""Store dead letters in a queue (full name), which is made when missing; returns when they are durable."""


class _Lease(msgspec.Struct, eq=False):
    left: dict[int, Received]
    deadline: float
    lost: set[int] | None = None
    """Places of messages that the system took away, to give them to another consumer."""


class _Verb(Enum):
    ACK = 0
    GIVE_BACK = 1
    RELEASE = 2
    REJECT = 3
    EXTEND = 4


class _Step(msgspec.Struct, eq=False):
    verb: _Verb
    messages: list[Received]
    delay: float = 0.0
    reason: str = ""


class ForeignSubscription:
    """The SPI's subscription over a source. `redelivers`: whether the system itself gives messages to another consumer
    when their invisible time is over; if not, they are given back here."""

    def __init__(self, source: Source, spec: SubscriptionSpec, bury: Bury, redelivers: bool) -> None:
        self._source = source
        self._spec = spec
        self._bury = bury
        self._redelivers = redelivers
        self._loop = asyncio.get_running_loop()
        self._pulling: asyncio.Task[Sequence[Received]] | None = None
        self._ready: deque[tuple[Received, float]] = deque()
        """What was pulled, and when the system gives it to another consumer."""
        self._leases: dict[int, _Lease] = {}
        self._next_lease = 1
        self._next_number = _FIRST_NUMBER
        self._steps: list[_Step] = []
        self._settling: asyncio.Task[None] | None = None
        self._failure: OMSRuntimeException | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = False

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages as soon as there are any; empty after `wait` seconds. A pull goes on when its fetch is cancelled,
        and what it brings is for the next one."""
        if not self._ready:
            if self._pulling is None:
                self._pulling = self._loop.create_task(self._pull(max_messages, wait))
            pulling = self._pulling
            await asyncio.wait([pulling], timeout=wait + 1.0 if wait < 1e8 else None)
            if pulling.done() and self._pulling is pulling:
                self._pulling = None
                self._take_in(pulling.result())
        return self._hand_out(max_messages, max_bytes)

    async def _pull(self, maximum: int, wait: float) -> Sequence[Received]:
        return await self._source.pull(maximum, wait)

    def _take_in(self, pulled: Sequence[Received]) -> None:
        """Keep what was pulled, but for what took down whoever had it: that was never settled, and its deliveries are
        used up."""
        until = self._loop.time() + self._spec.config.invisible_time
        last = self._spec.config.backoff.max_delivery
        worn = [message for message in pulled if message.attempt > last]
        self._step(_Verb.REJECT, worn, reason=f"its lease ended {last} times")
        self._ready.extend((message, until) for message in pulled if message.attempt <= last)

    def _hand_out(self, max_messages: int, max_bytes: int) -> list[Delivery]:
        taken: list[Received] = []
        size = 0
        now = self._loop.time()
        deadline = now + self._spec.config.invisible_time
        while self._ready and len(taken) < max_messages:
            message, until = self._ready[0]
            if self._redelivers and until <= now:
                self._ready.popleft()  # another consumer has it
                continue
            size += len(message.record.data)
            if taken and size > max_bytes:
                break
            self._ready.popleft()
            taken.append(message)
            deadline = min(deadline, until) if self._redelivers else deadline
        return self._leased(taken, deadline) if taken else []

    def _leased(self, taken: Sequence[Received], deadline: float) -> list[Delivery]:
        """Deliveries of messages under one lease: one for each run with the same partition and attempt."""
        lease_id, self._next_lease = self._next_lease, self._next_lease + 1
        lease = self._leases[lease_id] = _Lease({}, deadline)
        now_ms = time.time_ns() // 1_000_000
        deadline_ms = now_ms + int((deadline - self._loop.time()) * 1000)
        deliveries = []
        begin = 0
        for at, message in enumerate(taken, 1):
            lease.left[self._next_number + at - 1] = message
            following = taken[at] if at < len(taken) else None
            if following is None or (following.partition, following.attempt) != (message.partition, message.attempt):
                deliveries.append(
                    packed(
                        self._spec.destination,
                        [each.record for each in taken[begin:at]],
                        now_ms,
                        partition=message.partition,
                        base_offset=self._next_number + begin,
                        lease_id=lease_id,
                        attempt=message.attempt,
                        deadline_ms=deadline_ms,
                    )
                )
                begin = at
        self._next_number += len(taken)
        self._watch()
        return deliveries

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease."""
        self._step(_Verb.ACK, self._taken(lease_id, offsets))

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed; those on their last delivery become dead letters."""
        backoff = self._spec.config.backoff
        groups: dict[int, list[Received]] = {}
        for message in self._taken(lease_id, offsets):
            groups.setdefault(message.attempt, []).append(message)
        for attempt, messages in groups.items():
            if attempt >= backoff.max_delivery:
                self._step(_Verb.REJECT, messages, reason=reason)
            else:
                drawn = random.random()  # noqa: S311 - it spreads retries
                self._step(_Verb.GIVE_BACK, messages, backoff.delay(attempt, drawn) if delay is None else delay)

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now."""
        self._step(_Verb.REJECT, self._taken(lease_id, offsets), reason=reason)

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled."""
        self._step(_Verb.RELEASE, self._taken(lease_id, offsets))

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last that many seconds from now; returns its new deadline in ms."""
        lease = self._alive(lease_id)
        lease.deadline = self._loop.time() + invisible_time
        self._step(_Verb.EXTEND, list(lease.left.values()), invisible_time)
        self._watch()
        return time.time_ns() // 1_000_000 + int(invisible_time * 1000)

    async def move(self, *_: Any) -> Any:
        """Dead letters cannot be sent back in one step with their settlement."""
        raise unsupported("redrive", next_step="Use a system whose capabilities name it")

    def _alive(self, lease_id: int) -> _Lease:
        lease = self._leases.get(lease_id)
        if lease is None or lease.deadline <= self._loop.time():
            reason = f"lease {lease_id} of group {self._spec.group} is over"
            raise error(1418, reason, next_step="Settle within the invisible time, or extend it", field="receipt")
        return lease

    def lose(self, gone: Callable[[Received], bool]) -> None:
        """The system gave messages to another consumer: those that are `gone` are nobody's here, and settling one is
        error 1418."""
        self._ready = deque((message, until) for message, until in self._ready if not gone(message))
        for lease_id, lease in list(self._leases.items()):
            lost = {place for place, message in lease.left.items() if gone(message)}
            if lost == lease.left.keys():
                del self._leases[lease_id]
            elif lost:
                lease.lost = lost | (lease.lost or set())
                lease.left = {place: message for place, message in lease.left.items() if place not in lost}

    def _taken(self, lease_id: int, offsets: Sequence[int] | None) -> list[Received]:
        """Take messages out of a lease; offsets that are settled already are passed over."""
        lease = self._alive(lease_id)
        if lease.lost and (offsets is None or not lease.lost.isdisjoint(offsets)):
            reason = f"messages of lease {lease_id} went to another consumer of group {self._spec.group}"
            raise error(1418, reason, next_step="It gets them again", field="receipt")
        chosen = list(lease.left) if offsets is None else [offset for offset in offsets if offset in lease.left]
        messages = [lease.left.pop(offset) for offset in chosen]
        if not lease.left:
            del self._leases[lease_id]
        return messages

    def _step(self, verb: _Verb, messages: list[Received], delay: float = 0.0, reason: str = "") -> None:
        if not messages:
            return
        last = self._steps[-1] if self._steps else None
        if last is not None and last.verb is verb is _Verb.ACK:
            last.messages += messages
            return
        self._steps.append(_Step(verb, messages, delay, reason))
        if self._settling is None:
            self._settling = self._loop.create_task(self._settle_all())

    async def _settle_all(self) -> None:
        try:
            while self._steps:
                steps, self._steps = self._steps, []
                for step in steps:
                    try:
                        await self._settle(step)
                    except OMSRuntimeException as failure:
                        self._failure = self._failure or failure
                    except Exception as failure:
                        told = error(1500, f"{type(failure).__name__}: {failure}", next_step="Look at the system's log")
                        told.__cause__ = failure
                        self._failure = self._failure or told
        finally:
            self._settling = None

    async def _settle(self, step: _Step) -> None:
        source, messages = self._source, step.messages
        match step.verb:
            case _Verb.ACK:
                await source.acknowledge(messages)
            case _Verb.GIVE_BACK:
                await source.give_back(messages, step.delay, True)
            case _Verb.RELEASE:
                await source.give_back(messages, 0.0, False)
            case _Verb.EXTEND:
                await source.extend(messages, step.delay)
            case _Verb.REJECT:
                try:
                    await self._bury(self.dead_letter_queue, [self._dead(each, step.reason) for each in messages])
                except Exception:
                    if not self._redelivers:  # nobody else would bring them again
                        await source.give_back(messages, self._spec.config.backoff.initial, False)
                    raise
                await source.acknowledge(messages)

    @property
    def dead_letter_queue(self) -> str:
        """Full name of the queue that gets what failed too often."""
        return dead_letter.queue_of(self._spec.destination, self._spec.group)

    def _dead(self, message: Received, reason: str) -> Record:
        record = message.record
        gained = dead_letter.gained(
            reason,
            self._spec.destination,
            self._spec.group,
            message.partition,
            message.attempt,
            time.time_ns() // 1_000_000,
            (record.headers or {}).get("offset"),
        )
        return Record(record.data, record.message_key, {**(record.properties or {}), **gained}, record.headers)

    def _watch(self) -> None:
        """Look again when the next lease is over."""
        if self._expiry is None and self._leases and not self._closed:
            first = min(lease.deadline for lease in self._leases.values())
            self._expiry = self._loop.call_at(first, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        now = self._loop.time()
        for lease_id in [number for number, lease in self._leases.items() if lease.deadline <= now]:
            messages = list(self._leases.pop(lease_id).left.values())
            last = [each for each in messages if each.attempt >= self._spec.config.backoff.max_delivery]
            self._step(_Verb.REJECT, last, reason="the lease expired")
            if not self._redelivers:
                self._step(_Verb.GIVE_BACK, [each for each in messages if each not in last])
        self._watch()

    async def flush(self) -> None:
        """Return when every settlement made so far is durable; raises the first failure since the last call."""
        while self._settling is not None:
            await asyncio.wait([self._settling])
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Let go: what was pulled and not handed out goes back, leases go on until they expire or, where the system
        cannot do that, end here."""
        if self._closed:
            return
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        held = [message for message, _ in self._ready]
        self._ready.clear()
        if not self._redelivers:
            held += [message for lease in self._leases.values() for message in lease.left.values()]
            self._leases.clear()
        self._step(_Verb.RELEASE, held)
        while self._settling is not None:
            await asyncio.wait([self._settling])
        await self._source.close()
        if self._pulling is not None:
            await asyncio.gather(self._pulling, return_exceptions=True)  # what it brings, the system gives to others


def check_spec(spec: SubscriptionSpec, **able: bool) -> None:
    """Raises OMSUnsupportException when a consumer asks for what a driver is not `able` to do (`order`, `filter`,
    `broadcast`)."""
    asked = {
        "order": (Capability.KEY_ORDER, spec.config.order != "none"),
        "filter": (Capability.FILTER, bool(spec.config.filter)),
        "broadcast": (Capability.BROADCAST, spec.broadcast),
    }
    for feature, (capability, wanted) in asked.items():
        if wanted and not able.get(feature, False):
            raise lacking(capability, feature)
