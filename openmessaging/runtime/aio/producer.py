"""The producer: the first stop of a message. `send` checks, the outbox batches, the driver stores.

Source: runtime interface 1.0.0, "producer"; batches and one-way sends as chosen there.
Next stop of a message: `outbox.py` beside this file, then `openmessaging/runtime/outgoing.py` and `model/batch.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast, overload

from openmessaging.model.errors import transaction_error, unsupported
from openmessaging.model.headers import LONG_MAX
from openmessaging.model.key_value import PropertyValue
from openmessaging.model.message import Message, Record, body_too_large
from openmessaging.model.spi import Capability
from openmessaging.model.transaction import TransactionCheck
from openmessaging.runtime.aio.extension import Extension
from openmessaging.runtime.aio.once import OnceDriver, send_once
from openmessaging.runtime.aio.outbox import Outbox
from openmessaging.runtime.aio.prepared import Checker, Preparer, TransactionalResult
from openmessaging.runtime.aio.primitives import Driver, Future
from openmessaging.runtime.aio.requesting import Requesting
from openmessaging.runtime.aio.transaction import Transaction
from openmessaging.runtime.interceptor import (
    InterceptContext,
    ProducerInterceptor,
    everywhere,
    logger,
    run_post,
    run_pre,
)
from openmessaging.runtime.outgoing import NamedPacker, Packer, new_message
from openmessaging.runtime.prepared import CheckFunction, TransactionStateCheckListener, check_of, check_times
from openmessaging.runtime.result import SendResult, SendResults
from openmessaging.runtime.state import ServiceState
from openmessaging.runtime.timing import due_from_now

if TYPE_CHECKING:
    from openmessaging.runtime.aio.access_point import AccessPoint

PRE_SEND, POST_SEND, ON_ERROR = map(attrgetter, ("pre_send", "post_send", "on_error"))


class Producer(Requesting):
    """Sends messages. Create it with `access_point.create_producer`, start it, or enter it with `async with`."""

    _kind = "producer"

    def __init__(
        self,
        access_point: AccessPoint,
        *,
        linger: float,
        batch_bytes: int,
        buffer_bytes: int,
        timeout: float,
        compression: str,
        producer_id: str = "default",
        listener: TransactionStateCheckListener | CheckFunction | None = None,
        transaction_check: TransactionCheck | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(timeout, compression)
        self._access_point = access_point
        self._settings = (linger, batch_bytes, buffer_bytes, timeout)
        self._packer = (
            Packer(access_point.namespace, compression)
            if name is None
            else NamedPacker(access_point.namespace, compression, name)
        )
        self._sequences: dict[str, int] = {}
        self._max_body = access_point.max_body_bytes
        self._producer_id = producer_id
        self._listener = listener
        self._transaction_check = check_times(transaction_check or TransactionCheck())
        self._checker: Checker | None = None
        self._preparer: Preparer = None  # type: ignore[assignment] # there once started
        self._interceptors: list[ProducerInterceptor] = [*everywhere[0]]
        self._plain = False
        self._outbox: Outbox = None  # type: ignore[assignment] # there once started, which `_plain` and checks ensure

    def create_message(
        self,
        queue: str,
        body: bytes,
        *,
        message_key: str | None = None,
        properties: dict[str, PropertyValue] | None = None,
        delay_time: int | None = None,
        **headers: Any,
    ) -> Message:
        """A message for a queue (bare or full name). Other header fields by their names in Python (`correlation_id`;
        `delay_time` is one of them, in ms), and, in seconds:

        `delay`: deliver so long after it was sent. `deliver_at`: deliver at that time, a datetime (a naive one is
        local) or seconds since the epoch. `ttl`: from its delivery on (else from now), it expires so long after.

        Raises OMSMessageFormatException: 1413 for a body over the driver's limit, 1400 naming the field otherwise;
        OMSRuntimeException 1418 for a time that is none.
        """
        if (
            type(body) is bytes
            and message_key is None
            and properties is None
            and not headers
            and len(body) <= self._max_body
        ):
            if delay_time is None:
                return Message(Record(body), queue)
            if type(delay_time) is int and 0 <= delay_time <= LONG_MAX:
                return Message(Record(body, None, None, {"delayTime": delay_time}), queue)
        if delay_time is not None:
            headers["delay_time"] = delay_time
        message = new_message(queue, body, message_key, properties, headers)
        if len(message.data) > self._max_body:
            raise body_too_large(len(message.data), self._max_body)
        return message

    @overload
    async def send(self, message: Message) -> SendResult: ...
    @overload
    async def send(self, message: Sequence[Message]) -> Sequence[SendResult]: ...
    async def send(self, message: Message | Sequence[Message]) -> SendResult | Sequence[SendResult]:
        """Store one message, or a list whole or not at all; returns when it is as durable as the result says.

        Waits while the buffer is full. When the caller is cancelled, the message may be stored all the same.

        Raises OMSRuntimeException 1503 outside STARTED, 1410 when there was no room or no answer in time, 1418 for a
        partition that is not there; OMSMessageFormatException 1400, 1411, 1413; OMSDestinationException 1404;
        OMSUnsupportException naming a header field that is not provided here.
        """
        if self._plain:
            if isinstance(message, Message):
                return await self._outbox.put(message)
            if message:
                return await self._outbox.put_many(message)
        self._require_started()
        if isinstance(message, Message):
            return (await self._send_intercepted([message], single=True))[0]
        return await self._send_intercepted(message, single=False) if message else []

    async def _send_intercepted(self, messages: Sequence[Message], *, single: bool) -> Sequence[SendResult]:
        interceptors = tuple(self._interceptors)
        contexts = [run_pre(interceptors, PRE_SEND, message) for message in messages]
        try:
            results: Sequence[SendResult]
            results = [await self._outbox.put(messages[0])] if single else await self._outbox.put_many(messages)
        except BaseException as failure:
            for message, context in zip(messages, contexts, strict=True):
                run_post(interceptors, ON_ERROR, message, context, failure)
            raise
        for message, context in zip(messages, contexts, strict=True):
            run_post(interceptors, POST_SEND, message, context)
        return results

    @overload
    def send_async(self, message: Message) -> Future[SendResult]: ...
    @overload
    def send_async(self, message: Sequence[Message]) -> Future[SendResults]: ...
    def send_async(self, message: Message | Sequence[Message]) -> Future[SendResult] | Future[SendResults]:
        """Take a message, or a list as a whole, and return a future of what `send` returns, which may also fail with
        OMSRuntimeException 1502 when the buffer is full.

        Do not change the message before the future is done. Raises OMSRuntimeException 1503 outside STARTED.
        """
        self._require_started()
        messages = [message] if isinstance(message, Message) else list(message)
        interceptors = tuple(self._interceptors)
        contexts = [run_pre(interceptors, PRE_SEND, each) for each in messages] if interceptors else []
        future: Future[Any]
        future = self._outbox.submit(message) if isinstance(message, Message) else self._outbox.submit_many(messages)
        if interceptors:
            future.add_listener(_Report(interceptors, messages, contexts))
        return future

    def send_oneway(self, message: Message | Sequence[Message]) -> None:
        """Send without a result: no error ever reaches the caller, and what the full buffer cannot take is dropped."""
        try:
            for each in [message] if isinstance(message, Message) else message:
                self.send_async(each).add_listener(_forget)
        except Exception as failure:
            logger.debug("one-way message dropped: %s", failure)

    async def send_once(self, message: Message, *, key: str | None = None, sequence: int | None = None) -> SendResult:
        """Store a message unless it was stored before; the result is then that of the first, and says `duplicate`.

        Args:
            message: what to send.
            key: a key of your own, such as an order's number: a second message with it within the queue's
                `deduplication_window` is not stored.
            sequence: your own number of a named producer, growing per queue, gaps allowed, such as a line of a file:
                what was stored under it already is not stored again. After a restart go on behind `last_sequence`.

        Raises as `send`; OMSRuntimeException 1409 when another producer has opened this one's name, 1418 for a key and
        a queue without a window, a sequence and a producer without a name, or neither; OMSUnsupportException where
        the system cannot.
        """
        self._require_started()
        self._require(Capability.UNIQUE)
        interceptors = tuple(self._interceptors)
        context = run_pre(interceptors, PRE_SEND, message)
        try:
            result = await send_once(self._driver, self._packer, message, key, sequence, self._settings[3])
        except BaseException as failure:
            run_post(interceptors, ON_ERROR, message, context, failure)
            raise
        run_post(interceptors, POST_SEND, message, context)
        return result

    def last_sequence(self, queue: str) -> int:
        """The last number that was stored in a queue under this producer's name before it was started; -1 for none."""
        return self._sequences.get(self._packer.full(queue), -1)

    def transaction(self) -> Transaction:
        """A transaction over any queues, which can also acknowledge what was received: all of it takes effect in one
        step, or nothing. Use it with `async with`; see `Transaction`.

        Raises OMSRuntimeException 1503 outside STARTED, OMSUnsupportException where the system has none.
        """
        self._require_started()
        self._require(Capability.TRANSACTIONS)
        return Transaction(self._outbox, self._interceptors, self._settings[2])

    async def prepare(self, message: Message) -> TransactionalResult:
        """Store a message that nobody receives until `commit` of the result is called; `rollback` drops it.

        Without a decision, a producer of the same producer id is asked by its transaction state check listener, see
        `TransactionCheck`, also after a restart of either side. The message gets a `transaction_id`.

        Raises OMSTransactionException when this producer was created without a listener, and what `send` raises;
        OMSRuntimeException 1502 when too many prepared messages wait for their decision.
        """
        self._require_started()
        if self._listener is None:
            step = "Give create_producer a transaction_state_check_listener"
            raise transaction_error("this producer has nobody to ask what became of a transaction", next_step=step)
        self._require(Capability.TRANSACTIONS)
        interceptors = tuple(self._interceptors)
        context = run_pre(interceptors, PRE_SEND, message)
        try:
            result = await self._preparer.prepare(message)
        except BaseException as failure:
            run_post(interceptors, ON_ERROR, message, context, failure)
            raise
        run_post(interceptors, POST_SEND, message, context)
        return result

    async def _delaying(self) -> Driver:
        self._require_started()
        self._require(Capability.RECALL)
        return await self._access_point.get_driver()

    def _require(self, capability: Capability) -> None:
        if capability not in self._outbox.capabilities:
            raise unsupported(capability, next_step="Send without, or use another system")

    async def cancel(self, queue: str, message_id: str) -> bool:
        """Take back a message that was sent with a delay: after True it is never delivered. False: it is too late, for
        it was due or cancelled before, or there is none of that id.

        Raises OMSDestinationException 1404 for a missing queue, OMSRuntimeException 1418 for what is no message id,
        1503 outside STARTED; OMSUnsupportException.
        """
        driver = await self._delaying()
        return await driver.cancel_delayed(self._access_point.full(queue), message_id)

    async def reschedule(
        self, queue: str, message_id: str, *, delay: float | None = None, deliver_at: datetime | float | None = None
    ) -> bool:
        """Deliver a message that was sent with a delay at another time instead: `delay` seconds from now, or at
        `deliver_at`. It keeps its id. Returns and raises as `cancel`; OMSRuntimeException 1418 for no time or two.
        """
        due_ms = due_from_now(delay, deliver_at)
        driver = await self._delaying()
        return await driver.reschedule_delayed(self._access_point.full(queue), message_id, due_ms)

    async def flush(self) -> None:
        """Return when everything given to `send_async` and `send_oneway` before is stored or has failed.

        Raises OMSRuntimeException 1503 outside STARTED.
        """
        self._require_started()
        await self._outbox.flush()

    def add_interceptor(self, interceptor: ProducerInterceptor) -> None:
        """Add an interceptor behind those that are there."""
        self._interceptors.append(interceptor)
        self._enter(self._state)

    def remove_interceptor(self, interceptor: ProducerInterceptor) -> None:
        """Remove an interceptor; nothing happens when it is not there."""
        self._interceptors = [each for each in self._interceptors if each is not interceptor]
        self._enter(self._state)

    def get_extension(self) -> Extension:
        """Queue metadata and the like."""
        return Extension(self._access_point)

    def _enter(self, state: ServiceState) -> None:
        super()._enter(state)
        self._plain = state is ServiceState.STARTED and not self._interceptors

    async def _open(self) -> None:
        driver = await self._access_point.get_driver()
        self._max_body = driver.max_body_bytes
        self._packer.namespace = self._access_point.namespace
        self._driver = driver
        if isinstance(self._packer, NamedPacker):
            if Capability.UNIQUE not in driver.capabilities:
                raise unsupported(Capability.UNIQUE, next_step="Create the producer without a name")
            opened = await driver.open_producer(self._packer.name)
            self._sequences = opened.sequences
            self._packer.adopt(opened)
            self._outbox = Outbox(cast("Driver", OnceDriver(driver)), self._packer, *self._settings)
        else:
            self._outbox = Outbox(driver, self._packer, *self._settings)
        times = self._transaction_check
        self._preparer = Preparer(driver, self._packer, self._producer_id, times, self._settings[3])
        if self._listener is not None and Capability.TRANSACTIONS in driver.capabilities:
            self._checker = Checker(driver, self._producer_id, check_of(self._listener), times)
        self._access_point.attach(self)

    async def _close(self) -> None:
        self._access_point.detach(self)
        await self._close_requester()
        if self._checker is not None:
            await self._checker.stop()
            self._checker = None
        await self._outbox.flush()
        self._outbox.close()


class _Report:
    """Runs the hooks after an asynchronous send."""

    def __init__(
        self,
        interceptors: Sequence[ProducerInterceptor],
        messages: Sequence[Message],
        contexts: Sequence[InterceptContext],
    ) -> None:
        self._interceptors = interceptors
        self._pairs = list(zip(messages, contexts, strict=True))

    def __call__(self, future: Future[Any]) -> None:
        failure = future.get_throwable()
        for message, context in self._pairs:
            if future.is_cancelled():
                continue
            if failure is None:
                run_post(self._interceptors, POST_SEND, message, context)
            else:
                run_post(self._interceptors, ON_ERROR, message, context, failure)


def _forget(future: Future[Any]) -> None:
    failure = future.get_throwable()
    if failure is not None:
        logger.debug("one-way message dropped: %s", failure)
