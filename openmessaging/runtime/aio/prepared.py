"""A prepared message in its producer's hands, and the producer's answers when it is asked about one.

Source: runtime interface 1.0.0, "prepare" and "transaction state check listener".
Next stop: `Driver.prepare`; the broker's side is `openmessaging/broker/prepared.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmessaging.model.batch import attributes_of
from openmessaging.model.errors import OMSRuntimeException, OMSTransactionException, transaction_error
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Delivery
from openmessaging.model.transaction import InDoubt, Preparation, TransactionCheck
from openmessaging.runtime.aio.primitives import Driver, Event, Task, call, call_within
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.lease import DeliveryOrigin
from openmessaging.runtime.outgoing import ANYWHERE, Packer, checked_record, is_directed, new_transaction_id, route_of
from openmessaging.runtime.prepared import TransactionStateCheckContext
from openmessaging.runtime.state import TransactionState
from openmessaging.runtime.timing import is_timed

_AT_ONCE = 32
"""Checks that are taken in one call."""
_GRACE = 5.0
"""Seconds that stopping waits for a check that runs."""


class Preparer:
    """Prepares the messages of one producer.

    Args:
        driver: where to.
        packer: the producer's.
        producer_id: whose producers may be asked.
        times: when they are asked.
        timeout: seconds that a call waits for the answer.
    """

    def __init__(
        self, driver: Driver, packer: Packer, producer_id: str, times: TransactionCheck, timeout: float
    ) -> None:
        self._driver = driver
        self._packer = packer
        self._producer_id = producer_id
        self._times = times
        self._timeout = timeout

    async def prepare(self, message: Message) -> TransactionalResult:
        """Store a message that stays invisible until it is committed; see `Producer.prepare`."""
        name = self._packer.full(message.destination)
        record = checked_record(message, self._driver.max_body_bytes)
        partition, _, priority = ANYWHERE
        if is_directed(message.record):
            partition, _, priority = route_of(message, await call(self._driver.partition_count, name))
        transaction_id = new_transaction_id()
        headers = {**(record.headers or {}), "transactionId": transaction_id}
        marked = Record(record.data, record.message_key, record.properties, headers)
        timed = is_timed(message.record.headers)
        batch, origin = self._packer.pack(name, partition, (marked,), attributes_of((marked,)), timed, priority)
        preparation = Preparation(batch, transaction_id, self._producer_id, self._times)
        await call_within(self._timeout, self._driver.prepare, preparation)
        message.origin = origin
        message.position = 0
        return TransactionalResult(self._driver, origin.header("messageId", 0), transaction_id)


class TransactionalResult:
    """A message that was prepared: stored, and delivered once `commit` was called."""

    def __init__(self, driver: Driver, message_id: str, transaction_id: str) -> None:
        self._driver = driver
        self.message_id = message_id
        """The message's id, the same when it is delivered."""
        self.transaction_id = transaction_id
        """The transaction's, which the delivered message has in its header."""
        self.state = TransactionState.OPEN
        """What this object did; a check may have decided meanwhile."""

    async def commit(self) -> None:
        """Deliver the message; returns when that is durable. Again is no error.

        Raises OMSTransactionException after a rollback, also one by a check or by the limit of checks.
        """
        await self._end(TransactionState.COMMITTED)

    async def rollback(self) -> None:
        """Drop the message. Again is no error. Raises OMSTransactionException after a commit."""
        await self._end(TransactionState.ROLLED_BACK)

    async def _end(self, wanted: TransactionState) -> None:
        if self.state is wanted:
            return
        if self.state is not TransactionState.OPEN:
            raise transaction_error(f"the transaction {self.transaction_id} is over: {self.state}")
        await call(self._driver.end_transaction, self.transaction_id, wanted is TransactionState.COMMITTED)
        self.state = wanted

    def __repr__(self) -> str:
        return f"TransactionalResult({self.message_id}, transaction {self.transaction_id}, {self.state})"


class Checker:
    """Asks a listener about the prepared messages of a producer id, while its producer is started."""

    def __init__(
        self,
        driver: Driver,
        producer_id: str,
        check: Callable[[Message, TransactionStateCheckContext], Any],
        times: TransactionCheck,
    ) -> None:
        self._driver = driver
        self._producer_id = producer_id
        self._check = check
        self._pause = max(min(times.first, times.interval, 2.0) / 2, 0.005)
        self._stopped = Event()
        self._task = Task(self._run)

    async def stop(self) -> None:
        """Ask no more; a check that runs is finished."""
        self._stopped.set()
        if not await self._task.join(_GRACE):
            self._task.cancel()

    async def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                while checks := await call(self._driver.check_transactions, self._producer_id, _AT_ONCE):
                    for each in checks:
                        if not self._stopped.is_set():
                            await self._ask(each)
            except Exception as failure:
                logger.warning("asking for transaction checks failed, trying again: %s", failure)
            await self._stopped.wait_within(self._pause)

    async def _ask(self, doubt: InDoubt) -> None:
        context = TransactionStateCheckContext(doubt.transaction_id)
        try:
            await call(self._check, stored_message(doubt), context)
        except Exception as failure:
            logger.warning("the check of transaction %s failed: %r", doubt.transaction_id, failure, exc_info=failure)
            return
        if context.decision is None:
            return
        try:
            await call(self._driver.end_transaction, doubt.transaction_id, context.decision)
        except OMSTransactionException as decided:  # by its producer or by another check, the other way
            logger.warning("the answer to the check of transaction %s came late: %s", doubt.transaction_id, decided)
        except OMSRuntimeException as failure:
            logger.warning("the answer to the check of %s is lost: %s", doubt.transaction_id, failure)


def stored_message(doubt: InDoubt) -> Message:
    """A prepared message as it was sent. Raises OMSRuntimeException 1501 for damaged bytes."""
    delivery = Delivery(doubt.destination, doubt.partition or 0, 0, doubt.prepared_ms, doubt.data, 0, 1)
    origin = DeliveryOrigin(delivery)
    return Message(origin.records[0], doubt.destination, origin, 0)
