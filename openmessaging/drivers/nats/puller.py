"""Pull requests to a consumer of JetStream: one inbox, and at most one request under way.

A request asks for what is there, or else for the next message to come (`no_wait` with `expires`); the server ends it
with a status unless it was filled. Requests that the server forgot, for it was started again, end with the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from openmessaging.drivers.nats.connection import API, Connection, Lost, status_of, unsubscribe
from openmessaging.model.errors import error

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

EXPIRES = 5.0
"""Seconds after which the server ends a request at the latest."""
_GRACE = 2.0
"""Seconds that the end of a request may be late."""
_PAUSE = 0.1
"""Seconds until the next try where a consumer is missing: it is made anew when its group is moved."""
_MISSING_FOR = 2.0
MAX_BYTES = 8 << 20
"""Most bytes of one request."""


class Request(msgspec.Struct, eq=False):
    """A request under way."""

    token: str
    left: int
    """Messages that may still come."""
    over: float
    """Time of the loop at which it is over, whatever was heard."""


class Puller:
    """Messages of one consumer of a stream; `about` says whose it is, in errors."""

    def __init__(self, connection: Connection, stream: str, consumer: str, about: str) -> None:
        self._connection = connection
        self._subject = f"{API}CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._about = about
        self._loop = asyncio.get_running_loop()
        self._inbox = connection.new_inbox()
        self._request: Request | None = None
        self._next = 0
        self.arrived: deque[tuple[float, Msg]] = deque()
        """Messages not handed out yet, with the time of the loop at which they came."""
        self._changed = asyncio.Event()
        self._missing_since: float | None = None
        self._subscription: Subscription | None = None
        self._closed = False

    async def open(self) -> None:
        """Listen."""
        self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._take)
        self._connection.watchers.add(self._broken)

    async def close(self) -> None:
        """Stop listening; ends a pull."""
        self._closed = True
        self._connection.watchers.discard(self._broken)
        self._changed.set()
        if self._subscription is not None:
            await unsubscribe(self._subscription)

    def _broken(self) -> None:
        self._request = None
        self._changed.set()

    def _take(self, message: Msg) -> None:
        request = self._request
        if message.reply:
            self.arrived.append((self._loop.time(), message))
            if request is not None:
                request.left -= 1
                if request.left <= 0:
                    self._request = None
        elif (status := status_of(message)) and status != "100":
            gone = status == "503" or "deleted" in str((message.headers or {}).get("Description", "")).lower()
            if not gone:
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = self._loop.time()
            if request is not None and request.token == message.subject:
                self._request = None
        self._changed.set()

    async def pull(self, maximum: int, wait: float) -> list[Msg]:
        """Messages, as soon as there are any; none after `wait` seconds or when closed.

        Raises OMSRuntimeException 1404 when the consumer is gone.
        """
        deadline = self._loop.time() + wait
        while not self._closed:
            now = self._loop.time()
            if self._request is not None and self._request.over <= now:
                self._request = None  # the server forgot to end it
            if self.arrived and (self._request is None or len(self.arrived) >= maximum):
                self._missing_since = None
                return [self.arrived.popleft()[1] for _ in range(min(maximum, len(self.arrived)))]
            if now >= deadline and self._request is None:
                return []
            if self._request is None:
                await self._ask(maximum, min(deadline - now, EXPIRES))
            await self._wait(deadline)
        return []

    async def _ask(self, maximum: int, expires: float) -> None:
        if not self._connection.connected.is_set():
            return
        if self._missing_since is not None:
            if self._loop.time() - self._missing_since > _MISSING_FOR:
                self._missing_since = None
                raise error(1404, f"{self._about} is gone", next_step="Subscribe again")
            await asyncio.sleep(_PAUSE)
        self._next += 1
        token = f"{self._inbox}.{self._next:x}"
        self._request = Request(token, maximum, self._loop.time() + expires + _GRACE)
        body = {
            "batch": maximum,
            "expires": max(int(expires * 1e9), 1_000_000),
            "no_wait": True,
            "max_bytes": max(MAX_BYTES, 2 * self._connection.client.max_payload),
        }
        try:
            await self._connection.publish(self._subject, msgspec.json.encode(body), reply=token)
        except Lost:
            self._broken()

    async def _wait(self, deadline: float) -> None:
        """Until something changes, or the request or the wait is over."""
        until = deadline if self._request is None else self._request.over
        self._changed.clear()
        if self._closed or (self.arrived and self._request is None):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._changed.wait()


def fields_of(reply: str) -> list[str]:
    """Stream, consumer, times delivered, sequence in the stream and in the consumer, time in ns, and how many more
    wait, of the subject by which a message is acknowledged.

    Source: JetStream, `$JS.ACK.[domain.account.]stream.consumer.…`.
    """
    parts = reply.split(".")
    return parts[2:9] if len(parts) < 11 else parts[4:11]
