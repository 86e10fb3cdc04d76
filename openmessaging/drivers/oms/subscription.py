"""A consumer's hold on a group over the network.

Settlements are told in one frame per turn of the loop and not waited for; those that the server has not confirmed go
again with the next connection. One that came too late is logged, for the message comes again, and the next `flush`
raises it. One that is refused when it goes again had been done, if its lease has not expired; else it came too late, or
may have.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from openmessaging.drivers.oms.channel import Channel, in_doubt
from openmessaging.drivers.oms.link import settle
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException, error
from openmessaging.model.replay import Delivery, Refused
from openmessaging.model.spi import SubscriptionSpec
from openmessaging.wire import Delivered, Fetch, Kind, Settle, Settled, Verb
from openmessaging.wire.bodies import Step

logger = logging.getLogger("openmessaging.driver")
NAMED = 5
"""Settlements that an error names, at most."""
MARGIN_MS = 1_000
"""How far what is known of the server's clock may be behind it."""
MANY_LEASES = 10_000
"""Leases of which the end is remembered, before those that are over are forgotten."""


class OmsSubscription:
    """See the module."""

    def __init__(self, channel: Channel, spec: SubscriptionSpec) -> None:
        self._channel = channel
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self.number = 0
        """What the server calls it, on the connection of now."""
        self._steps: list[Step] = []
        self._unconfirmed: dict[int, list[Step]] = {}
        self._deadlines: dict[int, int] = {}
        """When leases end, ms by the server's clock, as far as it has confirmed that."""
        self._late: list[Step] = []
        """What came too late, to be told by the next `flush`."""
        self._flushing: list[list[Step]] = []
        """The same of those that are waiting."""
        self._again: set[int] = set()
        """Steps (`id`) that go again: they may have been done."""
        self._last = 0
        self._confirmed = asyncio.Event()
        self._denied: OMSSecurityException | None = None

    def deny(self, failure: OMSSecurityException) -> None:
        """The right to the group is gone: whoever receives learns it."""
        self._denied = failure
        self.wake()

    def wake(self) -> None:
        """There is a connection, or none any more: tell what is to be told, look again whether it can be confirmed."""
        if self._denied is None:
            self._tell()
        self._confirmed.set()

    async def open(self) -> None:
        """Join the group."""
        self.number = await self._channel.own_again("subscribe", self._spec)
        self._spec = msgspec.structs.replace(self._spec, update=False)
        self._channel.resume(self)

    async def resume(self) -> None:
        """Join it again on the connection that is being opened, and tell what was not confirmed."""
        self.number = await self._channel.now("subscribe", self._spec)
        again, self._unconfirmed = self._unconfirmed, {}
        told = [step for steps in again.values() for step in steps]
        self._again.update(map(id, told))
        self._steps = told + self._steps

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages as soon as there are any; empty after `wait` seconds."""
        deadline = self._loop.time() + wait
        while True:
            try:
                link = await self._channel.ready(wait)
            except OMSSecurityException:
                raise
            except OMSRuntimeException:
                if self._channel.hopeful:
                    return []
                raise
            self._check_denied()
            left = max(0.0, deadline - self._loop.time())
            body = Fetch(self.number, max_messages, max_bytes, int(left * 1000)).encoded()
            future: asyncio.Future[Delivered] = self._loop.create_future()
            number = link.ask(Kind.FETCH, partial(self._fetched, future), body)
            try:
                return self._leased((await future).deliveries)
            except asyncio.CancelledError:
                if future.cancelled():
                    link.tell(Kind.CANCEL, number)
                elif future.exception() is None:  # it came in the same turn
                    self._give_back(future.result())
                raise
            except ConnectionError:
                continue

    def _leased(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Remember until when they are leased: what is not known counts as over."""
        deadlines = self._deadlines
        for each in deliveries:
            deadlines[each.lease_id] = each.deadline_ms
        if len(deadlines) > MANY_LEASES:
            now = self._server_ms()
            self._deadlines = {lease: deadline for lease, deadline in deadlines.items() if deadline > now}
        return deliveries

    def _server_ms(self) -> int:
        link = self._channel.link or self._channel.leaving
        return link.server_ms() if link is not None else 0

    def _fetched(
        self, future: asyncio.Future[Delivered], body: Delivered | None, failure: BaseException | None
    ) -> None:
        if future.done() and body is not None:
            self._give_back(body)
        settle(future, body, failure)

    def _give_back(self, body: Delivered) -> None:
        """What comes for one who does not wait any more."""
        for delivery in body.deliveries:
            self.release(delivery.lease_id, None)

    # ---- settling --------------------------------------------------------------------------------------------------

    def ack(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Settle offsets of a lease."""
        self._step(Step(Verb.ACK, lease_id, listed(offsets)))

    def nack(self, lease_id: int, offsets: Sequence[int] | None, delay: float | None, reason: str) -> None:
        """Give messages back as failed."""
        self._step(Step(Verb.NACK, lease_id, listed(offsets), delay, reason))

    def reject(self, lease_id: int, offsets: Sequence[int] | None, reason: str) -> None:
        """Make dead letters of messages now."""
        self._step(Step(Verb.REJECT, lease_id, listed(offsets), None, reason))

    def release(self, lease_id: int, offsets: Sequence[int] | None) -> None:
        """Give messages back that were never handled."""
        self._step(Step(Verb.RELEASE, lease_id, listed(offsets)))

    def extend(self, lease_id: int, invisible_time: float) -> int:
        """Let a lease last longer; returns its new deadline in ms, by the server's clock as far as it is known."""
        self._step(Step(Verb.EXTEND, lease_id, None, invisible_time))
        return self._server_ms() + int(invisible_time * 1000)

    def _step(self, step: Step) -> None:
        if not self._steps:
            self._channel.soon(self._tell)
        elif self._joined(step):
            return
        self._steps.append(step)

    def _joined(self, step: Step) -> bool:
        """Acknowledgements of one lease in a row are one step."""
        last = self._steps[-1]
        if id(last) in self._again:  # it may have been done, this has not
            return False
        if step.verb != Verb.ACK or last.verb != Verb.ACK or last.lease_id != step.lease_id:
            return False
        if last.offsets is None or step.offsets is None:
            return False
        last.offsets += step.offsets
        return True

    def _tell(self) -> None:
        link = self._channel.link or self._channel.leaving
        if link is None or not self._steps:
            return  # it goes with the next connection
        steps, self._steps = self._steps, []
        self._last += 1
        number = self._last
        self._unconfirmed[number] = steps
        settled = partial(self._settled, number, link.server_ms())
        link.ask(Kind.SETTLE, settled, Settle(self.number, steps).encoded())

    def _settled(self, number: int, told_ms: int, body: Settled | None, failure: BaseException | None) -> None:
        if isinstance(failure, ConnectionError):
            return
        steps = self._unconfirmed.pop(number, None)
        if steps is None:
            return
        if isinstance(failure, OMSRuntimeException):
            self._failed(steps[0], failure)
        refused = dict(body.failures) if body is not None else {}
        for place, step in enumerate(steps):
            if place in refused:
                self._failed(step, refused[place].error())
            elif step.verb == Verb.EXTEND and step.seconds is not None:
                self._deadlines[step.lease_id] = told_ms + int(step.seconds * 1000)
            if step.offsets is None and step.verb != Verb.EXTEND:
                self._deadlines.pop(step.lease_id, None)
        self._again.difference_update(map(id, steps))
        if not self._unconfirmed:
            self._confirmed.set()

    def _failed(self, step: Step, failure: OMSRuntimeException) -> None:
        if step.verb == Verb.RELEASE:
            return  # it came back by itself already
        if id(step) in self._again and self._server_ms() + MARGIN_MS < self._deadlines.get(step.lease_id, 0):
            return  # the lease goes on, so it was settled before the connection broke
        logger.warning("lease %d of group %s: %s", step.lease_id, self._spec.group, failure)
        if step.verb in (Verb.ACK, Verb.REJECT):
            for late in self._flushing or (self._late,):
                late.append(step)

    async def move(
        self, lease_id: int, offsets: Sequence[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        """Send dead letters back and settle them here, in one step."""
        await self._all_told()
        try:
            found = await self._channel.own("move", self.number, lease_id, listed(offsets), target, max_redrives)
        except ConnectionError as cause:
            raise in_doubt("move") from cause
        return msgspec.convert(found, list[Refused])

    async def flush(self) -> None:
        """Return when every settlement made so far is durable. Who is not let in any more, and has nothing to tell but
        what comes back by itself, is not held up.

        Raises OMSRuntimeException 1418, once, when acknowledgements came too late: it names them.
        """
        late, self._late = self._late, []
        self._flushing.append(late)
        try:
            while True:
                await self._all_told()
                with contextlib.suppress(ConnectionError):  # else it is told again, and asked again
                    await self._channel.own("flush", self.number)
                    break
        except OMSSecurityException:
            steps = [*self._steps, *(step for told in self._unconfirmed.values() for step in told)]
            if any(step.verb != Verb.RELEASE for step in steps):
                raise
        finally:
            self._flushing = [each for each in self._flushing if each is not late]
        if late:
            raise too_late(self._spec, late)

    def _check_denied(self) -> None:
        if self._denied is not None:
            raise self._denied.located(self._spec.destination)

    async def _all_told(self) -> None:
        self._check_denied()
        self._tell()
        while self._unconfirmed or self._steps:
            self._check_denied()
            await self._channel.ready()
            self._confirmed.clear()
            await self._confirmed.wait()

    async def close(self) -> None:
        """Let go; leases that are still held go on until they expire."""
        self._tell()
        self._channel.forget(self)
        if self._channel.link is not None:
            with contextlib.suppress(ConnectionError):  # it ended with its connection
                await self._channel.own("unsubscribe", self.number)


def listed(offsets: Sequence[int] | None) -> list[int] | None:
    """Offsets as they travel."""
    return None if offsets is None else list(offsets)


def too_late(spec: SubscriptionSpec, steps: Sequence[Step]) -> OMSRuntimeException:
    """What to raise for settlements of which the lease was over."""
    named = [
        f"lease {step.lease_id}" + (f", offsets {', '.join(map(str, step.offsets))}" if step.offsets else "")
        for step in steps[:NAMED]
    ]
    more = f"; {len(steps) - NAMED} more" if len(steps) > NAMED else ""
    text = f"{spec.destination}, group {spec.group}: too late for {'; '.join(named)}{more}"
    step = "Expect these messages again; settle within the invisible time, or extend it"
    return error(1418, text, next_step=step, field="receipt")
