"""The outbox of an asyncio producer: all sends of one turn of the loop to one queue become one batch.

`put` appends to the open batch of its queue and returns a future; one `call_soon` (or `call_later` with a linger)
closes what is open, spreads it over partitions where needed, and submits; when the placement arrives, one pass resolves
the futures. Bytes in the box are bounded. Next stop of a message: the driver, for example `drivers/embedded.py`.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Generator, Iterable, Sequence
from functools import partial
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Message
from openmessaging.model.spi import Driver, OutgoingBatch, Placement
from openmessaging.model.transaction import Settlement
from openmessaging.runtime.aio.primitives import Future
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.open_batch import OpenBatch
from openmessaging.runtime.outgoing import ANYWHERE, Packer, Route, checked_record, checked_records, is_directed
from openmessaging.runtime.result import SendResult, SendResults, SentOrigin
from openmessaging.runtime.timing import is_timed

_Future = asyncio.Future
_TURNS_ALONE = 8
"""After so many turns with one message each, the next is not held back for others to join."""


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
        self._flights: dict[OpenBatch, float] = {}
        """What was submitted, oldest first, with the loop time at which it is late."""
        self._landings: list[_Landing] = []
        self._alone = 0
        """Turns in a row that had one message only."""
        self._watch: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Future[Any]] = set()

    def put(self, message: Message) -> Awaitable[SendResult]:
        """Take a message; the awaitable ends when it is stored, and waits for room first when the box is full."""
        if self._alone >= _TURNS_ALONE and (stored := self._put_now(message)) is not None:
            return stored
        record = message.record
        size = len(record.data)
        if self._used + size > self._buffer_bytes and self._used:
            return self._put_later(message)
        future: asyncio.Future[SendResult] = _Future(loop=self._loop)
        batch = self._open.get(message.destination) or self._begin(message.destination)
        if (
            record.headers
            or record.message_key is not None
            or record.properties
            or batch.size + size >= self._plain_bytes
        ):
            return self._append(message, future)
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
        batch = self._open.get(message.destination) or self._begin(message.destination)
        if record.headers or record.message_key is not None or record.properties or size > self._max_body:
            record = checked_record(message, self._max_body, self._packer.once)
            batch.directed |= is_directed(message.record)
            batch.timed |= is_timed(message.record.headers)
            batch.marked = True
        batch.add(record, message, future)
        self._used += size
        if batch.size >= self._batch_bytes:
            self._dispatch(self._open.pop(message.destination))
        return future

    def _begin(self, destination: str) -> OpenBatch:
        """Open a batch, to be sent at the end of the turn or after the linger."""
        batch = self._open[destination] = OpenBatch(self._packer.full(destination))
        if not self._scheduled:
            self._scheduled = True
            if self._linger:
                self._loop.call_later(self._linger, self._flush_open)
            else:
                self._driver.soon(self._flush_open)
        return batch

    def _put_now(self, message: Message) -> Awaitable[SendResult] | None:
        """Store a plain message within the call: for a lone sender, turn after turn, nothing is won by collecting."""
        record = message.record
        if record.headers or record.message_key is not None or record.properties or len(record.data) > self._max_body:
            return None
        if self._used:
            self._alone = 0
            return None
        name = self._packer.full(message.destination)
        outgoing, origin = self._packer.pack(name, None, (record,))
        placement = self._driver.send_now(outgoing)
        if placement is None:
            self._alone = 0
            future: asyncio.Future[SendResult] = _Future(loop=self._loop)
            batch = OpenBatch(name)
            batch.add(record, message, future)
            self._used += batch.size
            self._fly(batch, outgoing, origin)
            return future
        origin.placement = placement
        message.origin = origin
        message.position = 0
        return _after_turn(SendResult(origin, 0))

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

    def _flush_open(self) -> None:
        self._scheduled = False
        opened, self._open = self._open, {}
        self._alone = self._alone + 1 if not self._linger and _is_one_message(opened) else 0
        for batch in opened.values():
            if batch.records:  # the message it was opened for may have been refused
                self._dispatch(batch)

    def _dispatch(self, batch: OpenBatch) -> None:
        """Submit what was open for a queue, in order after what still waits for its number of partitions."""
        name = batch.name
        if name in self._waiting:
            self._waiting[name].append(batch)
        elif not batch.directed:
            self._submit(ANYWHERE, batch)
        else:
            try:
                count = self._counts.get(name) or self._driver.partition_count(name)
            except OMSRuntimeException as failure:
                self._fail(batch, failure)
                return
            if isinstance(count, int):
                self._split(batch, count)
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
            self._split(batch, count)

    def _split(self, batch: OpenBatch, count: int) -> None:
        for route, part in batch.split(count, self._release).items():
            self._submit(route, part)

    def _submit(self, route: Route, batch: OpenBatch) -> None:
        partition, _, priority = route
        try:
            outgoing, origin = self._packer.pack(
                batch.name, partition, batch.records, batch.attributes, batch.timed, priority
            )
        except Exception as failure:
            self._fail(batch, failure)
        else:
            self._fly(batch, outgoing, origin)

    def _fly(self, batch: OpenBatch, outgoing: OutgoingBatch, origin: SentOrigin) -> None:
        try:
            self._driver.submit(outgoing, partial(self._arrived, batch, origin))
        except Exception as failure:
            self._fail(batch, failure)
            return
        late = self._flights[batch] = self._loop.time() + self._timeout
        if self._watch is None:
            self._watch = self._loop.call_at(late, self._expire)

    def _arrived(
        self, batch: OpenBatch, origin: SentOrigin, placement: Placement | None, failure: BaseException | None
    ) -> None:
        del self._flights[batch]
        if placement is not None:
            batch.stored(origin, placement)
            self._release(batch.size)
        elif failure is not None:
            self._fail(batch, failure)
        for landing in self._landings:
            landing.landed(batch)

    def _expire(self) -> None:
        """Fail what is late. One timer watches all flights: a timer for each would cost more than the flight."""
        self._watch = None
        now = self._loop.time()
        failure = error(1410, f"no answer within {self._timeout} s", next_step="It may have been stored all the same")
        for batch, late in self._flights.items():
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
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._flights:
            landing = _Landing(self._flights, self._loop.create_future())
            self._landings.append(landing)
            try:
                await landing.done
            finally:
                self._landings.remove(landing)

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


@types.coroutine
def _after_turn(result: SendResult) -> Generator[None, None, SendResult]:
    """Others in the loop get their turn, as in every wait."""
    yield
    return result


def _is_one_message(opened: dict[str, OpenBatch]) -> bool:
    return len(opened) == 1 and len(next(iter(opened.values())).records) == 1


class _Landing:
    """Somebody's wait for all that was in flight at a moment."""

    def __init__(self, flights: Iterable[OpenBatch], done: asyncio.Future[None]) -> None:
        self._flights = set(flights)
        self.done = done

    def landed(self, batch: OpenBatch) -> None:
        """A batch was stored, or failed."""
        self._flights.discard(batch)
        if not self._flights and not self.done.done():
            self.done.set_result(None)
