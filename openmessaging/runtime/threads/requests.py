# Generated from openmessaging/runtime/aio/requests.py by scripts/unasync.py: change that file instead.
"""The requester: sends requests, waits in its mailbox for what comes back, tells services when nobody waits any more.

Next stop of a request: the driver (`hand_over`, else the service's queue), then `service.py` beside this file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from itertools import count
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from openmessaging.model.batch import PRODUCER_BITS, attributes_of, is_at_most_once
from openmessaging.model.errors import error
from openmessaging.model.mail import Handed, Mail, MailKind, ServiceInfo, no_responders
from openmessaging.model.message import Message
from openmessaging.model.spi import Capability, Placement
from openmessaging.runtime import wall
from openmessaging.runtime.outgoing import Packer, route_of
from openmessaging.runtime.replies import Call, Calls, Gathering, ItemsInOrder
from openmessaging.runtime.rpc import (
    OMSRemoteException,
    Replies,
    checked_request,
    opened_answer,
    opened_error,
    stored_request,
    too_late,
)
from openmessaging.runtime.threads.mailboxes import mailboxes_of
from openmessaging.runtime.threads.primitives import Event, call, settled
from openmessaging.runtime.threads.waits import Slot, Slots, in_scope

if TYPE_CHECKING:
    from openmessaging.runtime.threads.primitives import Driver


class Requester:
    """Requests of one producer. It has a packer of its own: the producer's sequence is for what the outbox sends."""

    def __init__(self, driver: Driver, namespace: str, compression: str) -> None:
        self._driver = driver
        self._mailboxes: Any = mailboxes_of(driver)
        self._packer = Packer(namespace, compression)
        self._packer.capabilities = driver.capabilities
        self._max_body = driver.max_body_bytes
        self._expiry = Capability.EXPIRY in driver.capabilities
        self._producer_id = secrets.randbits(PRODUCER_BITS)
        """Of requests that are handed over: they are no part of what the packer numbers."""
        self._numbers = count()
        self.calls = Calls(f"{self._packer.producer_id:010x}")
        """Those under way."""
        self._slots = Slots()
        self.address = ""
        """The mailbox."""

    def open(self) -> Self:
        """Open the mailbox."""
        self.address = call(self._mailboxes.open_mailbox, in_scope(self.calls.land))
        return self

    def close(self) -> None:
        """Fail what is under way (1503) and close the mailbox."""
        self.calls.fail_all(error(1503, "the producer was stopped", next_step="Ask again with one that runs"))
        call(self._mailboxes.close_mailbox, self.address)

    def request(self, message: Message, timeout: float, idempotent: bool) -> Message:
        """One answer; see `Producer.request`."""
        slot: Slot[Mail | BaseException] = Slot(self._slots)
        name = self._packer.full(message.destination)
        call_id = self.calls.begin(slot)
        came: Mail | BaseException | None = None
        try:
            self._submit(message, name, call_id, slot, timeout, idempotent, 0)
            came = slot.wait(timeout)
        finally:
            self.calls.end(call_id)
            if came is None:
                self._cancel(name, call_id)
        if isinstance(came, Mail):
            return opened_answer(came, self.address)
        raise too_late(name, timeout) if came is None else came

    def gather(self, message: Message, timeout: float, count: int | None, idempotent: bool) -> Replies:
        """An answer of each group; see `Producer.request_all`."""
        name = self._packer.full(message.destination)
        services = self.services(name)
        done = Event()
        gathering = Gathering(count or len({service.group for service in services}), done.set)
        call_id = self.calls.begin(gathering)
        deadline = monotonic() + timeout
        try:
            self._submit(message, name, call_id, gathering, timeout, idempotent, 0)
            while not gathering.complete and gathering.failure is None:
                done.clear()
                if not done.wait_within(max(deadline - monotonic(), 0.0)):
                    break
        finally:
            self.calls.end(call_id)
            if not gathering.complete:
                self._cancel(name, call_id)
        if gathering.failure is not None:
            raise gathering.failure
        messages: list[Message] = []
        errors: list[OMSRemoteException] = []
        for mail in list(gathering.mails):
            if mail.kind == MailKind.ERROR:
                errors.append(opened_error(mail.record))
            else:
                messages.append(opened_answer(mail, self.address))
        return Replies(messages, errors, gathering.complete)

    def begin_stream(self, stream: ReplyStream) -> str:
        """Send the request of a stream; the name of its queue."""
        name = self._packer.full(stream.message.destination)
        stream.call_id = self.calls.begin(stream.items)
        try:
            self._submit(
                stream.message,
                name,
                stream.call_id,
                stream.items,
                stream.timeout,
                stream.idempotent,
                stream.items.window,
            )
        except BaseException:
            self.calls.end(stream.call_id)
            raise
        return name

    def end_stream(self, stream: ReplyStream, name: str, *, over: bool) -> None:
        """Take nothing more of a stream, and tell the service unless it is over."""
        self.calls.end(stream.call_id)
        if not over:
            self._cancel(name, stream.call_id)

    def credit(self, stream: ReplyStream) -> None:
        """Tell the service how far the reader is."""
        items = stream.items
        if items.source:
            call(self._mailboxes.post, items.source, Mail(MailKind.CREDIT, stream.call_id, items.taken, self.address))

    def ping(self, service: ServiceInfo, timeout: float) -> Message:
        """What a service has done so far, as JSON. Raises OMSRuntimeException 1503 when it is gone, 1410."""
        slot: Slot[Mail | BaseException] = Slot(self._slots)
        call_id = self.calls.begin(slot)
        try:
            if not call(self._mailboxes.post, service.mailbox, Mail(MailKind.PING, call_id, 0, self.address)):
                raise no_responders(service.queue)
            came = slot.wait(timeout)
        finally:
            self.calls.end(call_id)
        if isinstance(came, Mail):
            return opened_answer(came, self.address)
        raise too_late(service.queue, timeout) if came is None else came

    def services(self, queue: str | None) -> list[ServiceInfo]:
        """The services at work, of one queue (full name) or all."""
        found = self._mailboxes.services(queue)
        return found if type(found) is list else list(settled(found))

    def _submit(
        self, message: Message, name: str, call_id: str, waiting: Call, timeout: float, idempotent: bool, window: int
    ) -> None:
        """Give a request that is handled at most once to a service that is free; else send it to the queue."""
        record = checked_request(message, self._max_body)
        if idempotent and is_at_most_once(record):
            step = "Send it without `idempotent`, or without qos 1"
            raise error(1418, "qos 1 is handled at most once", next_step=step, field="qos")
        partition = priority = None
        if record.message_key is not None or record.headers or message.record.headers:
            counted = self._driver.partition_count(name)
            partition, _, priority = route_of(message, counted if type(counted) is int else settled(counted))
        now_ms = wall.time_ns() // 1_000_000
        deadline_ms = now_ms + int(timeout * 1000)
        if not idempotent and priority is None:
            sender = self._packer.born_host, self._producer_id, next(self._numbers)
            if self._mailboxes.hand_over(
                Handed(name, partition, record, call_id, self.address, deadline_ms, window, now_ms, *sender)
            ):
                return
        stored = stored_request(record, call_id, self.address, deadline_ms, idempotent=idempotent, window=window)
        outgoing, _ = self._packer.pack(name, partition, (stored,), attributes_of((stored,)), self._expiry, priority)
        asking = self._mailboxes.ask(outgoing, partial(_stored, waiting))
        if asking is not None:
            settled(asking)

    def _cancel(self, name: str, call_id: str) -> None:
        """Tell those who may have a request that nobody waits for it any more."""
        mail = Mail(MailKind.CANCEL, call_id, 0, self.address)
        for service in self.services(name):
            call(self._mailboxes.post, service.mailbox, mail)


