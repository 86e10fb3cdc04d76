"""Between a queue and a listener: fetches, hands out in lanes, renews leases, settles by what the listener does.

A lane is worked off one call at a time when it holds one partition (order), or by `concurrency` workers when all share
one lane. What waits in lanes and what is in a listener keeps its lease; suspending and stopping give back what waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any

from openmessaging.model.batch import is_at_most_once
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Delivery
from openmessaging.runtime.aio.primitives import Event, Fetching, Periodic, Subscription, Task, call, sleep
from openmessaging.runtime.aio.received import ReceivedMessage, by_lease, received
from openmessaging.runtime.aio.settling import let_go, settle_first
from openmessaging.runtime.context import ListenerContext
from openmessaging.runtime.interceptor import InterceptContext, around, logger, run_post, run_pre
from openmessaging.runtime.lease import Lease, leased
from openmessaging.runtime.verdict import Reject, Retry

if TYPE_CHECKING:
    from openmessaging.runtime.aio.push import PushConsumer

PRE_RECEIVE, POST_RECEIVE, ON_ERROR = map(attrgetter, ("pre_receive", "post_receive", "on_error"))
MAX_BYTES = 8 << 20
"""Most bytes of one fetch."""
RETRY_DELAY = 1.0
"""Seconds between fetches after one failed."""
RECENT = 5.0
"""Seconds for which a failed fetch is trouble: when it goes on, there is another by then."""

Unit = list[ReceivedMessage]
"""What goes into a listener in one call."""


class _Lane:
    """Units in order, and how many workers are at them."""

    __slots__ = ("units", "workers")

    def __init__(self) -> None:
        self.units: deque[Unit] = deque()
        self.workers = 0


class Pump:
    """Serves one queue of a push consumer."""

    def __init__(
        self, consumer: PushConsumer, subscription: Subscription, listener: Callable[..., Any], batch: bool
    ) -> None:
        self.listener = listener
        self.batch = batch
        self._consumer = consumer
        self._subscription = subscription
        self._mutex = threading.Lock()
        self._lanes: dict[int, _Lane] = {}
        self._held = 0
        self._working: dict[int, tuple[Unit, float]] = {}
        self._tasks: set[Task] = set()
        self._room = Event()
        self._stopping = False
        self._settling = False
        """Whether messages of qos 1 have come: from then on units have to be looked at."""
        self._last_failure: tuple[float, Exception] | None = None
        self._capacity = max(consumer.batch_size if batch else 1, (consumer.concurrency or 1) * 2, consumer.prefetch)
        self._fetch = Fetching(self._land)
        self._keeper = Periodic(consumer.invisible_time / 3, self._renew)
        self._main = Task(self._run)

    async def _run(self) -> None:
        while not self._stopping:
            if not await self._consumer.resumed.wait_within(0.5):
                continue
            room = self._capacity - self._held
            if room <= 0:
                self._room.clear()
                if self._held >= self._capacity:
                    await self._room.wait_within(None)
                continue
            try:
                await self._fetch.run([(None, partial(self._subscription.fetch, room, MAX_BYTES))], IDLE)
            except Exception as failure:
                if self._stopping:
                    return
                logger.warning("receiving failed, trying again: %s", failure, exc_info=failure)
                self._last_failure = (monotonic(), failure)
                await sleep(RETRY_DELAY)

    def _land(self, _source: None, deliveries: list[Delivery]) -> None:
        shared = self._consumer.concurrency is not None
        before = None
        for lease, delivery in leased(self._subscription, deliveries):
            messages = received(lease, delivery, before)
            before = messages[0].arrival
            self._settling |= before.at_most_once and not self._consumer.transacts
            size = self._consumer.batch_size if self.batch else 1
            units = [messages[at : at + size] for at in range(0, len(messages), size)]
            with self._mutex:
                if self._stopping or not self._consumer.resumed.is_set():
                    back = messages
                else:
                    back = []
                    lane = self._lanes.setdefault(0 if shared else delivery.partition, _Lane())
                    lane.units.extend(units)
                    self._held += len(messages)
                    self._staff(lane)
            give_back(back)

    def _staff(self, lane: _Lane) -> None:
        """Put as many workers at a lane as it may have and has work for. Called under the mutex."""
        for _ in range(min((self._consumer.concurrency or 1) - lane.workers, len(lane.units))):
            lane.workers += 1
            self._tasks.add(Task(self._work, lane))

    async def _work(self, lane: _Lane) -> None:
        while True:
            with self._mutex:
                if not lane.units or self._stopping:
                    lane.workers -= 1
                    self._tasks = {task for task in self._tasks if not task.is_done()}
                    return
                unit = lane.units.popleft()
                key = id(unit)
                self._working[key] = (unit, monotonic())
            try:
                await self._handle(unit)
            finally:
                with self._mutex:
                    del self._working[key]
                    self._held -= len(unit)
                self._room.set()

    async def _handle(self, unit: Unit) -> None:
        contexts: list[InterceptContext] = []
        interceptors = self._consumer.interceptors()
        try:
            if self._settling:
                unit = await settle_first(unit)
                if not unit:
                    return
            with around(interceptors, "process", unit, self._consumer.group):
                try:
                    contexts.extend(run_pre(interceptors, PRE_RECEIVE, message) for message in unit)
                    await self._listen(unit, contexts)
                except Exception as failure:
                    fail(unit, failure)
                    for message, context in zip(unit, contexts, strict=False):
                        run_post(interceptors, ON_ERROR, message, context, failure)
        except Exception as failure:  # of what is around
            fail(unit, failure)
        except BaseException:
            give_back(unit)
            raise

    async def _listen(self, unit: Unit, contexts: list[InterceptContext]) -> None:
        """Call the listener; a batch that it refuses is halved until the bad message is alone."""
        interceptors = self._consumer.interceptors()
        attributes = contexts[0].attributes
        for other in contexts[1:]:
            attributes.update(other.attributes)
        context = ListenerContext(unit, attributes)
        try:
            await call(self.listener, unit if self.batch else unit[0], context)
        except Exception as failure:
            rest = [index for index, message in enumerate(unit) if message.leased_offset in message.lease.pending]
            if self._settling:
                self._report_lost(unit, contexts, failure)
            for part in halves(rest) if len(rest) > 1 else ():
                await self._listen([unit[index] for index in part], [contexts[index] for index in part])
            if len(rest) == 1:
                message = unit[rest[0]]
                fail([message], failure)
                run_post(interceptors, ON_ERROR, message, contexts[rest[0]], failure)
            return
        if self._consumer.auto_ack:
            self._settle(unit)
        for message, each in zip(unit, contexts, strict=True):
            run_post(interceptors, POST_RECEIVE, message, each)

    def _report_lost(self, unit: Unit, contexts: list[InterceptContext], failure: Exception) -> None:
        """Tell about messages of qos 1 that a listener failed on: they do not come again."""
        interceptors = self._consumer.interceptors()
        for message, context in zip(unit, contexts, strict=True):
            if is_at_most_once(message.record):
                logger.warning("a listener failed on %s, of qos 1: it is lost", message.message_id, exc_info=failure)
                run_post(interceptors, ON_ERROR, message, context, failure)

    def _settle(self, unit: Unit) -> None:
        for lease, offsets in by_lease(unit):
            try:
                lease.ack([offset for offset in offsets if offset in lease.pending])
            except OMSRuntimeException as failure:
                logger.warning("a message will be delivered again: %s", failure)

    def _renew(self) -> None:
        """Let leases last, but not those of a listener that has been at work for more than `max_processing`."""
        now = monotonic()
        with self._mutex:
            working = list(self._working.values())
            waiting = [message for lane in self._lanes.values() for unit in lane.units for message in unit]
        alive: set[Lease] = {message.lease for message in waiting}
        overdue: set[Lease] = set()
        for unit, since in working:
            chosen = overdue if now - since > self._consumer.max_processing else alive
            chosen.update([message.lease for message in unit])
        for lease in alive - overdue:
            lease.renew(self._consumer.invisible_time)

    def troubles(self) -> list[str]:
        """Why it does not receive, or handles nothing; see `PushConsumer.troubles`."""
        now = monotonic()
        found = []
        if self._main.is_done() and not self._stopping:
            found.append("it receives no more")
        if self._last_failure is not None and now - self._last_failure[0] < RECENT:
            found.append(f"receiving failed: {self._last_failure[1]}")
        with self._mutex:
            overdue = sum(now - since > self._consumer.max_processing for _, since in self._working.values())
        if overdue:
            found.append(f"{overdue} call(s) of the listener take longer than {self._consumer.max_processing:g} s")
        return found

    def suspend(self) -> None:
        """Fetch no more for now, and give back what no listener has begun, uncounted."""
        self._fetch.interrupt()
        with self._mutex:
            waiting = [message for lane in self._lanes.values() for unit in lane.units for message in unit]
            for lane in self._lanes.values():
                lane.units.clear()
            self._held -= len(waiting)
        give_back(waiting)
        self._room.set()

    def wind_down(self) -> None:
        """Begin nothing new, for good."""
        self._stopping = True
        self.suspend()

    async def flush(self) -> None:
        """Return when every acknowledgement made so far is durable."""
        await self._subscription.flush()

    async def stop(self, grace: float) -> None:
        """Wait up to `grace` seconds for listeners at work, give the rest back, let the queue go."""
        self.wind_down()
        deadline = monotonic() + grace
        await self._main.join(1.0)
        self._main.cancel()
        for task in list(self._tasks):
            if not await task.join(max(deadline - monotonic(), 0.0)):
                task.cancel()
                await task.join(1.0)
        with self._mutex:
            left = [message for unit, _ in self._working.values() for message in unit]
        give_back(left)
        self._keeper.stop()
        await let_go(self._subscription)


def give_back(messages: Sequence[ReceivedMessage]) -> None:
    """Give messages back uncounted."""
    if messages:
        for lease, offsets in by_lease(messages):
            lease.release(offsets)


def fail(unit: Unit, failure: BaseException) -> None:
    """Give messages back that a listener failed on, in the way that it asked for."""
    queue = unit[0].destination
    if isinstance(failure, Reject):
        logger.info("%d message(s) of %s become dead letters: %s", len(unit), queue, failure.reason)
    elif isinstance(failure, Retry):
        logger.info("%d message(s) of %s come again: %s", len(unit), queue, failure.reason)
    else:
        logger.info("a listener failed, %d message(s) of %s come again", len(unit), queue, exc_info=failure)
    for lease, offsets in by_lease(unit):
        pending = [offset for offset in offsets if offset in lease.pending]
        try:
            if not pending:
                continue
            if isinstance(failure, Reject):
                lease.reject(pending, failure.reason)
            elif isinstance(failure, Retry):
                lease.nack(pending, failure.delay, failure.reason)
            else:
                lease.nack(pending, None, f"{type(failure).__name__}: {failure}")
        except OMSRuntimeException as late:
            logger.warning("a message will be delivered again: %s", late)


def halves(indices: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Two halves, neither empty, of at least two."""
    middle = len(indices) // 2
    return indices[:middle], indices[middle:]


IDLE = 1e9
"""Seconds of a wait without end."""
