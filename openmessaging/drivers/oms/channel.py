"""The channel to a server, over as many connections as it takes: it connects again, and asks again what may be asked.

Sends go again in their order, marked with the time of their first attempt: the server finds those that it had stored.
Calls that come to the same the second time go again, others fail with 1410, for they may have been done. Subscriptions
and mailboxes are opened anew before anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from openmessaging.drivers.oms.link import Link, settle
from openmessaging.drivers.turns import call_all
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException, error
from openmessaging.model.mail import Mail
from openmessaging.model.spi import OutgoingBatch, Placement
from openmessaging.wire import Kind, Letter, Placed, Result
from openmessaging.wire.bodies import LeaseOf
from openmessaging.wire.operations import DONE_BEFORE, REPEATABLE, operation
from openmessaging.wire.pieces import send_pieces

logger = logging.getLogger("openmessaging.driver")
Connect = Callable[[Callable[[], Link]], Awaitable[Link]]
"""Makes a connection, to one host or another, and opens it. Raises OSError, and what the server refuses with."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0
"""Seconds between attempts to connect: doubled each time, and drawn between half of it and all."""
DENIED_PAUSE = 1.0
"""Seconds for which a refusal to let this client in is taken for the answer to all that is asked."""
PATIENCE = 30.0
"""Seconds without a connection after which calls and sends fail."""
_encode = msgspec.msgpack.Encoder().encode


class Resumed(Protocol):
    """What has to be opened anew on each connection."""

    async def resume(self) -> None:
        """Do so, with `Channel.now`."""
        ...

    def deny(self, failure: OMSSecurityException) -> None:
        """The server does not allow it any more."""
        ...

    def wake(self) -> None:
        """There is a connection, or the server does not let this client in at all: `Channel.ready` says which."""
        ...


class Sending(msgspec.Struct, eq=False):
    """A send without an answer."""

    batches: Sequence[OutgoingBatch]
    done: Callable[[list[Placement] | None, BaseException | None], object]
    settlements: Callable[[], list[LeaseOf]] | None = None
    """What is settled with it, by the numbers that it has on the connection of now."""
    since_ms: int = 0
    """Not 0 once it went out: it cannot have been stored before this, by the server's clock."""
    asks: bool = False
    """Whether it is to be stored only where a service serves the queue."""