def _stored(waiting: Call, _: Placement | None, failure: BaseException | None) -> None:
    if failure is not None:
        waiting.fail(failure)


class ReplyStream:
    """Replies as they come: iterate over it inside `with`, which ends it. Made by `Producer.request_stream`.

    At most `window` items lie here unread; the service waits then. Leaving early cancels the request.
    """

    def __init__(
        self, requester: Callable[..., Any], message: Message, timeout: float, window: int, idempotent: bool
    ) -> None:
        self.message = message
        """The request."""
        self.timeout = timeout
        """Seconds that each item is waited for."""
        self.idempotent = idempotent
        """Whether it may be handled again."""
        self.call_id = ""
        """Correlation id, once begun."""
        self._changed = Event()
        self.items = ItemsInOrder(window, self._changed.set)
        """What came and is not read."""
        self._get_requester = requester
        self._requester: Requester = None  # type: ignore[assignment] # there once begun
        self._queue: str | None = None
        self._over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        if self._over:
            raise StopIteration
        try:
            mail = self._next()
        except BaseException:
            self.close()
            raise
        if mail.kind in (MailKind.ITEM, MailKind.ANSWER):
            if self.items.due_credit():
                self._requester.credit(self)
            return opened_answer(mail, self._requester.address)
        self._over = True
        self._end(over=True)
        if mail.kind == MailKind.ERROR:
            raise opened_error(mail.record)
        raise StopIteration

    def _next(self) -> Mail:
        if self._queue is None:
            self._requester = self._get_requester()
            self._queue = self._requester.begin_stream(self)
        deadline = monotonic() + self.timeout
        while True:
            mail = self.items.pop()
            if mail is not None:
                return mail
            self._changed.clear()
            mail = self.items.pop()  # it may have come before the flag was cleared
            if mail is not None:
                return mail
            if not self._changed.wait_within(max(deadline - monotonic(), 0.0)):
                raise too_late(self._queue, self.timeout)

    def close(self) -> None:
        """End it: what is left is not sent any more. Again is no error."""
        if not self._over:
            self._over = True
            self._end(over=False)

    def _end(self, *, over: bool) -> None:
        if self._queue is not None:
            self._requester.end_stream(self, self._queue, over=over)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
