"""A connection of the native protocol: the shell between a transport and `requests.py`.

It reads no faster than it can store, and leases nothing for a client that does not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.server.clients import ClientInfo, as_address
from openmessaging.server.metrics import Metrics
from openmessaging.server.pace import Pace
from openmessaging.server.requests import Requests
from openmessaging.server.security import Credentials, Identity, Security
from openmessaging.server.served import Driver
from openmessaging.server.settings import Limits
from openmessaging.transport.framed import Framed
from openmessaging.wire import (
    MAGIC,
    VERSION,
    Frame,
    Goaway,
    Hello,
    Kind,
    ProtocolError,
    Refusal,
    Welcome,
    software,
)
from openmessaging.wire.bodies import decode_body
from openmessaging.wire.pieces import LARGE_BYTES

logger = logging.getLogger("openmessaging.server")
_HEARS = 0.5
"""Seconds until a client is thought to have heard that it should go elsewhere."""
_FIRST_FRAME_BYTES = 64 << 10


class Broker:
    """What all connections of a server share."""

    def __init__(
        self,
        driver: Driver,
        limits: Limits,
        now_ms: Callable[[], int],
        metrics: Metrics,
        security: Security,
        own: str = "",
    ) -> None:
        self.driver = driver
        self.metrics = metrics
        self.security = security
        self.limits = limits
        self.now_ms = now_ms
        self.own = own
        self.connections: set[Connection] = set()
        self.draining = False
        self.pace = Pace()
        self.changed = asyncio.Event()
        """Set whenever a connection has no sends left to be answered, or has ended."""
        self.ending: set[asyncio.Task[None]] = set()
        """What is left to do for clients that are gone."""

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait for a change that makes it true, at most so long; whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not done():
                    self.changed.clear()
                    await self.changed.wait()
        return done()

    def ended(self, task: asyncio.Task[None]) -> None:
        """All is done for one client that is gone."""
        self.ending.discard(task)
        self.changed.set()

    def welcome(self) -> Welcome:
        """The answer to HELLO."""
        return Welcome(
            VERSION,
            software(),
            sorted(self.driver.capabilities),
            self.driver.max_body_bytes,
            self.limits.max_frame_bytes,
            int(self.limits.heartbeat * 1000),
            self.now_ms(),
        )


class Connection(Framed):
    """One client."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(_FIRST_FRAME_BYTES, logger, answers_at_once=True)
        self._broker = broker
        self._limits = broker.limits
        self._requests: Requests | None = None
        self.client = ""
        self.identity: Identity | None = None
        """Who it is, once it has said HELLO."""
        self._greeting: asyncio.Task[None] | None = None
        self._held: deque[Frame] = deque()
        """What came before it was seen that there is no room for more."""
        self._early: list[Frame] = []
        """What came behind a HELLO that is still being looked at."""
        self._parting = False
        """Whether it was asked to go elsewhere and may not have heard it yet."""
        self._storing = 0
        """Bytes of sends that have no answer yet."""
        self._reads = True
        """Whether the client reads what it was sent."""
        self._stuck_since = 0.0
        self._taking_turns = asyncio.Lock()
        self._eased = asyncio.Event()
        """Set whenever it reads again, or what was leased for it has been sent."""

    def info(self) -> ClientInfo:
        """What can be told of the client; `connection_made` has been called."""
        return ClientInfo(
            self.client,
            as_address(self._transport.get_extra_info("peername")),
            "" if self.identity is None else self.identity.name,
            self.since_ms,
            [] if self._requests is None else sorted(self._requests.consumed.values()),
            self._storing,
            self._reads,
        )

    @property
    def _peer(self) -> str:
        return self.client or "a client"

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client, if there is room."""
        super().connection_made(transport)
        self._transport.set_write_buffer_limits(self._limits.unread_bytes)
        if self._broker.draining or len(self._broker.connections) >= self._limits.max_connections:
            self._hang_up(error(1503, "no more connections", next_step="Try again later, or another host"))
            return
        self.since_ms = self._broker.now_ms()
        self._broker.connections.add(self)
        self._timer = self._loop.call_later(self._limits.handshake, self._unopened)

    def pause_writing(self) -> None:
        """The client does not read what it was sent."""
        self._reads = False
        self._stuck_since = self._loop.time()
        self._adjust()

    def resume_writing(self) -> None:
        """It reads again."""
        self._reads = True
        self._eased.set()
        self._adjust()

    def connection_lost(self, failure: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(failure)
        self._broker.connections.discard(self)
        if self._greeting is not None:
            self._greeting.cancel()
        if self.identity is not None:
            self._broker.security.leave(self.identity, self._hang_up)
        if self._requests is not None:
            requests, self._requests = self._requests, None
            task = self._loop.create_task(requests.close())
            self._broker.ending.add(task)
            task.add_done_callback(self._broker.ended)
        self._broker.changed.set()
        logger.debug("%s is gone: %s", self._peer, failure or "closed")

    # ---- frames ----------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if self._held or not self._reading:
            self._held.append(frame)
        else:
            self._do(frame)

    def _do(self, frame: Frame) -> None:
        kind = frame.kind
        requests = self._requests
        if requests is None:
            if self._greeting is not None:
                self._early.append(frame)
            elif not self._transport.is_closing():
                self._open(frame)
        elif kind == Kind.SEND:
            size = len(frame.body)
            self._storing += size
            if self._reading and self._storing > self._limits.window_bytes:
                self._adjust()
            came = self._heard
            requests.send(frame.request, decode_body(kind, frame.body), lambda: self._stored(size, came))
        elif kind == Kind.FETCH:
            requests.fetch(frame.request, decode_body(kind, frame.body))
        elif kind == Kind.GOT:
            requests.got(frame.request)
        elif kind == Kind.SETTLE:
            requests.settle(frame.request, decode_body(kind, frame.body))
        elif kind == Kind.CALL:
            requests.call(frame.request, decode_body(kind, frame.body))
        elif kind == Kind.CANCEL:
            requests.cancel(frame.request)
        elif kind == Kind.PING:
            self.tell(Kind.PONG, frame.request)
        elif kind == Kind.PONG:
            self._parted()
        else:
            raise ProtocolError(f"a frame of kind {kind} from a client")

    def _open(self, frame: Frame) -> None:
        if frame.kind != Kind.HELLO:
            raise ProtocolError("the first frame is not HELLO")
        hello: Hello = decode_body(frame.kind, frame.body)
        if hello.magic != MAGIC:
            raise ProtocolError("this is the native protocol of openmessaging")
        if VERSION not in hello.versions:
            self._hang_up(error(1101, f"protocol versions {hello.versions}", next_step=f"This server speaks {VERSION}"))
            return
        self.client = hello.client
        credentials = Credentials.of(self._transport.get_extra_info, hello.account, hello.key)
        try:
            identity = self._broker.security.recognise(credentials)
            if identity is not None:
                self._welcome(frame.request, identity)
                return
        except OMSRuntimeException as failure:
            self._hang_up(failure)
            return
        self._transport.pause_reading()
        self._greeting = self._loop.create_task(self._greet(frame.request, credentials))

    async def _greet(self, request: int, credentials: Credentials) -> None:
        """Find out who it is, where that takes its time."""
        try:
            self._welcome(request, await self._broker.security.authenticate(credentials))
        except OMSRuntimeException as failure:
            self._hang_up(failure)
            return
        finally:
            self._greeting = None
        early, self._early = self._early, []
        try:
            for frame in early:
                self._take(frame)
        except ProtocolError as cause:
            self._hang_up(error(1400, str(cause)))
        if self._reading and not self._transport.is_closing():
            self._transport.resume_reading()

    def _welcome(self, request: int, identity: Identity) -> None:
        security = self._broker.security
        security.enter(identity, self._hang_up)
        self.identity = identity
        self._reader.max_bytes = self._limits.max_frame_bytes
        broker = self._broker
        driver = security.guard(broker.driver, identity)
        written = None if self.client == broker.own else broker.driver.written
        self._requests = Requests(
            driver,
            self._answer,
            self.tell_with_next,
            self._ready,
            broker.pace,
            broker.metrics.errors,
            written,
            broker.changed.set,
        )
        self.tell(Kind.WELCOME, request, broker.welcome().encoded())
        self._beat_every(self._limits.heartbeat)

    # ---- flow ------------------------------------------------------------------------------------------------------

    def _answer(self, kind: int, request: int, *pieces: bytes) -> None:
        self.tell(kind, request, *pieces)
        if len(pieces) > 1 or len(pieces[0]) > LARGE_BYTES:
            self.flush()  # at once, so that the transport's buffer says whether there is room for more
        self._eased.set()

    def _stored(self, size: int, came: float) -> None:
        self._broker.metrics.sends.observe(self._loop.time() - came)
        self._storing -= size
        if not self._storing:
            self._broker.changed.set()
        if not self._reading:
            self._adjust()

    def _adjust(self) -> None:
        """Read on only while what came can be stored and what goes is read."""
        limit = self._limits.window_bytes if self._reading else self._limits.window_bytes // 2
        reading = self._storing <= limit and self._reads
        if reading != self._reading and not self._transport.is_closing():
            self._reading = reading
            if not reading:
                self._transport.pause_reading()
            elif self._held:
                self._loop.call_soon(self._go_on)
            else:
                self._transport.resume_reading()

    def _go_on(self) -> None:
        """Take what was held, as far as there is room; then read on."""
        try:
            while self._held and self._reading:
                self._do(self._held.popleft())
        except ProtocolError as cause:
            self._broken(cause)
        if self._reading and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _ready(self) -> None:
        """Return when the client reads, has room for more, and it is its turn."""
        async with self._taking_turns:
            while not self._reads or (self._requests is not None and self._requests.owed > self._limits.unread_bytes):
                self._eased.clear()
                await self._eased.wait()
            await self._broker.pace.turn()

    def _unopened(self) -> None:
        self._hang_up(error(1410, f"no HELLO within {self._limits.handshake} s"))

    def _broken(self, cause: ProtocolError) -> None:
        self._hang_up(error(1400, str(cause), next_step="Speak the protocol of spec/protocol.md"))

    def _beat(self) -> None:
        """Once per heartbeat: say something, and notice who does not, or does not read."""
        if not self._reads and self._loop.time() - self._stuck_since > self._limits.stuck:
            logger.warning("%s does not read what it was sent", self.client)
            self._transport.abort()
            return
        super()._beat()

    def _hang_up(self, failure: OMSRuntimeException) -> None:
        if not self._transport.is_closing():
            self.tell(Kind.ERROR, 0, Refusal.of(failure).encoded())
            self.flush()
            self._transport.close()

    def drain(self) -> None:
        """Ask the client to go elsewhere; what it has may be settled here, but it gets nothing more."""
        if self._requests is not None:
            self._requests.drain()
        self.tell(Kind.GOAWAY, 0, Goaway("the server is stopping").encoded())
        self._parting = True
        self.tell(Kind.PING, 0)  # all that it asked for before it heard that comes before its answer
        self._loop.call_later(_HEARS, self._parted)

    def _parted(self) -> None:
        if self._parting:
            self._parting = False
            self._broker.changed.set()

    @property
    def busy(self) -> bool:
        """Whether something that it asked for has no answer yet, or messages are on the way."""
        return self._parting or self._storing > 0 or (self._requests is not None and self._requests.busy)

    def close(self) -> None:
        """Hang up once what was answered has been sent."""
        self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()