class Channel:
    """See the module."""

    def __init__(self, connect: Connect, random: random.Random, longest_pause: float = LONGEST_PAUSE) -> None:
        self._connect = connect
        self._random = random
        self._longest_pause = longest_pause
        self._loop = asyncio.get_running_loop()
        self.link: Link | None = None
        """None while there is no connection that is ready for use."""
        self.leaving: Link | None = None
        """A connection whose server is ending: it takes settlements as long as it lasts."""
        self._opening: Link | None = None
        self._sending: dict[int, Sending] = {}
        self._number = 0
        self._resumed: dict[Resumed, None] = {}
        self._mailboxes: dict[str, Callable[[Mail], object]] = {}
        self._there = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False
        self._denied: OMSSecurityException | None = None
        """Why the server does not let this client in; asked again when somebody asks, not before `DENIED_PAUSE`."""
        self._denied_at = 0.0
        self.hopeful = True
        """False once there has been no connection for too long, until there is one."""
        self._callbacks: list[Callable[[], object]] = []

    # ---- connecting ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect for the first time. Raises what the last attempt raised, an OSError or an OMSRuntimeException."""
        await self._connected()

    async def _connected(self) -> None:
        link = await self._connect(lambda: Link(self._lost, self._mail, self._leave))
        self._opening = link
        try:
            for each in list(self._resumed):
                try:
                    await each.resume()
                except OMSSecurityException as failure:
                    self.forget(each)
                    each.deny(failure)
            if link.gone is not None:
                raise ConnectionResetError(f"the connection ended at once: {link.gone}")
        except BaseException:
            link.abort()
            raise
        finally:
            self._opening = None
        self.link = link
        self.hopeful = True
        for number, sending in list(self._sending.items()):
            self._ask(link, number, sending)
        for resumed in list(self._resumed):
            resumed.wake()
        self._there.set()

    def _lost(self, link: Link, reason: BaseException) -> None:
        if link is self.leaving:
            self.leaving = None
        if link is self.link:
            logger.info("connection lost: %s", reason)
            self._away()

    def _leave(self, link: Link) -> None:
        if link is self.link:
            self.leaving = link
            self._away()

    def _away(self) -> None:
        """Look for another connection; what this one was asked it may still answer."""
        if not self._closed:
            self.link = None
            self._there.clear()
            self._connecting = self._loop.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        pause, since = FIRST_PAUSE, self._loop.time()
        try:
            while not self._closed:
                try:
                    await self._connected()
                except OMSSecurityException as cause:
                    logger.warning("the server does not let this client in: %s", cause)
                    self._deny(cause)
                    return
                except (OSError, OMSRuntimeException) as cause:
                    logger.debug("not connected yet: %s", cause)
                    if self._loop.time() - since > PATIENCE:
                        self._give_up(cause)
                else:
                    return
                await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
                pause = min(pause * 2, self._longest_pause)
        finally:
            self._connecting = None

    def _deny(self, cause: OMSSecurityException) -> None:
        """Tell whoever waits at once: trying again would not help."""
        self._denied, self._denied_at = cause, self._loop.time()
        self._there.set()
        for resumed in list(self._resumed):
            resumed.wake()
        sending, self._sending = self._sending, {}
        for each in sending.values():
            tried = error(1410, f"{cause.reason}; it may have been stored", next_step=cause.next_step)
            each.done(None, tried if each.since_ms else cause)

    def _check_denied(self) -> None:
        """Raises why the server does not let this client in, or tries once more."""
        if self._denied is None or self._connecting is not None:
            return
        if self._loop.time() - self._denied_at < DENIED_PAUSE:
            raise self._denied.located("not connected")
        self._denied = None
        self._away()

    def _give_up(self, cause: BaseException) -> None:
        self.hopeful = False
        sending, self._sending = self._sending, {}
        for each in sending.values():
            tried = each.since_ms
            text = f"no connection for {PATIENCE:.0f} s: {cause}"
            each.done(None, error(1410, f"{text}; it may have been stored") if tried else error(1503, text))

    async def ready(self, patience: float | None = None) -> Link:
        """The connection, as soon as there is one. Raises OMSRuntimeException 1503 after `patience` seconds."""
        patience = PATIENCE if patience is None else patience
        while self.link is None:
            if self._closed:
                raise error(1503, "the access point is closed", next_step="Connect again")
            self._check_denied()
            try:
                async with asyncio.timeout(patience):
                    await self._there.wait()
            except TimeoutError:
                step = "Check that the server is running; it is tried again and again"
                raise error(1503, f"no connection for {patience:.0f} s", next_step=step) from None
        return self.link

    def resume(self, each: Resumed) -> None:
        """Open something anew on each connection to come."""
        self._resumed[each] = None

    def forget(self, each: Resumed) -> None:
        """Do so no more."""
        self._resumed.pop(each, None)

    # ---- sending ---------------------------------------------------------------------------------------------------

    def send(self, sending: Sending) -> int:
        """Send in order, over connections that break; returns a number to take it back with."""
        self._number += 1
        number = self._number
        if self._closed:
            sending.done(None, error(1503, "the access point is closed", next_step="Connect again"))
            return number
        try:
            self._check_denied()
        except OMSSecurityException as failure:
            sending.done(None, failure)
            return number
        self._sending[number] = sending
        if self.link is not None:
            self._ask(self.link, number, sending)
        return number

    def unsend(self, number: int) -> None:
        """Nobody waits for the answer any more; what did not go out does not."""
        self._sending.pop(number, None)

    def _ask(self, link: Link, number: int, sending: Sending) -> None:
        settlements = sending.settlements() if sending.settlements is not None else None
        pieces = send_pieces(sending.batches, settlements, sending.since_ms, sending.asks)
        link.ask(Kind.SEND, lambda placed, failure: self._placed(number, placed, failure), *pieces)
        if not sending.since_ms:
            sending.since_ms = link.server_ms() - 1_000

    def _placed(self, number: int, placed: Placed | None, failure: BaseException | None) -> None:
        if isinstance(failure, ConnectionError):
            return  # it goes again with the next connection
        sending = self._sending.pop(number, None)
        if sending is not None:
            sending.done(placed.placements if placed is not None else None, failure)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at the end of this turn of the loop, before what the turn brought goes out."""
        if not self._callbacks:
            self._loop.call_soon(self._end_turn)
        self._callbacks.append(callback)

    def _end_turn(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        call_all(self._loop, callbacks)
        if self.link is not None:
            self.link.flush()

    # ---- calling ---------------------------------------------------------------------------------------------------

    async def call(self, name: str, *arguments: Any) -> Any:
        """Do an operation of the server's. Raises what it raises; 1410 when the connection broke and it may have been
        done, 1503 without a connection."""
        again = False
        while True:
            link = await self.ready()
            try:
                return operation(name).read_result(await self.asked(link, name, arguments))
            except ConnectionError as cause:
                if name not in REPEATABLE and name not in DONE_BEFORE:
                    raise in_doubt(name) from cause
                again = True
            except OMSRuntimeException as refusal:
                code, field = DONE_BEFORE.get(name, (None, None))
                if not again or refusal.code != code or field not in (None, refusal.field):
                    raise
                return None  # done the first time

    async def own(self, name: str, *arguments: Any) -> Any:
        """Do an operation on what a connection has opened; its result as plain values. Raises as `call`, and
        ConnectionError when the connection broke."""
        return msgspec.msgpack.decode(await self.asked(await self.ready(), name, arguments))

    async def own_again(self, name: str, *arguments: Any) -> Any:
        """`own`, again while connections break: for what is the same the second time."""
        while True:
            with contextlib.suppress(ConnectionError):
                return await self.own(name, *arguments)

    async def now(self, name: str, *arguments: Any) -> Any:
        """`own`, on the connection that is being opened."""
        assert self._opening is not None
        return msgspec.msgpack.decode(await self.asked(self._opening, name, arguments))

    async def asked(self, link: Link, name: str, arguments: Sequence[Any]) -> msgspec.Raw:
        """The answer to a CALL on one connection. Raises ConnectionError when it breaks."""
        result: Result = await self.answer(link, Kind.CALL, _encode((name, arguments)))
        return result.value

    async def answer(self, link: Link, kind: int, body: bytes) -> Any:
        """The answer to any request on one connection. Raises ConnectionError when it breaks."""
        future: asyncio.Future[Any] = self._loop.create_future()
        number = link.ask(kind, partial(settle, future), body)
        try:
            return await future
        except asyncio.CancelledError:
            link.tell(Kind.CANCEL, number)
            raise

    # ---- mail ------------------------------------------------------------------------------------------------------

    def expect(self, address: str, take: Callable[[Mail], object]) -> None:
        """Mail for a mailbox goes to `take`."""
        self._mailboxes[address] = take

    def expect_no_more(self, address: str) -> None:
        """A mailbox is closed."""
        self._mailboxes.pop(address, None)

    def _mail(self, letter: Letter) -> None:
        take = self._mailboxes.get(letter.address)
        if take is not None:
            take(letter.mail)

    async def close(self) -> None:
        """Hang up; what has no answer yet fails with 1503."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        links, self.link = (self.link, self.leaving), None
        for link in links:
            if link is not None:
                link.close()
        sending, self._sending = self._sending, {}
        for each in sending.values():
            each.done(None, error(1503, "the access point was closed", next_step="Connect again"))
        self._there.set()


def in_doubt(name: str) -> OMSRuntimeException:
    """The error for what was asked on a connection that broke, and may not be asked twice."""
    step = "Look whether it was, and do it again if not"
    return error(1410, f"the connection broke; {name} may have been done", next_step=step)
