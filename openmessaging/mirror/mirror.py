"""Copying queues between two access points, with what makes messages themselves: ids, times, keys, properties, order.

A task per partition (and lane) of the source reads from where the mirror is and writes to the target. A source that
cannot be read from a place is consumed by a group, and acknowledged when the target has what it gave.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from openmessaging.mirror.plan import Plan, Step, general_losses, step_of
from openmessaging.mirror.state import State
from openmessaging.mirror.taking import after, base_of, begin_at, taken
from openmessaging.mirror.writing import PATIENCE, SKEW_MS, Writer
from openmessaging.model.destination import DEFAULT_NAMESPACE, check_name, split_name
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.lacking import lacking
from openmessaging.model.spi import Capability, Delivery, Driver, GroupConfig, QueueInfo, SubscriptionSpec
from openmessaging.model.unique import ProducerEpoch

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

MESSAGES = 1_000
"""Messages in one step: read, stored, and then the position moves."""
MAX_BYTES = 8 << 20
WAIT = 1.0
"""Seconds that a following mirror waits at the end of a partition, before it looks for new lanes too."""
QUIET = 2.0
"""Seconds without a message after which a source that is consumed counts as read to its end."""
REMEMBERED = 100_000
"""Ids that are remembered of a source that is consumed: a copy of one of these is left out."""
_INVISIBLE = 300.0

Progress = Callable[[str, int], object]
"""Called with a queue (full name) and how many of its messages are in the target since the last call."""


class Mirror:
    """From one access point to another.

    Args:
        source, target: open access points, of any drivers.
        name: positions are kept by it, and a mirror of the same name goes on where it was.
        state: a file for positions, where the target cannot keep them.
        start: where queues begin that the mirror has not met: `earliest`, `latest`, `offset:<n>` or `ts:<ms>`.
        follow: whether to go on at the end, until it is cancelled.
    """

    def __init__(
        self,
        source: AccessPoint,
        target: AccessPoint,
        *,
        name: str,
        state: Path,
        start: str = "earliest",
        follow: bool = False,
    ) -> None:
        self._from = source
        self._to = target
        self.name = check_name(name, "name")
        self._state_path = state
        self._start = start
        self._follow = follow

    async def plan(self, queues: Iterable[str] = ()) -> Plan:
        """What there is to do, and what the target cannot represent. No queue named: all of the source's namespace.

        Raises OMSDestinationException 1404 for a queue that is not there, OMSUnsupportException where a system's queues
        cannot be looked at: MQTT drops what nobody listens to, and nothing could be said of it.
        """
        source, target = await self._from.get_driver(), await self._to.get_driver()
        for driver in (source, target):
            if Capability.ADMIN not in driver.capabilities:
                raise lacking(Capability.ADMIN, "mirror")
        names = [self._from.full(queue) for queue in queues]
        names = names or sorted(await source.list_queues(self._from.namespace))
        return Plan([await step_of(source, target, queue) for queue in names], general_losses(source, target))

    async def run(self, plan: Plan, progress: Progress) -> int:
        """Copy; how many messages were copied.

        Raises what the systems raise, OMSMessageFormatException 1413 for a body that the target does not take, and
        OMSRuntimeException 1418 where the positions do not fit the source or the target.
        """
        source, target = await self._from.get_driver(), await self._to.get_driver()
        state = State(self._state_path)
        copied = 0

        def count(queue: str, more: int) -> None:
            nonlocal copied
            copied += more
            progress(queue, more)

        try:
            async with asyncio.TaskGroup() as group:
                for step in plan.steps:
                    run = _Run(source, target, step, self.name, state, self._start, self._follow, count)
                    await run.prepare()
                    group.create_task(run.copy())
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        return copied


class _Run:
    """One queue."""

    def __init__(
        self,
        source: Driver,
        target: Driver,
        step: Step,
        name: str,
        state: State,
        start: str,
        follow: bool,
        progress: Progress,
    ) -> None:
        self._source = source
        self._target = target
        self._step = step
        self._queue = step.queue
        self._name = name
        self._state = state
        self._start = start
        self._follow = follow
        self._was_there = step.is_there
        self._progress = progress
        self._browses = Capability.BROWSE in source.capabilities
        self._numbers = self._browses and Capability.UNIQUE in target.capabilities

    async def prepare(self) -> None:
        """Make the queue in the target, and its namespace."""
        step = self._step
        if not step.is_there and Capability.ADMIN in self._target.capabilities:
            namespace, _ = split_name(step.queue)
            if namespace != DEFAULT_NAMESPACE and namespace not in await self._target.list_namespaces():
                await self._target.create_namespace(namespace)
            await self._target.create_queue(step.queue, step.partitions, {})
            step.is_there = True
        found = self._target.partition_count(self._queue)
        step.partitions = found if isinstance(found, int) else await found
        like = step.partitions == step.source.partitions
        self._writer = Writer(self._target, self._queue, step.partitions, like)

    async def copy(self) -> None:
        """Copy until the end that the source has now, or for ever."""
        if not self._browses:
            await self._consume()
            return
        known = 0
        async with asyncio.TaskGroup() as group:
            while True:
                info = await self._source.describe_queue(self._queue)
                for number in range(known, len(info.offsets)):
                    group.create_task(self._copy_partition(info, number))
                known = len(info.offsets)
                if not self._follow:
                    break
                await asyncio.sleep(WAIT)

    async def _copy_partition(self, info: QueueInfo, number: int) -> None:
        end = info.offsets[number][1]
        producer, position, since = await self._position(info, number)
        base = base_of(info, number)
        while self._follow or position < end:
            wait = WAIT if self._follow else 0.0
            deliveries = await self._read(number, position, wait)
            if not deliveries:
                if self._follow:
                    continue
                break
            messages = taken(deliveries, base)
            position = after(deliveries, messages)
            if not self._follow:
                messages = [each for each in messages if each.offset is None or each.offset < end]
            if messages:
                await self._writer.write(messages, producer, since)
                since = None
            if producer is None:
                self._state.save(self._queue, number, position)
            self._progress(self._queue, len(messages))

    async def _read(self, number: int, position: int, wait: float) -> list[Delivery]:
        """Read; a source that cannot be reached is asked again for `PATIENCE` seconds."""
        begin = time.monotonic()
        while True:
            try:
                return await self._source.read(self._queue, number, position, MESSAGES, wait)
            except OMSRuntimeException as failure:
                if not failure.retryable or time.monotonic() - begin > PATIENCE:
                    raise
                await asyncio.sleep(WAIT)

    async def _position(self, info: QueueInfo, number: int) -> tuple[ProducerEpoch | None, int, int | None]:
        """Who numbers the messages (None: nobody), the offset to begin at, and when that was written down, if the
        mirror was here before and nobody numbers."""
        first, end = info.offsets[number]
        producer = mark = None
        if self._numbers:
            producer = await self._target.open_producer(f"mirror.{self._name}.{number}")
            last = producer.sequences.get(self._queue)
            reached = None if last is None else last + 1
        else:
            mark = self._state.mark(self._queue, number)
            reached = None if mark is None else mark.position
        if reached is None:
            begin = await begin_at(self._source, info, number, self._start)
            if producer is None:
                self._state.save(self._queue, number, begin)
            return producer, begin, None
        if reached > end:
            text = f"{self._queue}, partition {number} ends at {end}, the mirror {self._name!r} was at {reached}"
            raise error(1418, text, next_step="It is another queue than before: give the mirror another --name")
        if producer is None and reached > first and not self._was_there:
            text = f"{self._queue} is not in the target any more, the mirror {self._name!r} was at {reached}"
            raise error(1418, text, next_step="Give the mirror another --name to begin anew")
        return producer, max(reached, first), None if mark is None else mark.at_ms

    async def _consume(self) -> None:
        """Take messages by a group of the mirror's, and acknowledge them once they are in the target."""
        config = GroupConfig(start=self._start, invisible_time=_INVISIBLE)
        spec = SubscriptionSpec(self._queue, f"mirror.{self._name}", config)
        subscription = await self._source.subscribe(spec)
        mark = self._state.mark(self._queue, 0)
        # What a mirror that died had stored and not acknowledged comes again, at any time; and a sender that died may
        # have stored messages twice.
        stored = () if mark is None else await self._writer.stored_since(mark.at_ms - SKEW_MS)
        seen = dict.fromkeys(stored)
        if mark is None:
            self._state.save(self._queue, 0, 0)
        try:
            while True:
                deliveries = await subscription.fetch(MESSAGES, MAX_BYTES, QUIET)
                if not deliveries:
                    if self._follow:
                        continue
                    return
                new = {each.message_id: each for each in taken(deliveries) if each.message_id not in seen}
                messages = list(new.values())
                await self._writer.write(messages)
                seen.update(dict.fromkeys(new))
                for oldest in list(seen)[: max(len(seen) - REMEMBERED, 0)]:
                    del seen[oldest]
                for lease in dict.fromkeys(delivery.lease_id for delivery in deliveries):
                    subscription.ack(lease, None)
                await subscription.flush()
                self._state.save(self._queue, 0, 0)
                self._progress(self._queue, len(messages))
        finally:
            await subscription.close()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended a group of tasks."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
