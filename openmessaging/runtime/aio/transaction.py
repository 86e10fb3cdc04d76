"""A transaction of a producer: sends and acknowledgements that take effect together, or not at all.

It is collected here and handed to the driver in one call when it commits: nothing is stored before, so a rollback has
nothing to undo, and what a crash interrupts was either done whole or never begun.
Next stop: `outbox.py` beside this file, then `Driver.commit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from openmessaging.model.batch import is_at_most_once
from openmessaging.model.errors import error, transaction_error
from openmessaging.model.message import Message
from openmessaging.model.transaction import Settlement
from openmessaging.runtime.aio.received import ReceivedMessage, by_lease
from openmessaging.runtime.interceptor import InterceptContext, ProducerInterceptor, run_post, run_pre
from openmessaging.runtime.result import SendResult
from openmessaging.runtime.state import TransactionState

if TYPE_CHECKING:
    from openmessaging.runtime.aio.outbox import Outbox

PRE_SEND, POST_SEND, ON_ERROR = map(attrgetter, ("pre_send", "post_send", "on_error"))


class Transaction:
    """Collects sends to any queues and acknowledgements of any groups. Make one with `producer.transaction()`:

        async with producer.transaction() as tx:
            await tx.send(producer.create_message("invoices", b"..."))
            await tx.ack(message)

    The end of the block commits; an exception rolls back and goes on. For one task or thread at a time.
    """

    def __init__(self, outbox: Outbox, interceptors: Sequence[ProducerInterceptor], limit_bytes: int) -> None:
        self._outbox = outbox
        self._interceptors = tuple(interceptors)
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._messages: list[Message] = []
        self._contexts: list[InterceptContext] = []
        self._received: list[ReceivedMessage] = []
        self.state = TransactionState.OPEN
        """Where it is in its life."""
        self.results: Sequence[SendResult] = ()
        """Once committed: where each message lies, in the order of the sends."""

    async def send(self, message: Message | Sequence[Message]) -> None:
        """Send a message, or several, with the transaction; leave them as they are until it has ended.

        Raises what `Producer.send` raises for a bad message; OMSRuntimeException 1418 when the transaction would hold
        more bytes than the producer's `buffer_bytes`; OMSTransactionException when it has ended.
        """
        self._require_open()
        messages = [message] if isinstance(message, Message) else list(message)
        if not messages:
            return
        contexts = [run_pre(self._interceptors, PRE_SEND, each) for each in messages]
        size = self._outbox.check(messages)
        if self._bytes + size > self._limit_bytes and self._bytes:
            text = f"the transaction would hold {self._bytes + size:,} bytes, the limit is {self._limit_bytes:,}"
            raise error(1418, text, next_step="Commit less at once, or raise the producer's buffer_bytes")
        self._bytes += size
        self._messages += messages
        self._contexts += contexts

    async def ack(self, message: ReceivedMessage | Sequence[ReceivedMessage]) -> None:
        """Acknowledge a received message, or several, with the transaction; of any group and queue of this system.

        Until it commits they stay in the hands of their consumer; after a rollback they are settled or given back as if
        there had been no transaction. Those of qos 1 were settled when they were received. Raises
        OMSRuntimeException 1418 for one that is settled otherwise; OMSTransactionException when the transaction has
        ended.
        """
        self._require_open()
        messages = [message] if isinstance(message, ReceivedMessage) else list(message)
        messages = [each for each in messages if not is_at_most_once(each.record)]
        for each in messages:
            each.lease.check(each.leased_offset)
        self._received += messages

    async def commit(self) -> Sequence[SendResult]:
        """Do all of it, in one step; returns when it is as durable as a send. The end of the `with` block calls it.
        Again is no error.

        Raises OMSRuntimeException 1418 when a lease has expired meanwhile or a message was settled otherwise, and what
        `Producer.send` raises: nothing was done then, unless the error is `indefinite`. OMSTransactionException after a
        rollback or a commit that failed.
        """
        if self.state is TransactionState.COMMITTED:
            return self.results
        self._require_open()
        self.state = TransactionState.FAILED  # unless all goes well
        leases = list(by_lease(self._received)) if self._received else []
        settlements = [Settlement(lease.settler, lease.id, offsets) for lease, offsets in leases]
        try:
            if self._messages or settlements:
                self.results = await self._outbox.put_many(self._messages, settlements)
        except BaseException as failure:
            self._report(failure)
            raise
        self.state = TransactionState.COMMITTED
        for lease, offsets in leases:
            lease.settled(offsets)
        self._report(None)
        return self.results

    async def rollback(self) -> None:
        """Do nothing of it. Again is no error. Raises OMSTransactionException after a commit."""
        if self.state is TransactionState.ROLLED_BACK:
            return
        self._require_open()
        self._roll_back(transaction_error("the transaction was rolled back"))

    def _roll_back(self, cause: BaseException) -> None:
        self.state = TransactionState.ROLLED_BACK
        self._report(cause)

    def _report(self, failure: BaseException | None) -> None:
        """Run the interceptors' hooks behind a send."""
        for message, context in zip(self._messages, self._contexts, strict=True):
            if failure is None:
                run_post(self._interceptors, POST_SEND, message, context)
            else:
                run_post(self._interceptors, ON_ERROR, message, context, failure)

    def _require_open(self) -> None:
        if self.state is not TransactionState.OPEN:
            raise transaction_error(f"the transaction is over: {self.state}", next_step="Begin another one")

    async def __aenter__(self) -> Self:
        self._require_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.state is not TransactionState.OPEN:
            return
        if value is None:
            await self.commit()
        else:
            self._roll_back(value)
