"""The outbox of an asyncio producer: all sends of one turn of the loop to one queue become one batch.

`put` appends to the open batch of its queue and returns a future; one `call_soon` (or `call_later` with a linger)
closes what is open, spreads it over partitions where needed, and submits; when the placement arrives, one pass resolves
the futures. Bytes in the box are bounded. Next stop of a message: the driver, for example `drivers/embedded.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Message
from openmessaging.model.spi import Driver, Placement
from openmessaging.model.transaction import Settlement
from openmessaging.runtime.aio.primitives import Future
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.open_batch import OpenBatch
from openmessaging.runtime.outgoing import ANYWHERE, Packer, Route, checked_record, checked_records, is_directed
from openmessaging.runtime.result import SendResult, SendResults, SentOrigin
from openmessaging.runtime.timing import is_timed

_Future = asyncio.Future


class Outbox:
    """Takes messages of one producer in one loop; `timeout` bounds waiting for room and for the driver's answer."""

    def __init__(
        self, driver: Driver, packer: Packer, linger: float, batch_bytes: int, buffer_bytes: int, timeout: float
    ) -> None:
        self._driver = driver
        self._packer = packer
        packer.capabilities = driver.capabilities
        self.capabilities = driver.capabilities
        self._linger = linger
        self._batch_bytes = batch_bytes
        self._buffer_bytes = buffer_bytes
        self._timeout = timeout
        self._max_body = driver.max_body_bytes
        self._plain_bytes = min(batch_bytes, self._max_body)
        """A batch that stays below needs no look at its size, nor at those of its messages."""
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, OpenBatch] = {}
        self._used = 0
        self._scheduled = False
        self._room: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._counts: dict[str, int] = {}
        self._waiting: dict[str, list[OpenBatch]] = {}
        self._flights: dict[asyncio.Future[Placement], tuple[float, OpenBatch]] = {}
        """What was submitted, oldest first, with the loop time at which it is late."""
        self._watch: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Future[Any]] = set()

    def put(self, message: Message) -> Awaitable[SendResult]:
        """Take a message; the awaitable ends when it is stored, and waits for room first when the box is full."""
        record = message.record
        size = len(record.data)
        if self._used + size > self._buffer_bytes and self._used:
            return self._put_later(message)
        batch = self._open.get(message.destination)
        if (
            batch is None
            or record.headers
            or record.message_key is not None
            or record.properties
            or batch.size + size >= self._plain_bytes
        ):
            return self._append(message, _Future(loop=self._loop))
        future: asyncio.Future[SendResult] = _Future(loop=self._loop)
        batch.records.append(record)
        batch.messages.append(message)
        batch.futures.append(future)
        batch.size += size
        self._used += size
        return future

    def submit(self, message: Message) -> Future[SendResult]:
        """Take a message at once; the future fails with 1502 when the box is full."""
        future: Future[SendResult] = Future(loop=self._loop)
        if self._used + len(message.record.data) > self._buffer_bytes and self._used:
            step = "Use `await send(…)`, which waits, or `await flush()` first"
            future.set_exception(error(1502, f"the producer holds {self._used:,} bytes unsent", next_step=step))
            return future
        try:
            self._append(message, future)
        except OMSRuntimeException as failure:
            future.set_exception(failure)
        return future

    def submit_many(self, messages: Sequence[Message]) -> Future[SendResults]:
        """Take a list as a whole; as `put_many`."""
        future: Future[SendResults] = Future(loop=self._loop)
        self._flush_open()
        self._spawn(self._put_for(messages, future))
        return future

    async def _put_for(self, messages: Sequence[Message], future: Future[SendResults]) -> None:
        try:
            results = await self.put_many(messages)
        except Exception as failure:
            if not future.done():
                future.set_exception(failure)
        else:
            if not future.done():
                future.set_result(results)

    def _append(self, message: Message, future: asyncio.Future[SendResult]) -> asyncio.Future[SendResult]:
        record = message.record
        size = len(record.data)
        batch = self._open.get(message.destination)
        if batch is None:
            self._packer.full(message.destination)
            batch = OpenBatch()
        if record.headers or record.message_key is not None or record.properties or size > self._max_body:
            record = checked_record(message, self._max_body, self._packer.once)
            batch.directed |= is_directed(message.record)
            batch.timed |= is_timed(message.record.headers)
        if not batch.records:
            self._open[message.destination] = batch
            if not self._scheduled:
                self._schedule()
        batch.records.append(record)
        batch.messages.append(message)
        batch.futures.append(future)
        batch.size += size
        self._used += size
        if batch.size >= self._batch_bytes:
            self._dispatch(message.destination, self._open.pop(message.destination))
        return future

    async def _put_later(self, message: Message) -> SendResult:
        size = len(message.record.data)
        while self._used and self._used + size > self._buffer_bytes:
            await self._wait_for_room(size)
        return await self._append(message, self._loop.create_future())

    async def _wait_for_room(self, size: int) -> None:
        """Wait in line until there may be room for so many bytes. Raises OMSTimeOutException 1410."""
        self._flush_open()
        room: asyncio.Future[None] = self._loop.create_future()
        self._room.append((size, room))
        try:
            async with asyncio.timeout(self._timeout):
                await room
        except TimeoutError:
            step = "The system behind it is slow or away: try later"
            raise error(1410, f"no room in the producer for {self._timeout} s", next_step=step) from None
        finally:
            if room.cancelled():
                self._give_room()

    def _give_room(self) -> None:
        free = self._buffer_bytes - self._used
        while self._room:
            size, room = self._room[0]
            if not room.done():
                if size > free and self._used:
                    return
                room.set_result(None)
                free -= size
            self._room.popleft()

    def _schedule(self) -> None:
        self._scheduled = True
        if self._linger:
            self._loop.call_later(self._linger, self._flush_open)
        else:
            self._loop.call_soon(self._flush_open)

    def _flush_open(self) -> None:
        self._scheduled = False
        opened, self._open = self._open, {}
        for destination, batch in opened.items():
            self._dispatch(destination, batch)

    def _dispatch(self, destination: str, batch: OpenBatch) -> None:
        """Submit what was open for a queue, in order after what still waits for its number of partitions."""
        name = self._packer.full(destination)
        if name in self._waiting:
            self._waiting[name].append(batch)
        elif not batch.directed:
            self._submit(name, ANYWHERE, batch)
        else:
            try:
                count = self._counts.get(name) or self._driver.partition_count(name)
            except OMSRuntimeException as failure:
                self._fail(batch, failure)
                return
            if isinstance(count, int):
                self._split(name, batch, count)
            else:
                self._waiting[name] = [batch]
                self._spawn(self._resolve(name, count))

    async def _resolve(self, name: str, counting: Awaitable[int]) -> None:
        try:
            count = self._counts[name] = await counting
        except Exception as failure:
            for batch in self._waiting.pop(name):
                self._fail(batch, failure)
            return
        for batch in self._waiting.pop(name):
            self._split(name, batch, count)

    def _split(self, name: str, batch: OpenBatch, count: int) -> None:
        for route, part in batch.split(count, self._release).items():
            self._submit(name, route, part)

    def _submit(self, name: str, route: Route, batch: OpenBatch) -> None:
        partition, _, priority = route
        try:
            outgoing, origin = self._packer.pack(name, partition, batch.records, batch.keyed, batch.timed, priority)
            pending = asyncio.ensure_future(self._driver.submit(outgoing))
        except Exception as failure:
            self._fail(batch, failure)
            return
        late = self._loop.time() + self._timeout
        self._flights[pending] = (late, batch)
        if self._watch is None:
            self._watch = self._loop.call_at(late, self._expire)
        pending.add_done_callback(partial(self._arrived, batch, origin))

    def _arrived(self, batch: OpenBatch, origin: SentOrigin, pending: asyncio.Future[Placement]) -> None:
        del self._flights[pending]
        failure = _failure_of(pending)
        if failure is not None:
            self._fail(batch, failure)
            return
        batch.stored(origin, pending.result())
        self._release(batch.size)

    def _expire(self) -> None:
        """Fail what is late. One timer watches all flights: a timer for each would cost more than the flight."""
        self._watch = None
        now = self._loop.time()
        failure = error(1410, f"no answer within {self._timeout} s", next_step="It may have been stored all the same")
        for late, batch in self._flights.values():
            if late > now:
                self._watch = self._loop.call_at(late, self._expire)
                return
            batch.fail(failure)

    def _fail(self, batch: OpenBatch, failure: BaseException) -> None:
        batch.fail(failure)
        self._release(batch.size)

    def _release(self, size: int) -> None:
        self._used -= size
        if self._room:
            self._give_room()

    def check(self, messages: Sequence[Message]) -> int:
        """The bytes of messages that `put_many` will take; raises as that does for bad ones."""
        for message in messages:
            self._packer.full(message.destination)
        return checked_records(messages, self._max_body, self._packer.once).size

    async def put_many(
        self, messages: Sequence[Message], settlements: Sequence[Settlement] | None = None
    ) -> SendResults:
        """Store a list whole or not at all, in order after what was put before; with `settlements` as one commit."""
        self._flush_open()
        checked = checked_records(messages, self._max_body, self._packer.once)
        size = checked.size
        while self._used and self._used + size > self._buffer_bytes:
            await self._wait_for_room(size)
        self._used += size
        try:
            return await send_whole(self._driver, self._packer, messages, checked, self._timeout, settlements)
        finally:
            self._release(size)

    async def flush(self) -> None:
        """Return when all that was put before has been stored or has failed."""
        self._flush_open()
        for ahead in (self._tasks, self._flights):
            if ahead:
                await asyncio.wait(set(ahead))

    def close(self) -> None:
        """Let go of helper tasks; call it when flushed."""
        if self._watch is not None:
            self._watch.cancel()
        for task in self._tasks:
            task.cancel()

    def _spawn(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _failure_of(pending: asyncio.Future[Placement]) -> BaseException | None:
    if pending.cancelled():
        return error(1503, "the driver was closed", next_step="Open the access point again")
    return pending.exception()
