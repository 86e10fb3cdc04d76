"""Sends of many threads at once share batches: what arrives while one send runs is the next batch.

A lone thread sends its message itself, with nothing in between. Threads that come meanwhile join; when the send is
over, the first of them sends for all, in one batch, and so on: no thread of the library's own, one entry of the log and
one sync for all that joined. Threads of one batch wake one another, for all at once would queue for the interpreter's
lock.
"""

from __future__ import annotations

import threading
from itertools import pairwise

from openmessaging.model.blocking_spi import BlockingDriver
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.result import SendResult, SentOrigin


class _Joined:
    """A thread that waits with its message: for its result, or to send a batch itself."""

    __slots__ = ("batch", "failure", "following", "message", "origin", "woken")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.woken = threading.Lock()
        self.woken.acquire()
        self.batch: list[_Joined] | None = None
        """What it has to send, when its turn has come."""
        self.origin: SentOrigin | None = None
        self.failure: BaseException | None = None
        self.following: _Joined | None = None

    def wait(self) -> BaseException | None:
        """Block until it is woken; returns what interrupted it meanwhile, for others depend on its going on."""
        interrupted: BaseException | None = None
        while True:
            try:
                self.woken.acquire()
            except BaseException as cause:
                interrupted = cause
            else:
                return interrupted


class Combiner:
    """Sends plain messages (no key, properties or headers) for the threads of one producer."""

    def __init__(self, driver: BlockingDriver, packer: Packer, batch_bytes: int) -> None:
        self._driver = driver
        self._packer = packer
        self._batch_bytes = batch_bytes
        self._mutex = threading.Lock()
        self._sending = False
        self._joined: list[_Joined] = []

    def put(self, message: Message) -> SendResult:
        """Store one message. Raises what the driver raises."""
        with self._mutex:
            if self._sending:
                joined = _Joined(message)
                self._joined.append(joined)
            else:
                self._sending = True
                joined = None
        if joined is not None:
            return self._wait(joined)
        try:
            outgoing, origin = self._packer.pack(self._packer.full(message.destination), None, (message.record,))
            origin.placement = self._driver.send((outgoing,))[0]
        finally:
            self._pass_on()
        message.origin = origin
        message.position = 0
        return SendResult(origin, 0)

    def _wait(self, joined: _Joined) -> SendResult:
        interrupted = joined.wait()
        if joined.batch is not None:
            self._send(joined.batch)
        elif joined.following is not None:
            joined.following.woken.release()
        if interrupted is not None:
            raise interrupted
        if joined.failure is not None:
            raise joined.failure
        assert joined.origin is not None
        return SendResult(joined.origin, joined.message.position)

    def _send(self, batch: list[_Joined]) -> None:
        """Send for all that joined; the first of them is the caller."""
        try:
            name = self._packer.full(batch[0].message.destination)
            outgoing, origin = self._packer.pack(name, None, [joined.message.record for joined in batch])
            origin.placement = self._driver.send((outgoing,))[0]
        except BaseException as failure:
            for joined in batch:
                joined.failure = _for_others(failure) if joined is not batch[0] else failure
        else:
            for position, joined in enumerate(batch):
                joined.message.origin = joined.origin = origin
                joined.message.position = position
        self._pass_on()
        for joined, following in pairwise(batch[1:]):
            joined.following = following
        if len(batch) > 1:
            batch[1].woken.release()

    def _pass_on(self) -> None:
        """Let the first that joined send for all that joined for the same queue, up to the size of a batch."""
        with self._mutex:
            if not self._joined:
                self._sending = False
                return
            first = self._joined[0]
            destination, size = first.message.destination, 0
            batch: list[_Joined] = []
            rest: list[_Joined] = []
            for joined in self._joined:
                size += len(joined.message.record.data)
                fits = joined.message.destination == destination and (size <= self._batch_bytes or not batch)
                (batch if fits else rest).append(joined)
            self._joined = rest
            first.batch = batch
        first.woken.release()


def _for_others(failure: BaseException) -> BaseException:
    """What the other threads of a batch get: an error of the driver as it is, an interrupt as not knowing."""
    if isinstance(failure, Exception):
        return failure
    step = "It may have been stored all the same"
    return error(1410, "the thread that sent this message with its own was interrupted", next_step=step)
