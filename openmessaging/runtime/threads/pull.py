# Generated from openmessaging/runtime/aio/pull.py by scripts/unasync.py: change that file instead.
"""The pull consumer: asks for messages, one or many, and settles them.

Source: runtime interface 1.0.0, "pull consumer"; groups, nack, extend, prefetch and iteration are this project's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Self, cast

from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.runtime.interceptor import NOTHING, around, run_post, run_pre
from openmessaging.runtime.lease import DeliveryOrigin, Settler
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.receipt import MessageReceipt
from openmessaging.runtime.threads.consumer import Consumer
from openmessaging.runtime.threads.intake import Intake
from openmessaging.runtime.threads.received import ReceivedMessage, by_lease

if TYPE_CHECKING:
    from openmessaging.runtime.threads.access_point import AccessPoint

PRE_RECEIVE, POST_RECEIVE, ON_ERROR = map(attrgetter, ("pre_receive", "post_receive", "on_error"))
Settled = ReceivedMessage | MessageReceipt | str
"""What names a delivery: the message, its receipt, or the receipt's text."""
_MESSAGES_ONLY = {ReceivedMessage}


class PullConsumer(Consumer):
    """Receives messages of a group. Create it with `access_point.create_pull_consumer`."""

    _kind = "consumer"

    def __init__(
        self,
        access_point: AccessPoint,
        membership: Membership,
        queues: str | Iterable[str] | None,
        prefetch: int,
    ) -> None:
        super().__init__(access_point, membership)
        self._prefetch = prefetch
        self._bound.update(self._full_names(queues or ()))
        self._intake: Intake = None  # type: ignore[assignment] # there once started

    def bind_queue(self, queues: str | Iterable[str]) -> None:
        """Receive from these queues, too; on a consumer that is not started, from its start on.

        Raises OMSDestinationException 1404 for a queue that is missing and may not be created, OMSRuntimeException
        1418 for an invalid name.
        """
        for queue in self._full_names(queues):
            if self._intake is not None and queue not in self._bound:
                self._intake.bind(queue, self._subscribe(queue))
            self._bound.add(queue)

    def unbind_queue(self, queues: str | Iterable[str]) -> None:
        """Receive from these queues no more; what was held ready goes back to the group uncounted."""
        for queue in self._full_names(queues):
            if queue in self._bound:
                self._bound.discard(queue)
                if self._intake is not None:
                    self._intake.unbind(queue)

    def receive(self, timeout: float | None = None) -> ReceivedMessage | None:
        """The next message; None after `timeout` seconds (None: wait without end), or when the consumer stops.

        It stays hidden from the rest of the group for at least two thirds of `invisible_time` from now.

        Raises OMSRuntimeException 1503 outside STARTED, 1418 when no queue is bound, 1501 for damaged storage.
        """
        intake = self._intake
        if intake is None:
            self._require_started()
        message = None
        with intake.mutex:
            if intake.ready and not intake.settling:
                message = intake.ready.pop()
        if message is None:
            message = intake.take(timeout)
        if self._interceptors and message is not None:
            self._intercept([message])
        return message

    def batch_receive(self, max_messages: int = 500, timeout: float | None = None) -> list[ReceivedMessage]:
        """Up to `max_messages`, as soon as there is at least one; an empty list when `receive` would give None.

        Raises as `receive`.
        """
        intake = self._intake
        if intake is None:
            self._require_started()
        messages = intake.take_many(max_messages, timeout)
        if self._interceptors:
            self._intercept(messages)
        return messages

    def receive_from(
        self, queue: str, partition: int, offset: int, *, max_messages: int = 500, timeout: float = 0.0
    ) -> list[Message]:
        """Messages from a place, leaving the group's position alone; waits up to `timeout` seconds for one at the end.

        Raises OMSRuntimeException 1503 outside STARTED, 1418 for a partition that is not there;
        OMSDestinationException 1404.
        """
        self._require_started()
        driver = self._access_point.get_driver()
        name = self._access_point.full(queue)
        messages: list[Message] = []
        for delivery in driver.read(name, partition, offset, max_messages, timeout):
            origin = DeliveryOrigin(delivery)
            messages += [
                Message(record, name, origin, place) for place, record in enumerate(origin.members, delivery.first)
            ]
        return messages

    def ack(self, what: Settled | Sequence[Settled]) -> None:
        """Done: never deliver these again. Takes effect at once and is on disk with the next sync, see `flush`.

        Acknowledging twice is no error. Raises OMSRuntimeException 1418 for a delivery whose lease is over, that was
        given back before, or that belongs to another group.
        """
        if isinstance(what, ReceivedMessage):
            what.lease.ack_one(what.leased_offset)
        elif isinstance(what, MessageReceipt | str):
            receipt = as_receipt(what)
            self._settler(receipt).ack(receipt.lease_id, [receipt.offset])
        elif set(map(type, what)) == _MESSAGES_ONLY:
            for lease, offsets in by_lease(cast("Sequence[ReceivedMessage]", what)):
                lease.ack(offsets)
        else:
            for each in what:
                self.ack(each)

    def nack(self, what: Settled, delay: float | None = None, reason: str = "") -> None:
        """Failed: deliver it again after `delay` seconds (None: the group's back-off), or, after the last delivery,
        move it to the dead-letter queue with `reason`. Raises as `ack`, and for what was acknowledged before.
        """
        if isinstance(what, ReceivedMessage):
            what.nack(delay, reason)
        else:
            receipt = as_receipt(what)
            self._settler(receipt).nack(receipt.lease_id, [receipt.offset], delay, reason)

    def reject(self, what: Settled, reason: str = "") -> None:
        """It can never be handled: move it to the dead-letter queue now, with `reason`. Raises as `nack`."""
        if isinstance(what, ReceivedMessage):
            what.reject(reason)
        else:
            receipt = as_receipt(what)
            self._settler(receipt).reject(receipt.lease_id, [receipt.offset], reason)

    def extend(self, what: Settled, seconds: float) -> None:
        """Keep a delivery, and what came with it, hidden for `seconds` from now. Raises as `nack`."""
        if isinstance(what, ReceivedMessage):
            what.extend(seconds)
        else:
            receipt = as_receipt(what)
            self._settler(receipt).extend(receipt.lease_id, seconds)

    def flush(self) -> None:
        """Return when every acknowledgement made so far is durable.

        Raises OMSRuntimeException 1503 outside STARTED; 1418, naming them, when some came too late: over a network
        `ack` does not wait for the answer, and a connection may break for longer than a lease lasts.
        """
        self._require_started()
        self._intake.flush()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ReceivedMessage:
        message = self.receive()
        if message is None:
            raise StopIteration
        return message

    def _intercept(self, messages: Sequence[ReceivedMessage]) -> None:
        """Run the hooks; a message that a hook refuses is given back as failed, and the error goes to the caller."""
        interceptors = self._interceptors
        at = 0
        try:
            with around(interceptors, "receive", messages, self.group) if messages else NOTHING:
                while at < len(messages):
                    context = run_pre(interceptors, PRE_RECEIVE, messages[at])
                    run_post(interceptors, POST_RECEIVE, messages[at], context)
                    at += 1
        except Exception as failure:
            refused = messages[min(at, len(messages) - 1)]
            if refused.leased_offset in refused.lease.pending:  # else it was of qos 1
                refused.lease.nack((refused.leased_offset,), None, f"{type(failure).__name__}: {failure}")
            for other in messages:
                if other is not refused:
                    other.lease.release((other.leased_offset,))
            raise

    def _settler(self, receipt: MessageReceipt) -> Settler:
        self._require_started()
        subscription = self._intake.subscription(receipt.queue)
        if subscription is None:
            step = "Bind the queue it came from first"
            raise error(1418, f"the receipt is of {receipt.queue}, which is not bound", next_step=step, field="receipt")
        return subscription

    def _open(self) -> None:
        intake = Intake(self._prefetch, self._membership.config.invisible_time)
        try:
            for queue in sorted(self._bound):
                intake.bind(queue, self._subscribe(queue))
        except BaseException:
            intake.close()
            raise
        self._intake = intake
        self._access_point.attach(self)

    def _close(self) -> None:
        intake = self._intake
        self._intake = None  # type: ignore[assignment] # as before the start
        self._access_point.detach(self)
        intake.close()


def as_receipt(what: Settled) -> MessageReceipt:
    """The receipt of a message, of a receipt, or of its text. Raises OMSRuntimeException 1418 for any other text."""
    if isinstance(what, ReceivedMessage):
        return what.receipt
    return MessageReceipt.parse(what) if isinstance(what, str) else what
