"""The outbox of a blocking producer: `send` goes straight through to the driver in the caller's thread.

Only `send_async` and `send_oneway` collect: a thread of the producer takes what has come meanwhile (with a linger,
waits for more) and submits it as one batch per queue and partition. Next stop of a message: the driver, for example
`drivers/embedded`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from openmessaging.model.blocking_spi import BlockingDriver
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Message
from openmessaging.model.spi import Placement
from openmessaging.model.transaction import Settlement
from openmessaging.runtime.open_batch import OpenBatch
from openmessaging.runtime.outgoing import ANYWHERE, Packer, Route, checked_record, checked_records, is_directed
from openmessaging.runtime.result import SendResult, SendResults, SentOrigin
from openmessaging.runtime.threads.combining import Combiner
from openmessaging.runtime.threads.primitives import Future, Task
from openmessaging.runtime.threads.whole import send_whole
from openmessaging.runtime.timing import is_timed


class Outbox:
    """Takes messages of one producer from many threads; `timeout` bounds waiting for room."""

    def __init__(
        self,
        driver: BlockingDriver,
        packer: Packer,
        linger: float,
        batch_bytes: int,
        buffer_bytes: int,
        timeout: float,
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
        self._combiner = Combiner(driver, packer, batch_bytes)
        self._open: dict[str, OpenBatch] = {}
        self._used = 0
        self._left = 0
        """Messages that were submitted and have no answer yet; `_used` are their bytes."""
        self._changed = threading.Condition()
        self._dispatching = threading.RLock()
        self._full = threading.Event()
        self._collector: Task | None = None
        self._closed = False

    def put(self, message: Message) -> SendResult:
        """Store one message, in order after what this thread submitted."""
        if self._left:
            self._flush_open()
        record = message.record
        if record.headers or record.message_key is not None or record.properties or len(record.data) > self._max_body:
            return self._put_whole((message,))[0]
        return self._combiner.put(message)

    def check(self, messages: Sequence[Message]) -> int:
        """The bytes of messages that `put_many` will take; raises as that does for bad ones."""
        for message in messages:
            self._packer.full(message.destination)
        return checked_records(messages, self._max_body, self._packer.once).size

    def put_many(self, messages: Sequence[Message], settlements: Sequence[Settlement] | None = None) -> SendResults:
        """Store a list whole or not at all, in order after what this thread submitted; with `settlements` as one
        commit."""
        if self._left:
            self._flush_open()
        return self._put_whole(messages, settlements)

    def _put_whole(self, messages: Sequence[Message], settlements: Sequence[Settlement] | None = None) -> SendResults:
        checked = checked_records(messages, self._max_body, self._packer.once)
        return send_whole(self._driver, self._packer, messages, checked, self._timeout, settlements)

    def submit(self, message: Message) -> Future[SendResult]:
        """Take a message at once; waits only while the box is full. Raises OMSTimeOutException 1410."""
        future: Future[SendResult] = Future()
        try:
            record = checked_record(message, self._max_body, self._packer.once)
            name = self._packer.full(message.destination)
        except OMSRuntimeException as failure:
            future.set_exception(failure)
            return future
        size = len(record.data)
        with self._changed:
            if not self._changed.wait_for(
                lambda: not self._used or self._used + size <= self._buffer_bytes, self._timeout
            ):
                step = "The system behind it is slow or away: try later"
                raise error(1410, f"no room in the producer for {self._timeout} s", next_step=step)
            batch = self._open.setdefault(name, OpenBatch(name))
            batch.add(record, message, future)
            batch.directed |= is_directed(message.record)
            batch.timed |= is_timed(message.record.headers)
            batch.marked |= record.headers is not None or record.message_key is not None
            self._used += size
            self._left += 1
            if batch.size >= self._batch_bytes:
                self._full.set()
            if self._collector is None:
                self._collector = Task(self._collect)
            self._changed.notify_all()
        return future

    def submit_many(self, messages: Sequence[Message]) -> Future[SendResults]:
        """Take a list as a whole; as `put_many`, in a thread of its own."""
        future: Future[SendResults] = Future()
        size = sum([len(message.record.data) for message in messages])
        self._flush_open()
        with self._changed:
            self._used += size
            self._left += len(messages)
        Task(self._put_for, messages, future, size)
        return future

    def flush(self) -> None:
        """Return when all that was submitted has been stored or has failed."""
        self._flush_open()
        with self._changed:
            self._changed.wait_for(lambda: not self._left)

    def close(self) -> None:
        """End the collecting thread; call it when flushed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put_for(self, messages: Sequence[Message], future: Future[SendResults], size: int) -> None:
        try:
            future.set_result(self._put_whole(messages))
        except Exception as failure:
            future.set_exception(failure)
        self._release(size, len(messages))

    def _collect(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._open or self._closed)
                if self._closed and not self._open:
                    return
            if self._linger:
                self._full.wait(self._linger)
                self._full.clear()
            self._flush_open()

    def _flush_open(self) -> None:
        """Submit what is open; one thread at a time, so that batches keep their order."""
        with self._dispatching:
            with self._changed:
                opened, self._open = self._open, {}
            for batch in opened.values():
                self._dispatch(batch)

    def _dispatch(self, batch: OpenBatch) -> None:
        if not batch.directed:
            self._submit(ANYWHERE, batch)
            return
        try:
            count = self._driver.partition_count(batch.name)
        except Exception as failure:
            self._fail(batch, failure)
            return
        for route, part in batch.split(count, partial(self._release, count=1)).items():
            self._submit(route, part)

    def _submit(self, route: Route, batch: OpenBatch) -> None:
        partition, _, priority = route
        try:
            outgoing, origin = self._packer.pack(
                batch.name, partition, batch.records, batch.attributes, batch.timed, priority
            )
            self._driver.submit(outgoing, partial(self._arrived, batch, origin))
        except Exception as failure:
            self._fail(batch, failure)

    def _arrived(
        self, batch: OpenBatch, origin: SentOrigin, placement: Placement | None, failure: BaseException | None
    ) -> None:
        if placement is not None:
            batch.stored(origin, placement)
            self._release(batch.size, len(batch.messages))
        elif failure is not None:
            self._fail(batch, failure)

    def _fail(self, batch: OpenBatch, failure: BaseException) -> None:
        batch.fail(failure)
        self._release(batch.size, len(batch.messages))

    def _release(self, size: int, count: int) -> None:
        with self._changed:
            self._used -= size
            self._left -= count
            self._changed.notify_all()
