"""The thread that owns a consumer of Kafka: it reads ahead, answers rebalances, commits now and then."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from openmessaging.drivers.kafka.book import Book
from openmessaging.drivers.kafka.failures import is_passing, told
from openmessaging.model.errors import OMSRuntimeException, error

if TYPE_CHECKING:
    from confluent_kafka import Message

AHEAD = 2_000
"""Messages read and not taken yet, over which reading rests."""
_CHUNK = 500
_POLL = 0.01
"""Seconds of one wait for messages; commits and the end wait for it too. They cannot come from another thread: in
confluent-kafka 2.16 a thread that polls again and again keeps all others from committing, for good."""
_PAUSE_AFTER = 1.0
"""Seconds for which nobody takes anything, after which Kafka is asked to send no more."""
_COMMIT_EVERY = 1.0
_ANSWER = 20.0
"""Seconds for an answer within a rebalance."""
Fresh = tuple[Book, "Message", int]
"""A message with the book of its partition and the number of its delivery."""


class Listener:
    """`starts`: offsets per partition where nothing is committed; with None as `group.id` of the settings, all
    partitions are read from there and nothing is ever committed. `signal(lost, failure)` is called in the thread."""

    def __init__(
        self,
        settings: dict[str, Any],
        topic: str,
        starts: dict[int, int] | None,
        signal: Callable[[bool, OMSRuntimeException | None], None],
    ) -> None:
        self._alone = settings.get("group.id") is None
        group = settings.get("group.id") or "oms-broadcast"  # that one is never joined
        self._consumer = Consumer({**settings, "group.id": group, "on_commit": self._on_commit})
        self._topic = topic
        self._starts = starts or {}
        self._signal = signal
        self.failure: OMSRuntimeException | None = None
        """Why the thread ended before it was told to."""
        self._mutex = threading.Lock()
        self._room = threading.Condition(self._mutex)
        self._books: dict[int, Book] = {}
        self._fresh: deque[Fresh] = deque()
        self._changed: set[Book] = set()
        """Books with something to commit."""
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wanted: list[Future[KafkaError | None]] = []
        """Who waits for a commit that has not begun."""
        self._underway: list[Future[KafkaError | None]] | None = None
        """Who waits for the one that has."""
        self._commit_at = self._answer_by = 0.0
        self._ended = False
        self._closing = False
        self._paused = False
        self._thread = threading.Thread(target=self._run, name="oms-kafka-consumer", daemon=True)
        self._thread.start()

    def take(self, maximum: int) -> list[Fresh]:
        """What was read, in order; nothing when there is nothing."""
        with self._mutex:
            count = min(maximum, len(self._fresh))
            found = [self._fresh.popleft() for _ in range(count)]
            if len(self._fresh) < AHEAD:
                self._room.notify()
            return found

    def settle(self, offsets: Mapping[Book, Sequence[int]]) -> None:
        """Messages are done."""
        with self._mutex:
            for book, settled in offsets.items():
                book.settle(settled)
                self._changed.add(book)

    def note(self, attempts: Sequence[tuple[Book, int, int]]) -> None:
        """Deliveries were made in vain."""
        with self._mutex:
            for book, offset, attempt in attempts:
                book.attempts[offset] = attempt
                self._changed.add(book)

    def commit(self, books: Sequence[Book]) -> Future[KafkaError | None]:
        """Tell the broker what is settled; the answer is what went wrong."""
        answer: Future[KafkaError | None] = Future()
        with self._mutex:
            if self._alone or not books or self._ended:
                answer.set_result(None)  # where the thread has ended, that committed
            else:
                self._changed.update(books)
                self._wanted.append(answer)
        return answer

    def _commit_changed(self) -> None:
        """Commit without waiting, one request at a time; `_on_commit` hears the answer."""
        now = time.monotonic()
        if self._alone:
            return
        if self._underway is not None:
            if now < self._answer_by:
                return
            self._committed(KafkaError(KafkaError._TIMED_OUT, "the broker did not answer"))
        with self._mutex:
            if not self._wanted and (not self._changed or now < self._commit_at):
                return
            self._underway, self._wanted = self._wanted, []
            places = self._places(self._changed)
            self._changed.clear()
        self._commit_at, self._answer_by = now + _COMMIT_EVERY, now + _ANSWER
        if not places:
            self._committed(None)
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as cause:
            self._committed(cause.args[0])

    def _on_commit(self, failure: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        with self._mutex:
            if failure is not None:  # whatever was in it, the next one shall have it too
                self._changed.update(self._books.values())
        self._committed(failure or next((each.error for each in places if each.error is not None), None))

    def _committed(self, failure: KafkaError | None) -> None:
        answers, self._underway = self._underway or [], None
        for answer in answers:
            answer.set_result(failure)

    def _commit_now(self, books: Iterable[Book]) -> None:
        """Commit and wait for it, in the thread."""
        with self._mutex:
            places = self._places(books)
        if places and not self._alone:
            with contextlib.suppress(KafkaException):
                self._consumer.commit(offsets=places, asynchronous=False)

    def _places(self, books: Iterable[Book]) -> list[TopicPartition]:
        kept = [(book.partition, book.commitment()) for book in books if not book.lost]
        return [TopicPartition(self._topic, at, *found) for at, found in kept if found is not None]

    def seek(self, places: dict[int, int]) -> None:
        """Go on at other offsets of the partitions that are read; returns when it is so."""
        done = threading.Event()

        def move() -> None:
            with contextlib.suppress(KafkaException):
                mine = {at: offset for at, offset in places.items() if at in self._books}
                self._lose(list(mine))
                for at, offset in mine.items():
                    self._consumer.seek(TopicPartition(self._topic, at, offset))
                    with self._mutex:
                        self._books[at] = Book(at, offset, None)
                if mine and not self._alone:
                    moved = [TopicPartition(self._topic, at, offset) for at, offset in mine.items()]
                    self._consumer.commit(offsets=moved, asynchronous=False)
            done.set()

        self._commands.put(move)
        done.wait(_ANSWER)

    def close(self) -> None:
        """Commit, leave the group, end the thread."""
        with self._mutex:
            self._closing = True
            self._room.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._begin()
            self._listen()
        except KafkaException as cause:
            self.failure = told(cause, self._topic)
        except Exception as cause:
            self.failure = error(1500, f"{type(cause).__name__}: {cause}", next_step="Look at the broker's log")
            self.failure.__cause__ = cause
        finally:
            self._end()
            self._signal(False, None)

    def _begin(self) -> None:
        if self._alone:
            partitions = self._consumer.list_topics(self._topic, _ANSWER).topics[self._topic].partitions
            self._assign([TopicPartition(self._topic, at, self._starts.get(at, OFFSET_BEGINNING)) for at in partitions])
        else:
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )

    def _listen(self) -> None:
        while not self._closing:
            while not self._commands.empty():
                self._commands.get()()
            self._rest()
            message = self._consumer.poll(_POLL)
            if message is not None:
                self._arrived([message, *self._consumer.consume(_CHUNK, 0.0)])
            self._commit_changed()

    def _rest(self) -> None:
        """While there is enough, wait for somebody to take it; if nobody does, let Kafka send no more, and go on
        answering it."""
        with self._mutex:
            full = len(self._fresh) >= AHEAD
            if full and not self._paused:
                self._room.wait(_PAUSE_AFTER)
                full = len(self._fresh) >= AHEAD
        if full is not self._paused:
            self._paused = full
            (self._consumer.pause if full else self._consumer.resume)(self._consumer.assignment())

    def _arrived(self, messages: Sequence[Message]) -> None:
        failure: KafkaError | None = None
        with self._mutex:
            for message in messages:
                trouble = message.error()
                book = self._books.get(message.partition() or 0)
                if trouble is not None:
                    if trouble.code() != KafkaError._PARTITION_EOF:
                        failure = trouble
                    elif book is not None and book.at_end(message.offset() or 0):
                        self._changed.add(book)
                    continue
                if book is None:
                    continue
                attempt = book.take(message.offset() or 0)
                if attempt:
                    self._fresh.append((book, message, attempt))
                self._changed.add(book)
        self._signal(False, None if failure is None or is_passing(failure) else told(failure, self._topic))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for left in (2, 1, 0):
            try:
                committed = consumer.committed(partitions, _ANSWER)
                break
            except KafkaException as cause:
                if not left or not is_passing(cause.args[0]):
                    raise
        self._assign(committed)

    def _assign(self, places: Sequence[TopicPartition]) -> None:
        chosen: list[TopicPartition] = []
        with self._mutex:
            for each in places:
                known = each.offset >= 0
                offset = each.offset if known else self._starts.get(each.partition, OFFSET_BEGINNING)
                self._books[each.partition] = Book(each.partition, max(offset, 0), each.metadata if known else None)
                chosen.append(TopicPartition(self._topic, each.partition, offset))
        if self._alone:
            self._consumer.assign(chosen)
        else:
            self._consumer.incremental_assign(chosen)
        self._paused = False

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        with self._mutex:
            books = [self._books[each.partition] for each in partitions if each.partition in self._books]
        self._commit_now(books)
        self._lose([each.partition for each in partitions])

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._lose([each.partition for each in partitions])

    def _lose(self, partitions: Sequence[int]) -> None:
        with self._mutex:
            for each in partitions:
                book = self._books.pop(each, None)
                if book is not None:
                    book.lost = True
                    self._changed.discard(book)
            self._fresh = deque(each for each in self._fresh if not each[0].lost)
        self._signal(True, None)

    def _end(self) -> None:
        with contextlib.suppress(KafkaException, RuntimeError):
            self._commit_now(self._books.values())
            self._consumer.close()
        with self._mutex:
            self._ended = True
            left = [*(self._underway or []), *self._wanted]
        for answer in left:
            answer.set_result(None)
