"""A consumer group's side of a subscription: messages pulled from a durable consumer, settled by their answer subjects.

A lone `+ACK` says nothing about its arrival, so the last of several asks for an answer: a consumer takes what one
connection sends in its order. What a broken connection left unanswered is said again; twice does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.nats.codec import Place, to_record
from openmessaging.drivers.nats.connection import PATIENCE, Connection, Lost, NoResponders, unreachable
from openmessaging.drivers.nats.puller import Puller, fields_of
from openmessaging.drivers.nats.streams import Stream
from openmessaging.model.timing import NEVER, expires_ms

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_ACK, _PROGRESS = b"+ACK", b"+WPI"


class NatsSource:
    """What `ForeignSubscription` stands on."""

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        puller: Puller,
        ack_wait: float,
        leave: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._puller = puller
        self._ack_wait = ack_wait
        self._leave = leave
        """What is to be done at the end, for a group of this consumer's own."""
        self._loop = asyncio.get_running_loop()
        self._kept: dict[str, float] = {}
        """Subjects of messages that stay hidden for longer than the group's time, and until when."""
        self._keeper: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages, as soon as there is one; what has expired is settled here, and not handed out."""
        deadline = self._loop.time() + wait
        while True:
            messages = await self._puller.pull(maximum, max(deadline - self._loop.time(), 0.0))
            received = [self._received(message) for message in messages]
            now_ms = time.time_ns() // 1_000_000
            expired = [each for each in received if _is_expired(each, now_ms)]
            if expired:
                await self.acknowledge(expired)
                received = [each for each in received if each not in expired]
            if received or not messages:
                return received

    def _received(self, message: Msg) -> Received:
        _, _, attempt, sequence, _, stored_ns, *_ = fields_of(message.reply)
        partition = self._stream.partition_of(message.subject)
        place = Place(self._stream.native, int(sequence), int(stored_ns) // 1_000_000, partition)
        record = to_record(message.headers, message.data, place)
        return Received(record, message.reply, int(attempt), partition)

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done, as far as the server's memory goes: it writes down what is done a little later."""
        await self._say(messages, _ACK)

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:  # noqa: ARG002 - NATS counts all
        """They come again; the attempt counts, whatever is asked for."""
        await self._say(messages, _nak(delay))

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Their time begins anew; it is the group's, so a longer one is begun anew again and again."""
        await self._say(messages, _PROGRESS, keep=True)
        if seconds > self._ack_wait:
            until = self._loop.time() + seconds
            self._kept |= dict.fromkeys((each.receipt for each in messages), until)
            self._keep_on()

    async def _say(self, messages: Sequence[Received], what: bytes, keep: bool = False) -> None:
        """Tell the server, until it has answered. Raises OMSRuntimeException 1503 when that takes too long."""
        if not keep:
            for each in messages:
                self._kept.pop(each.receipt, None)
        receipts = [each.receipt for each in messages]
        deadline = self._loop.time() + PATIENCE
        while True:
            await self._connection.ready(deadline)
            try:
                for receipt in receipts[:-1]:
                    await self._connection.publish(receipt, what)
                await self._connection.ask(receipts[-1], what)
                return
            except NoResponders:
                return  # the group is gone, and with it all that it waited for
            except Lost as cause:
                if self._loop.time() >= deadline:
                    raise unreachable(str(cause)) from cause

    def _keep_on(self) -> None:
        if self._keeper is None and self._kept:
            self._keeper = self._loop.call_later(self._ack_wait / 3, self._keep_all)

    def _keep_all(self) -> None:
        self._keeper = None
        now = self._loop.time()
        self._kept = {receipt: until for receipt, until in self._kept.items() if until > now}
        for receipt, until in self._kept.items():
            if until - now > 0:
                task = self._loop.create_task(self._quietly(receipt, _PROGRESS))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)
        self._keep_on()

    async def _quietly(self, receipt: str, what: bytes) -> None:
        with contextlib.suppress(Lost):  # then its time runs out
            await self._connection.publish(receipt, what)

    async def close(self) -> None:
        """Let go; what came and was not handed out goes back."""
        if self._keeper is not None:
            self._keeper.cancel()
        await self._puller.close()
        while self._puller.arrived:
            await self._quietly(self._puller.arrived.popleft()[1].reply, _nak(0.0))
        if self._leave is not None:
            await self._leave()


def _nak(delay: float) -> bytes:
    """Give back, to come again after so many seconds."""
    if delay <= 0:
        return b"-NAK"
    return b"-NAK " + msgspec.json.encode({"delay": round(delay * 1e9)})


def _is_expired(received: Received, now_ms: int) -> bool:
    headers = received.record.headers or {}
    expires = expires_ms(headers.get("bornTimestamp", 0), headers) if "expireTime" in headers else NEVER
    return expires != NEVER and expires <= now_ms
