"""One connection to a server, seen from the client: frames out once per turn of the loop, answers to who asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException, error
from openmessaging.transport.framed import Framed
from openmessaging.wire import (
    MAGIC,
    VERSION,
    Frame,
    Hello,
    Kind,
    Letter,
    ProtocolError,
    Welcome,
    software,
)
from openmessaging.wire.bodies import decode_body
from openmessaging.wire.frames import MAX_REQUEST

logger = logging.getLogger("openmessaging.driver")
Answered = Callable[[Any, BaseException | None], object]
"""Called once: with the body of the answer, or with the error that it was; a ConnectionError when none can come."""
_FIRST_FRAME_BYTES = 1 << 20
HELLO_TIMEOUT = 5.0
"""Seconds for the server's first answer."""


class Link(Framed):
    """A connection to a server; `open` says HELLO once it is made.

    Args:
        lost: called once when it ends, with the reason, after whoever waited for an answer.
        mail: called with what comes for mailboxes.
        leave: called when the server is about to end.
    """

    def __init__(
        self,
        lost: Callable[[Link, BaseException], object],
        mail: Callable[[Letter], object],
        leave: Callable[[Link], object],
    ) -> None:
        super().__init__(_FIRST_FRAME_BYTES, logger, answers_at_once=False)
        self._lost = lost
        self._mail = mail
        self._leave = leave
        self._asked: dict[int, Answered] = {}
        self._last = 0
        self._refused: OMSRuntimeException | None = None
        self.welcome: Welcome = None  # type: ignore[assignment] # there once opened
        self._opened_at = 0.0
        self.gone: BaseException | None = None
        """Why nothing comes any more."""

    @property
    def _peer(self) -> str:
        return "the server"

    # ---- asking ----------------------------------------------------------------------------------------------------

    def ask(self, kind: int, answered: Answered, *pieces: bytes) -> int:
        """Send a request, its body perhaps in pieces; its answer goes to `answered`. Returns its number."""
        number = self._last = self._last + 1 if self._last < MAX_REQUEST else 1
        if self.gone is not None:  # it was lost before its owner took it into use
            self._loop.call_soon(answered, None, self.gone)
            return number
        self._asked[number] = answered
        self.tell(kind, number, *pieces)
        return number

    def server_ms(self) -> int:
        """The server's clock, about: ms since the epoch, as it was at the beginning and has gone on since."""
        return self.welcome.now_ms + int((self._loop.time() - self._opened_at) * 1000)

    async def open(self, hello: Hello) -> None:
        """Say HELLO and wait for the answer. Raises what the server refuses with, 1410 without an answer."""
        welcomed: asyncio.Future[Welcome] = self._loop.create_future()

        self.ask(Kind.HELLO, partial(settle, welcomed), hello.encoded())
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                self.welcome = await welcomed
        except TimeoutError:
            raise error(1410, "the server did not answer HELLO", next_step="Check that it is an oms server") from None
        finally:
            if not self.welcome:
                self._transport.abort()
        self._opened_at = self._loop.time()
        self._reader.max_bytes = self.welcome.max_frame_bytes
        self._beat_every(self.welcome.heartbeat_ms / 1000)

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def connection_lost(self, failure: Exception | None) -> None:
        """Nothing comes any more: tell whoever waits."""
        super().connection_lost(failure)
        reason: BaseException | None = failure if isinstance(failure, OMSRuntimeException) else self._refused
        if reason is None or (self._opened_at and isinstance(reason, OMSSecurityException)):
            # A right that has ended does not undo what was asked before: that goes on with the next connection.
            reason = ConnectionResetError(f"the server hung up: {reason or failure or 'no reason given'}")
        self.gone = reason
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered(None, reason)
        self._lost(self, reason)

    def close(self) -> None:
        """Hang up, once what was told has been sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        kind = frame.kind
        if kind == Kind.PING:
            self.tell(Kind.PONG, frame.request)
        elif kind == Kind.MAIL:
            self._mail(decode_body(kind, frame.body))
        elif kind == Kind.GOAWAY:
            self._leave(self)
        elif kind == Kind.ERROR:
            failure = decode_body(kind, frame.body).error()
            answered = self._asked.pop(frame.request, None)
            if answered is not None:
                answered(None, failure)
            elif frame.request == 0:
                self._refused = failure
        elif kind != Kind.PONG:
            answered = self._asked.pop(frame.request, None)
            if answered is not None:
                if kind == Kind.DELIVERED:
                    self.tell_with_next(Kind.GOT, frame.request)  # else the server gives the messages to somebody else
                answered(decode_body(kind, frame.body), None)

    def _broken(self, cause: ProtocolError) -> None:
        logger.warning("the server does not speak the protocol: %s", cause)
        self._transport.abort()


def settle(future: asyncio.Future[Any], body: Any, failure: BaseException | None) -> None:
    """Give a future an answer, if it still waits for one."""
    if not future.done():
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(body)


def hello(client: str, account: str = "", key: str = "", region: str = "") -> Hello:
    """The client's first frame."""
    return Hello(MAGIC, [VERSION], software(), client, account, key, region)
