"""What the clients of one connection ask for, done on a driver: sends, fetches, settlements, calls, mail.

Sends keep their order. A fetch waits in a task of its own; nothing else that waits holds up what comes behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.mail import Mail, no_responders
from openmessaging.model.replay import Refused
from openmessaging.model.spi import OutgoingBatch, Placement, Subscription, SubscriptionSpec
from openmessaging.model.transaction import Preparation, Settlement
from openmessaging.server.batches import accepted, checked
from openmessaging.server.pace import Pace
from openmessaging.server.served import Driver
from openmessaging.server.settling import settle
from openmessaging.system.loops import runs_here
from openmessaging.wire import Call, Fetch, Kind, Letter, Placed, Refusal, Send, Settle, Settled
from openmessaging.wire.operations import operation
from openmessaging.wire.pieces import delivered_pieces

logger = logging.getLogger("openmessaging.server")
Wait = Callable[[], Coroutine[Any, Any, None]]
Answer = Callable[..., None]
"""Sends a frame: its kind, the request, the pieces of its body."""

_encode = msgspec.msgpack.Encoder().encode
_RESULT_OF_NONE = _encode([None])


class Requests:
    """The requests of one connection.

    Args:
        driver: where they are done.
        answer: sends a frame to the client; from this loop.
        answer_later: the same for a frame that is in no hurry, and may go out with the next one.
        ready: returns when the client reads what it was sent, and it is its turn: nothing is leased before.
        pace: is told what is taken.
        errors: counts what is refused, by code.
        written: as `Driver.written`; None: the client would not outlive this process.
        idle: called while the server is ending, whenever `busy` may have become false.
    """

    def __init__(
        self,
        driver: Driver,
        answer: Answer,
        answer_later: Answer,
        ready: Wait,
        pace: Pace,
        errors: Counter[int],
        written: Callable[[], Awaitable[object] | None] | None,
        idle: Callable[[], object],
    ) -> None:
        self._driver = driver
        self._answer = answer
        self._answer_later = answer_later
        self._ready = ready
        self._pace = pace
        self.owed = 0
        """Bytes that are leased for the client and not on their way yet."""
        self._errors = errors
        self._written = written
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._subscriptions: dict[int, Subscription] = {}
        self.consumed: dict[int, tuple[str, str]] = {}
        """Queue and group of each subscription."""
        self._mailboxes: dict[str, Callable[[Mail], object]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._fetching: set[int] = set()
        self._draining = False
        self._on_the_way: dict[int, tuple[Subscription, list[int]]] = {}
        """Leases by the fetch that brought them, until the client says that it has them."""
        self._last_subscription = 0
        self._beginning = 0
        """Sends in tasks that have not run yet: what comes behind them must not overtake them."""
        self._looking = asyncio.Lock()
        """Held while what is sent again is looked for."""

    # ---- sending ---------------------------------------------------------------------------------------------------

    def send(self, request: int, body: Send, stored: Callable[[], None]) -> None:
        """Store batches; `stored` is called when the answer is given."""
        try:
            batches = [accepted(item, self._driver.max_body_bytes) for item in body.items]
            for batch in batches if body.asks and not body.since_ms else ():
                if not self._driver.mailboxes.services(batch.destination):
                    raise no_responders(batch.destination)
        except OMSRuntimeException as failure:
            stored()
            self._refuse(request, failure)
            return
        if self._beginning or len(batches) != 1 or body.settlements or body.since_ms or batches[0].unique is not None:
            self._beginning += 1
            self._start(request, self._send_whole(request, body, batches, stored), to_the_end=True)
        else:
            # Who has asked waits for mail, not for this.
            self._send_one(request, batches[0], stored, self._answer_later if body.asks else self._answer)

    def _send_one(self, request: int, batch: OutgoingBatch, stored: Callable[[], None], answer: Answer) -> None:
        def placed(placement: Placement | None, failure: BaseException | None) -> None:
            stored()
            if placement is None:
                self._refuse(request, failure)
            else:
                answer(Kind.PLACED, request, Placed([placement]).encoded())

        try:
            placement = self._driver.send_now(batch)
        except OMSRuntimeException as failure:
            placed(None, failure)
            return
        if placement is None:
            self._driver.submit(batch, placed)
        else:
            placed(placement, None)

    async def _send_whole(
        self, request: int, body: Send, batches: list[OutgoingBatch], stored: Callable[[], None]
    ) -> None:
        try:
            if body.since_ms or self._looking.locked():
                placements = await self._looked_for(body, batches)
            else:
                placements = await self._store(body, batches)
        finally:
            stored()
        self._answer(Kind.PLACED, request, Placed(placements).encoded())

    async def _looked_for(self, body: Send, batches: list[OutgoingBatch]) -> list[Placement]:
        """Store what was not stored before: looking for it takes its time, and none behind it may be stored first."""
        async with self._looking:
            try:
                found = await self._sent(batches, body.since_ms) if body.since_ms else None
            except BaseException:
                self._beginning -= 1
                raise
            if found is not None:
                self._beginning -= 1
                return found
            storing = self._loop.create_task(self._store(body, batches))
        return await storing

    async def _store(self, body: Send, batches: list[OutgoingBatch]) -> list[Placement]:
        self._beginning -= 1
        settlements = [
            Settlement(self._subscription(each.subscription), each.lease_id, each.offsets)
            for each in body.settlements or ()
        ]
        if settlements or any(batch.unique is not None for batch in batches):
            return await self._driver.commit(batches, settlements)
        return await self._driver.send(batches)

    async def _sent(self, batches: list[OutgoingBatch], since_ms: int) -> list[Placement] | None:
        """Where batches are that were stored before the client's connection broke; they were all, or none."""
        placements = [await self._driver.find_sent(batch, since_ms) for batch in batches]
        return [each for each in placements if each is not None] if placements and None not in placements else None

    # ---- receiving -------------------------------------------------------------------------------------------------

    def fetch(self, request: int, body: Fetch) -> None:
        """Answer with messages as soon as there are some; not at all when the server is ending."""
        if not self._draining:
            self._fetching.add(request)
            self._start(request, self._fetch(request, body))

    async def _fetch(self, request: int, body: Fetch) -> None:
        subscription = self._subscription(body.subscription)
        await self._ready()
        deliveries = await subscription.fetch(body.max_messages, body.max_bytes, body.wait_ms / 1000)
        leases = list({each.lease_id: None for each in deliveries})  # many deliveries may be under one
        if deliveries and self._written is not None:
            size = self._pace.take(deliveries)
            self.owed += size
            try:
                writing = self._written()
                if writing is not None:
                    await writing
            except BaseException:  # taken back meanwhile
                for lease_id in leases:
                    subscription.release(lease_id, None)
                raise
            finally:
                self.owed -= size
        if deliveries:
            self._on_the_way[request] = subscription, leases
        self._answer(Kind.DELIVERED, request, *delivered_pieces(deliveries))

    def got(self, request: int) -> None:
        """The client has what a fetch brought."""
        self._on_the_way.pop(request, None)
        if self._draining:
            self._idle()

    def settle(self, request: int, body: Settle) -> None:
        """Settle messages step by step; the steps that fail are told."""
        try:
            subscription = self._subscription(body.subscription)
        except OMSRuntimeException as failure:
            self._refuse(request, failure)
            return
        failures = settle(subscription, body.steps)
        self._errors.update(refusal.code for _, refusal in failures)
        answer = Settled(failures).encoded()
        try:
            writing = None if self._written is None else self._written()
        except OMSRuntimeException as failure:
            self._refuse(request, failure)
            return
        if writing is None:
            self._answer(Kind.SETTLED, request, answer)
        else:
            self._start(request, self._confirm(request, answer, writing))

    async def _confirm(self, request: int, answer: bytes, writing: Awaitable[object]) -> None:
        await writing
        self._answer(Kind.SETTLED, request, answer)

    def cancel(self, request: int) -> None:
        """The client does not want the answer any more; what a fetch had leased goes back."""
        task = self._tasks.get(request)
        if task is not None:
            task.cancel()

    # ---- calls -----------------------------------------------------------------------------------------------------

    def call(self, request: int, body: Call) -> None:
        """Do an operation."""
        own = _OWN.get(body.operation)
        try:
            if own is not None:
                decoder, method = own
                self._start(request, self._result_of(request, method(self, *decoder.decode(body.arguments))))
                return
            arguments = operation(body.operation).read_arguments(body.arguments)
            if body.operation == "prepare":
                arguments = (self._preparation(arguments[0]),)
            method = getattr(self._driver, body.operation)
            value = self._in_turn(method, arguments) if body.operation in _BULKY else method(*arguments)
        except msgspec.DecodeError as cause:
            self._refuse(request, error(1418, f"{body.operation}: {cause}", field="arguments"))
            return
        except Exception as failure:
            self._refuse(request, failure)
            return
        if inspect.isawaitable(value):
            self._start(request, self._result_of(request, value))
        else:
            self._result(request, value)

    async def _in_turn(self, method: Callable[..., Awaitable[Any]], arguments: Sequence[Any]) -> Any:
        """What may bring much is done when there is room for it."""
        await self._ready()
        value = await method(*arguments)
        if value and isinstance(value, list):
            self._pace.take(value)
        return value

    async def _result_of(self, request: int, value: Awaitable[Any]) -> None:
        self._result(request, await value)

    def _result(self, request: int, value: Any) -> None:
        self._answer(Kind.RESULT, request, _RESULT_OF_NONE if value is None else _encode([value]))

    def _preparation(self, preparation: Preparation) -> Preparation:
        batch = preparation.batch.batch
        whole = checked(batch.head + batch.payload, self._driver.max_body_bytes)
        return msgspec.structs.replace(preparation, batch=msgspec.structs.replace(preparation.batch, batch=whole))

    async def _subscribe(self, spec: SubscriptionSpec) -> int:
        subscription = await self._driver.subscribe(msgspec.structs.replace(spec, outside=self._written is not None))
        self._last_subscription += 1
        self._subscriptions[self._last_subscription] = subscription
        self.consumed[self._last_subscription] = (spec.destination, spec.group)
        return self._last_subscription

    async def _unsubscribe(self, number: int) -> None:
        subscription = self._subscriptions.pop(number, None)
        self.consumed.pop(number, None)
        if subscription is not None:
            await subscription.close()

    async def _flush(self, number: int) -> None:
        await self._subscription(number).flush()

    async def _move(
        self, number: int, lease_id: int, offsets: list[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        return await self._subscription(number).move(lease_id, offsets, target, max_redrives)

    async def _open_mailbox(self, address: str, serves: tuple[str, str] | None) -> None:
        def take(mail: Mail) -> None:
            if runs_here(self._loop):
                self._deliver(address, mail)
            else:
                self._loop.call_soon_threadsafe(self._deliver, address, mail)

        self._driver.mailboxes.open(address, take, serves)
        self._mailboxes[address] = take

    async def _close_mailbox(self, address: str) -> None:
        take = self._mailboxes.pop(address, None)
        if take is not None:  # the client may have opened it anew, over another connection
            self._driver.mailboxes.close(address, take)

    def _deliver(self, address: str, mail: Mail) -> None:
        if address in self._mailboxes:
            self._answer(Kind.MAIL, 0, Letter(address, mail).encoded())

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _subscription(self, number: int) -> Subscription:
        found = self._subscriptions.get(number)
        if found is None:
            step = "Subscribe again: it ends with its connection"
            raise error(1418, f"there is no subscription {number}", next_step=step, field="subscription")
        return found

    def _start(self, request: int, work: Coroutine[Any, Any, None], *, to_the_end: bool = False) -> None:
        """Do it in a task, which the client may cancel, and which ends with the connection, unless `to_the_end`."""
        task = self._loop.create_task(work)
        if to_the_end:
            self._sending.add(task)
        else:
            self._tasks[request] = task
        task.add_done_callback(partial(self._ended, request))

    def _ended(self, request: int, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._fetching.discard(request)
        if self._tasks.get(request) is task:
            del self._tasks[request]
        if self._draining:
            self._idle()
        if task.cancelled():
            if not self._draining:
                self._refuse(request, error(1410, "cancelled"))
        elif (failure := task.exception()) is not None:
            self._refuse(request, failure)

    def _refuse(self, request: int, failure: BaseException | None) -> None:
        if not isinstance(failure, OMSRuntimeException):
            logger.error("a request failed", exc_info=failure)
        refusal = Refusal.of(failure or error(1500, "no answer"))
        self._errors[refusal.code] += 1
        self._answer(Kind.ERROR, request, refusal.encoded())

    @property
    def busy(self) -> bool:
        """Whether something is being done, or the client has not said yet that it has what it was sent."""
        return bool(self._on_the_way) or not self._tasks.keys() <= self._fetching

    def drain(self) -> None:
        """Lease nothing more: who waits for messages is left without an answer, and asks another connection."""
        self._draining = True
        for request in list(self._fetching):
            self.cancel(request)

    async def close(self) -> None:
        """Let go of everything. Leases that the client has go on until they expire, for it may come back; those that
        were on the way go back at once."""
        for task in list(self._tasks.values()):
            task.cancel()
        for subscription, leases in list(self._on_the_way.values()):
            for lease_id in leases:
                with contextlib.suppress(OMSRuntimeException):
                    subscription.release(lease_id, None)
                await asyncio.sleep(0)  # others go on
        for address in list(self._mailboxes):
            await self._close_mailbox(address)
        for number in list(self._subscriptions):
            await self._unsubscribe(number)


_BULKY = {"peek", "read", "read_backup", "read_before"}
_OWN: dict[str, tuple[msgspec.msgpack.Decoder[Any], Callable[..., Coroutine[Any, Any, Any]]]] = {
    "subscribe": (msgspec.msgpack.Decoder(tuple[SubscriptionSpec]), Requests._subscribe),
    "unsubscribe": (msgspec.msgpack.Decoder(tuple[int]), Requests._unsubscribe),
    "flush": (msgspec.msgpack.Decoder(tuple[int]), Requests._flush),
    "move": (msgspec.msgpack.Decoder(tuple[int, int, list[int] | None, str | None, int]), Requests._move),
    "open_mailbox": (msgspec.msgpack.Decoder(tuple[str, tuple[str, str] | None]), Requests._open_mailbox),
    "close_mailbox": (msgspec.msgpack.Decoder(tuple[str]), Requests._close_mailbox),
}
"""Operations on what a connection has opened."""
