"""The receiving side of a group: a consumer of Kafka in a thread of its own, as the source of a subscription.

Kafka gives a consumer whole partitions; nobody else in the group gets their messages. So what is hidden, given back, or
waits behind its key is this consumer's own affair, kept here and in the books of its partitions (`book.py`). What is
settled is committed before a partition goes to another consumer; leases of it end.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.kafka.book import Book
from openmessaging.drivers.kafka.failures import is_passing, told
from openmessaging.drivers.kafka.listener import AHEAD, Listener
from openmessaging.drivers.kafka.records import to_record
from openmessaging.model.errors import OMSRuntimeException, error

if TYPE_CHECKING:
    from confluent_kafka import Message

COMMIT_WITHIN = 30.0
"""Seconds for which a commit is tried again while the broker is away."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """By what a message is settled: the partition while this consumer has it, and the offset."""

    book: Book
    offset: int


class KafkaSource:
    """`in_order`: of messages with the same key, one is out at a time."""

    def __init__(self, settings: dict[str, Any], topic: str, in_order: bool, starts: dict[int, int] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._in_order = in_order
        self._ready: deque[Received] = deque()
        """What goes out before anything new: given back and due, or freed by what was before it."""
        self._later: list[tuple[float, int, Received]] = []
        self._numbers = itertools.count()
        self._waiting: asyncio.Future[None] | None = None
        self._orderly: set[Book] = set()
        """Books in which messages wait behind their keys."""
        self._closed = False
        self._failure: OMSRuntimeException | None = None
        self.on_lost: Callable[[], None] = lambda: None
        """Called when partitions went to others."""
        self.on_closed: Callable[[], object] = lambda: None
        self._listener = Listener(settings, topic, starts, self._signal)

    def _signal(self, lost: bool, failure: OMSRuntimeException | None) -> None:
        """From the thread: there is more, or less, or trouble."""
        try:
            self._loop.call_soon_threadsafe(self._on_signal, lost, failure)
        except RuntimeError:
            return  # the loop is closed

    def _on_signal(self, lost: bool, failure: OMSRuntimeException | None) -> None:
        self._failure = failure or self._failure
        if lost:
            self.on_lost()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Messages, as soon as there is one."""
        until = self._loop.time() + wait
        while True:
            self._waiting = self._loop.create_future()
            found = self._collect(maximum)
            left = until - self._loop.time()
            if found or left <= 0 or self._closed:
                return found
            failure, self._failure = self._failure or self._listener.failure, None
            if failure is not None:
                raise failure
            if self._later:
                left = min(left, max(self._later[0][0] - self._loop.time(), 0.001))
            await asyncio.wait([self._waiting], timeout=min(left, 3600.0))

    def _collect(self, maximum: int) -> list[Received]:
        found: list[Received] = []
        now = self._loop.time()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        while self._ready and len(found) < maximum:
            message = self._ready.popleft()
            if not message.receipt.book.lost:
                found.append(message)
        while len(found) < maximum and self._parked() < AHEAD:
            fresh = self._listener.take(maximum - len(found))
            if not fresh:
                break
            for book, read, attempt in fresh:
                if not book.lost:
                    received = _received(book, read, attempt)
                    if not self._in_order or self._is_next(book, received):
                        found.append(received)
        return found

    def _parked(self) -> int:
        """How many messages wait behind their keys."""
        self._orderly = {book for book in self._orderly if not book.lost}
        return sum(book.parked for book in self._orderly)

    def _is_next(self, book: Book, message: Received) -> bool:
        """Whether no other message of its key is out; if one is, it waits behind that."""
        key = message.record.message_key
        if key is None:
            return True
        waiting = book.waiting.get(key)
        if waiting is None:
            book.waiting[key] = deque()
            return True
        waiting.append(message)
        book.parked += 1
        self._orderly.add(book)
        return False

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They are done; returns when the broker has it. Raises 1418 where a partition went to another consumer."""
        books = self._settle(messages)
        failure = await self._commit([book for book in books if not book.lost])
        lost = sorted({book.partition for book in books if book.lost})
        if failure is not None:
            raise failure
        if lost:
            step = "Another consumer gets these messages again"
            raise error(1418, f"partitions {lost} went to another consumer", next_step=step, field="receipt")

    def _settle(self, messages: Iterable[Received]) -> list[Book]:
        offsets: dict[Book, list[int]] = {}
        for each in messages:
            offsets.setdefault(each.receipt.book, []).append(each.receipt.offset)
        self._listener.settle(offsets)
        if self._in_order:
            for each in messages:
                self._free(each)
        return list(offsets)

    def _free(self, message: Received) -> None:
        """The next of its key may go out."""
        key, waiting = message.record.message_key, message.receipt.book.waiting
        if key is None or key not in waiting:
            return
        if waiting[key]:
            self._ready.append(waiting[key].popleft())
            message.receipt.book.parked -= 1
            self._wake()
        else:
            del waiting[key]

    async def _commit(self, books: Sequence[Book]) -> OMSRuntimeException | None:
        until = self._loop.time() + COMMIT_WITHIN
        while books:
            failure = await asyncio.wrap_future(self._listener.commit(books))
            if failure is None:
                return None
            if not is_passing(failure) or self._loop.time() > until:
                return told(failure)
            await asyncio.sleep(0.1)
            books = [book for book in books if not book.lost]
        return None

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They come again here; how often they came is kept with the group's offset."""
        due = self._loop.time() + delay
        kept = [each for each in messages if not each.receipt.book.lost]
        for each in kept:
            again = Received(each.record, each.receipt, each.attempt + counted, each.partition)
            heapq.heappush(self._later, (due, next(self._numbers), again))
        if counted:
            self._listener.note([(each.receipt.book, each.receipt.offset, each.attempt) for each in kept])
        self._wake()

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Nothing: they are nobody else's."""

    async def seek(self, places: dict[int, int]) -> None:
        """Go on at other offsets of the partitions that this consumer has."""
        await asyncio.to_thread(self._listener.seek, places)

    async def close(self) -> None:
        """Commit, leave the group; ends a `pull` that waits."""
        self._closed = True
        self._wake()
        await asyncio.to_thread(self._listener.close)
        self.on_closed()


def _received(book: Book, message: Message, attempt: int) -> Received:
    record = to_record(message)
    return Received(record, Receipt(book, message.offset() or 0), attempt, book.partition)
