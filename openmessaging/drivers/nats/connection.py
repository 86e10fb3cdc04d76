"""One connection to a NATS server: questions with answers, what JetStream's interface says, and breaks that are told.

Subjects of requests and what their answers hold are those of JetStream's interface (`$JS.API.…`), asked directly: it is
the same for every version of the client, and answers of thousands of messages need one future each and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

API = "$JS.API."
ANSWER_TIMEOUT = 10.0
"""Seconds for one answer of the server."""
PATIENCE = 30.0
"""Seconds for which what a broken connection left unanswered is tried again."""
NO_STREAM, NO_CONSUMER, NO_MESSAGE = 10059, 10014, 10037
_CODES = {
    NO_STREAM: 1404,
    NO_CONSUMER: 1404,
    10058: 1406,  # a stream of that name with other settings
    10065: 1406,  # another stream has the subjects
    10054: 1413,
    10053: 1413,
    10023: 1502,
    10028: 1502,
    10047: 1502,
    10073: 1502,
    10077: 1502,
    10076: 1503,
    10008: 1503,
}
_STEPS = {
    1404: "Create it first",
    1406: "Choose another name",
    1413: "Send less in one message, or raise max_payload of the server",
    1502: "Let space become free, or raise the limits of the stream or the account",
}
_PENDING_MESSAGES, _PENDING_BYTES = 1 << 20, 1 << 30


class Lost(Exception):
    """The connection broke, or the server did not answer: whether it did what it was asked is not known."""


class Refusal(Exception):
    """What JetStream says no with."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    def told(self, about: str) -> OMSRuntimeException:
        """As an error of this library."""
        code = _CODES.get(self.code, 1500)
        step = _STEPS.get(code, "Look at the server's log")
        return error(code, f"{about}: {self.args[0]} ({self.code})", next_step=step)


class NoResponders(Exception):
    """Nobody serves the subject: for a stream's, there is none."""


class Connection:
    """A client that is connected, and connects again by itself."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._loop = asyncio.get_running_loop()
        self._inbox = client.new_inbox()
        self._next = 0
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self.connected = asyncio.Event()
        self.connected.set()
        self.watchers: set[Callable[[], object]] = set()
        """Called when the connection breaks, and when there is one again."""

    async def open(self) -> None:
        """Listen for answers."""
        await self.subscribe(f"{self._inbox}.*", self._answered)

    @property
    def version(self) -> tuple[int, int]:
        """Of the server."""
        found = self.client.connected_server_version
        return found.major, found.minor

    async def subscribe(self, subject: str, take: Callable[[Msg], object]) -> Subscription:
        """Call `take` with each message of a subject."""

        async def taken(message: Msg) -> None:
            take(message)

        return await self.client.subscribe(
            subject, cb=taken, pending_msgs_limit=_PENDING_MESSAGES, pending_bytes_limit=_PENDING_BYTES
        )

    async def broke(self) -> None:
        """The connection is gone."""
        self.connected.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Lost("the connection broke"))
        self._tell()

    async def back(self) -> None:
        """There is a connection again."""
        self.connected.set()
        self._tell()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    def new_inbox(self) -> str:
        """A subject of one's own."""
        return self.client.new_inbox()

    async def publish(
        self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Send without an answer. Raises Lost."""
        from nats.errors import Error

        if not self.connected.is_set():
            raise Lost("there is no connection")
        try:
            await self.client.publish(subject, payload, reply, dict(headers) if headers else None)
        except (Error, OSError) as cause:
            raise Lost(str(cause)) from cause

    async def ask(
        self,
        subject: str,
        payload: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Msg:
        """Send and wait for the answer. Raises Lost, NoResponders."""
        self._next += 1
        token = f"{self._inbox}.{self._next:x}"
        future: asyncio.Future[Msg] = self._loop.create_future()
        self._waiting[token] = future
        try:
            await self.publish(subject, payload, headers, token)
            async with asyncio.timeout(timeout):
                answer = await future
        except TimeoutError:
            raise Lost(f"no answer within {timeout:g} s") from None
        finally:
            self._waiting.pop(token, None)
        if status_of(answer) == "503":
            raise NoResponders(subject)
        return answer

    def _answered(self, message: Msg) -> None:
        future = self._waiting.get(message.subject)
        if future is not None and not future.done():
            future.set_result(message)

    async def api(self, name: str, body: Any = None) -> dict[str, Any]:
        """Ask JetStream's interface. Raises Refusal, Lost, NoResponders."""
        answer = await self.ask(API + name, b"" if body is None else msgspec.json.encode(body))
        return answered(answer.data)

    async def manage(self, about: str, name: str, body: Any = None) -> dict[str, Any]:
        """As `api`, again while connections break, with errors of this library. `about`: what errors begin with."""
        return await self.persist(about, lambda: self.api(name, body))

    async def persist(self, about: str, act: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Do what may be done twice until it is answered. Raises OMSRuntimeException, 1503 when that takes too long."""
        deadline = self._loop.time() + PATIENCE
        while True:
            await self.ready(deadline)
            try:
                return await act()
            except Refusal as refusal:
                raise refusal.told(about) from refusal
            except NoResponders as cause:
                step = "Start the server with JetStream (-js), and see what the account may do"
                raise error(1503, f"{about}: JetStream does not answer", next_step=step) from cause
            except Lost as cause:
                if self._loop.time() >= deadline:
                    raise unreachable(str(cause)) from cause

    async def ready(self, deadline: float) -> None:
        """Wait for a connection, until a time of the loop. Raises OMSRuntimeException 1503."""
        if self.connected.is_set():
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self.connected.wait()
        except TimeoutError:
            raise unreachable("there is no connection") from None

    async def close(self) -> None:
        """Hang up, for good."""
        self.connected.clear()
        await self.client.close()
        await self.broke()


async def unsubscribe(subscription: Subscription) -> None:
    """Listen no more."""
    from nats.errors import Error

    with contextlib.suppress(Error, OSError):  # there is no connection, or no more: nothing comes
        await subscription.unsubscribe()


def answered(data: bytes) -> dict[str, Any]:
    """What an answer of JetStream says. Raises Refusal."""
    found: dict[str, Any] = msgspec.json.decode(data)
    refused = found.get("error")
    if refused:
        raise Refusal(int(refused.get("err_code", 0)), str(refused.get("description", "refused")))
    return found


def status_of(message: Msg) -> str:
    """The status that a message of the server itself has, such as 404; empty for any other message."""
    if message.data or not message.headers:
        return ""
    return message.headers.get("Status", "")


def unreachable(reason: str) -> OMSRuntimeException:
    """The error of a server that is away for too long."""
    return error(1503, f"the NATS server: {reason}", next_step="See whether it runs, then try again")
