"""A consumer group's side of a subscription: one consumer of the client, read in a thread.

What failed waits here for its back-off, unacknowledged, and is then given back to the brokers, who give it to any
consumer of the group: Pulsar's own delay is one for all messages of a consumer. When this process ends, they do so
at once.

With order per key the brokers give all messages of a key to one consumer. Here one of them is out at a time; the
others wait for it, also while it waits for its back-off, after which it is handed out again by this consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pulsar

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.pulsar.link import translated
from openmessaging.drivers.pulsar.records import from_message
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.timing import due_ms

_SLICE_MS = 200
"""How long the thread waits at a time: so long a close may have to wait."""
_TAKEN = 500
"""Messages taken from the client at once."""
_FULL = 2_000
"""Messages that wait here, above which no more are taken."""


class _Held(msgspec.Struct, eq=False):
    """What settles a message."""

    message_id: Any
    key: str | None


class PulsarSource:
    """What `ForeignSubscription` stands on."""

    def __init__(self, consumer: Any, by_key: bool, leave: Callable[[], Awaitable[object]] | None) -> None:
        self._consumer = consumer
        self._by_key = by_key
        self._leave = leave
        """What is to be done at the end, for a group of this consumer's own."""
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="oms-pulsar-consumer")
        self._ready: deque[Received] = deque()
        self._behind: dict[str, deque[Received]] = {}
        """Keys of which a message is out, and the messages that wait for it."""
        self._waiting = 0
        self._sleeping: set[asyncio.TimerHandle] = set()
        self._taking: asyncio.Future[Any] | None = None
        self._woken = asyncio.Event()
        self._failure: OMSRuntimeException | None = None
        self._closed = False

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages, as soon as there is one."""
        deadline = self._loop.time() + wait
        while not self._closed:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if not self._ready and self._taking is None and self._waiting < _FULL:
                self._drain()
            if self._ready:
                return [self._ready.popleft() for _ in range(min(maximum, len(self._ready)))]
            if self._taking is None and self._waiting < _FULL:
                self._taking = self._loop.run_in_executor(self._thread, self._take)
                self._taking.add_done_callback(self._taken)
            self._woken.clear()
            left = deadline - self._loop.time()
            if left <= 0 and self._taking is None:
                return []
            try:
                async with asyncio.timeout(max(left, 0.0) if wait < 1e8 else None):
                    await self._woken.wait()
            except TimeoutError:
                if not self._ready:
                    return []
        return []

    def _take(self) -> Any:
        """In the thread: a message that comes within a slice. Only one: a thread that goes on would wait for the
        interpreter's lock, which the loop has, after each."""
        try:
            return self._consumer.receive(_SLICE_MS)
        except pulsar.Timeout:
            return None

    def _drain(self) -> None:
        """Messages that the client has already."""
        now_ms = time.time_ns() // 1_000_000
        try:
            for _ in range(_TAKEN):
                self._arrived(self._consumer.receive(0), now_ms)
        except pulsar.Timeout:
            pass
        except pulsar.PulsarException as failure:
            self._failure = translated(failure)

    def _taken(self, taking: asyncio.Future[Any]) -> None:
        self._taking = None
        self._woken.set()
        if taking.cancelled() or self._closed:
            taking.cancelled() or taking.exception()
            return
        failure = taking.exception()
        if failure is not None:
            self._failure = translated(failure)
            return
        message = taking.result()
        if message is not None:
            self._arrived(message, time.time_ns() // 1_000_000)
            self._drain()

    def _arrived(self, message: Any, now_ms: int) -> None:
        message_id = message.message_id()
        record = from_message(message, message_id)
        held = _Held(message_id, record.message_key)
        partition = max(message_id.partition(), 0)
        received = Received(record, held, message.redelivery_count() + 1, partition)
        headers = record.headers or {}
        early = due_ms(headers["bornTimestamp"], headers) - now_ms if "delayTime" in headers else 0
        if early > 0:  # by up to the brokers' tick
            self._later(early / 1000, self._in_turn, received)
        else:
            self._in_turn(received)

    def _in_turn(self, received: Received) -> None:
        key = received.receipt.key
        self._woken.set()
        if not self._by_key or key is None:
            self._ready.append(received)
            return
        behind = self._behind.get(key)
        if behind is None:
            self._behind[key] = deque()
            self._ready.append(received)
        else:
            behind.append(received)
            self._waiting += 1

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done, as far as the client's promise to tell the brokers goes."""
        for each in messages:  # the client gathers them, and tells the brokers within a tenth of a second
            try:
                self._consumer.acknowledge(each.receipt.message_id)
            except pulsar.AlreadyClosed:
                return  # the brokers give to others what they have not heard of
            except pulsar.PulsarException as failure:
                raise translated(failure) from failure
            self._next_of(each.receipt.key)

    def _next_of(self, key: str | None) -> None:
        """The next message of a key, after one is done."""
        if key is None or key not in self._behind:
            return
        behind = self._behind[key]
        if behind:
            self._waiting -= 1
            self._ready.append(behind.popleft())
            self._woken.set()
        else:
            del self._behind[key]

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They wait here, then the brokers have them, who count every delivery; with order per key they stay here."""
        for each in messages:
            if not (self._by_key and each.receipt.key is not None):
                self._later(delay, self._return, each)
                continue
            each.attempt += counted
            self._later(delay, self._again, each)

    def _later(self, delay: float, act: Callable[[Received], None], received: Received) -> None:
        if delay <= 0:
            act(received)
            return
        handle: asyncio.TimerHandle

        def due() -> None:
            self._sleeping.discard(handle)
            act(received)

        handle = self._loop.call_later(delay, due)
        self._sleeping.add(handle)

    def _again(self, received: Received) -> None:
        if not self._closed:
            self._ready.append(received)
            self._woken.set()

    def _return(self, received: Received) -> None:
        if not self._closed:
            with contextlib.suppress(pulsar.PulsarException):  # without a connection the brokers know it by themselves
                self._consumer.negative_acknowledge(received.receipt.message_id)

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Nothing to do: what is unacknowledged stays with its consumer for as long as it lives."""

    async def close(self) -> None:
        """Let go; the brokers give to others what was not acknowledged."""
        self._closed = True
        self._woken.set()
        for handle in self._sleeping:
            handle.cancel()
        try:
            if self._leave is not None:
                await self._leave()
            else:
                await self._loop.run_in_executor(self._thread, self._hang_up)
        finally:
            self._thread.shutdown(wait=False)

    def _hang_up(self) -> None:
        try:
            self._consumer.close()
        except pulsar.PulsarException:
            return  # there is no connection any more, which is what was wanted
