"""A driver with more than its system has: what is emulated above it is in `emulated`, all else is the system's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from openmessaging.drivers.emulation.sieve import Sieve
from openmessaging.drivers.emulation.subscription import EmulatingSubscription
from openmessaging.filters import compile_condition
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSUnsupportException, unsupported
from openmessaging.model.lacking import ways_out
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Done,
    Driver,
    GroupInfo,
    OutgoingBatch,
    Placement,
    QueueInfo,
    Subscription,
    SubscriptionSpec,
)
from openmessaging.model.timing import Timing
from openmessaging.model.transaction import Settlement

_NEVER_DEAD = 1 << 30
"""Deliveries after which a message would be dead, where that is decided here."""


class EmulatingDriver:
    """Over an open driver. Raises OMSUnsupportException for what cannot be emulated above it."""

    def __init__(self, inner: Driver, emulated: frozenset[Capability]) -> None:
        if Capability.DELAY in emulated and Capability.EXTEND_LEASE not in inner.capabilities:
            raise unsupported(
                "an emulated delay, over leases that cannot be extended,", next_step=ways_out(Capability.EXTEND_LEASE)
            )
        self._inner = inner
        self.emulated = emulated
        self.capabilities = inner.capabilities | emulated
        if Capability.DELAY in emulated:
            self.capabilities -= {Capability.RECALL}  # what is delayed is with consumers
        self.max_body_bytes = inner.max_body_bytes
        self._expired: Counter[tuple[str, str]] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    # Sending: times travel in the messages' own headers, the system is not asked for what it lacks.

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches."""
        return await self._inner.send(list(map(self._without, batches)))

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages, or do none of it."""
        ours = [each for each in settlements if isinstance(each.subscription, EmulatingSubscription)]
        inner = [
            each.subscription.translated(each) if isinstance(each.subscription, EmulatingSubscription) else each
            for each in settlements
        ]
        placements = await self._inner.commit(list(map(self._without, batches)), inner)
        for each in ours:
            assert isinstance(each.subscription, EmulatingSubscription)
            each.subscription.committed(each)
        return placements

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over."""
        self._inner.submit(self._without(batch), done)

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call."""
        return self._inner.send_now(self._without(batch))

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn of the loop."""
        self._inner.soon(callback)

    def _without(self, batch: OutgoingBatch) -> OutgoingBatch:
        timing = batch.timing
        if timing is None:
            return batch
        dues = None if Capability.DELAY in self.emulated else timing.dues
        expires = timing.expires and Capability.EXPIRY not in self.emulated
        return msgspec.structs.replace(batch, timing=Timing(dues, expires) if dues or expires else None)

    # Receiving

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group."""
        config, emulated = spec.config, self.emulated
        condition = None
        if Capability.FILTER in emulated and config.filter:
            condition = compile_condition(config.filter)
            config = msgspec.structs.replace(config, filter=None)
        max_delivery = config.backoff.max_delivery
        buries = Capability.DEAD_LETTER in emulated
        if buries:
            config = msgspec.structs.replace(
                config, backoff=msgspec.structs.replace(config.backoff, max_delivery=_NEVER_DEAD)
            )
        inner = await self._inner.subscribe(msgspec.structs.replace(spec, config=config))
        place = (spec.destination, spec.group)

        def expired(count: int) -> None:
            self._expired[place] += count

        sieve = Sieve(condition, Capability.EXPIRY in emulated, Capability.DELAY in emulated)
        return EmulatingSubscription(inner, spec, sieve, expired, self._bury if buries else None, max_delivery)

    async def _bury(self, queue: str, records: list[Record], now_ms: int) -> None:
        """Store dead letters."""
        count = self._inner.partition_count(queue)  # which makes the queue where that is on
        if not isinstance(count, int):
            await count
        await self._inner.send([OutgoingBatch(queue, None, encode_own(records, now_ms))])

    # Looking, and what an emulation has no place for

    async def describe_queue(self, name: str) -> QueueInfo:
        """As the system does, with what expired here."""
        info = await self._inner.describe_queue(name)
        gone = sum(count for (queue, _), count in self._expired.items() if queue == name)
        return msgspec.structs.replace(info, expired=info.expired + gone)

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """As the system does, with what expired here."""
        info = await self._inner.describe_group(queue, group)
        return msgspec.structs.replace(info, expired=info.expired + self._expired[queue, group])

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """As the system does; a queue's own filter has no place."""
        self._check_settings(config)
        await self._inner.create_queue(name, partitions, config)

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """As the system does; a queue's own filter has no place."""
        self._check_settings(config)
        await self._inner.update_queue(name, config)

    def _check_settings(self, config: dict[str, Any]) -> None:
        if Capability.FILTER in self.emulated and config.get("filter"):
            step = "Give each consumer its filter; an emulated one is not stored"
            raise _no_setting("filter", step)
        if Capability.EXPIRY in self.emulated and config.get("expired_queue"):
            raise _no_setting("expired_queue", "Leave it out; what expires is counted")


def _no_setting(field: str, step: str) -> OMSUnsupportException:
    failure = unsupported(f"the setting {field} of a queue, emulated,", next_step=step)
    failure.field = field
    return failure
