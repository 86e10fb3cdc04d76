"""Mail: what goes back from a service to its requester, and between them beside the queue.

A request is a message in a queue. Its answer has no value once its requester is gone, so it is not stored: it goes to a
mailbox, which lives as long as who opened it. A driver that has no mailboxes gets them emulated over queues, see
`openmessaging/runtime/aio/mailboxes.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from openmessaging.model.batch import make_id
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record

if TYPE_CHECKING:
    from openmessaging.model.spi import Done, OutgoingBatch

REPLY_TO = "rpc.reply-to"
WINDOW = "rpc.window"


class MailKind(IntEnum):
    """What a piece of mail is."""

    ANSWER = 0
    """The one answer to a request, or to a PING."""
    ERROR = 1
    """The request failed: text in the body, code in the property `rpc.code`; also ends a stream."""
    ITEM = 2
    """One of a stream of replies; `sequence` counts from 0."""
    END = 3
    """The stream is over; `sequence` is how many items it had."""
    CANCEL = 4
    """To a service: nobody waits for the answer any more."""
    CREDIT = 5
    """To a service: `sequence` items of the stream have been taken."""
    PING = 6
    """To a service: answer at once with what you have done so far."""


class Mail(msgspec.Struct, array_like=True, gc=False, eq=False):
    """One piece of mail."""

    kind: int
    """A `MailKind`."""
    correlation_id: str
    """Of the request."""
    sequence: int = 0
    source: str = ""
    """Mailbox of who sent it."""
    group: str = ""
    """Consumer group of the service that answers."""
    record: Record | None = None


class ServiceInfo(msgspec.Struct, frozen=True):
    """A service at work: one consumer of a group that answers requests."""

    queue: str
    """Full name."""
    group: str
    mailbox: str
    """Where it takes CANCEL, CREDIT and PING."""


class Handed(msgspec.Struct, gc=False, eq=False):
    """A request that goes from hand to hand, and the `Origin` of the message that it is."""

    destination: str
    """Full name of the queue."""
    partition: int | None
    """None: the driver picks one, and puts it in."""
    record: Record
    """As it was sent, without what the fields below say."""
    call_id: str
    reply_to: str
    """The requester's mailbox."""
    deadline_ms: int
    window: int
    """How many items of a stream may be under way; 0: one answer is asked for."""
    born_ms: int
    born_host: str
    producer_id: int
    sequence: int

    def header(self, name: str, _: int) -> Any:
        """The provider's value of a header field, None when it has none: it lies at no offset."""
        if name == "messageId":
            return make_id(self.born_ms, self.producer_id, self.sequence)
        if name == "bornTimestamp":
            return self.born_ms
        if name == "bornHost":
            return self.born_host
        if name == "partition":
            return self.partition
        return 1 if name == "deliveryCount" else None

    def headers(self) -> dict[str, Any]:
        """The header fields that a request has of its own."""
        own = {"correlationId": self.call_id, "expireTime": self.deadline_ms}
        return {**self.record.headers, **own} if self.record.headers else own

    def whole(self) -> Record:
        """With everything in its own headers and properties, as it is stored."""
        record = self.record
        properties: dict[str, Any] = {REPLY_TO: self.reply_to}
        if record.properties:
            properties = {**record.properties, **properties}
        if self.window:
            properties[WINDOW] = self.window
        headers = self.headers()
        headers["messageId"] = make_id(self.born_ms, self.producer_id, self.sequence)
        headers["bornTimestamp"] = self.born_ms
        headers["bornHost"] = self.born_host
        return Record(record.data, record.message_key, properties, headers)


class Mailboxes(Protocol):
    """What a driver with MAILBOX has besides `Driver`; that of threads has the same without `Awaitable`."""

    def ask(self, batch: OutgoingBatch, done: Done) -> Awaitable[None] | None:
        """Send a request as `submit` does, unless no service serves its queue: that is raised, or told to `done`, as
        OMSRuntimeException 1503 (`no_responders`)."""
        ...

    def hand_over(self, handed: Handed) -> bool:
        """Give a request at once to a service that is free and has opened its mailbox with `offer`; False where nothing
        was done: send it then. What was handed over is never handled again."""
        ...

    def open_mailbox(
        self,
        take: Callable[[Mail], object],
        serves: tuple[str, str] | None = None,
        offer: Callable[[], Callable[[Handed], object] | None] | None = None,
    ) -> str | Awaitable[str]:
        """Open a mailbox and return its address; `take` is called with what comes, from any thread, and returns at
        once. `serves`: full queue name and group of the service it belongs to; `offer` gives somebody who
        is free, if there is one: he is called with a request that is handed over."""
        ...

    def close_mailbox(self, address: str) -> Awaitable[None] | None:
        """Take no more mail, and offer nothing more; nothing happens when it is closed."""
        ...

    def post(self, address: str, mail: Mail) -> bool | Awaitable[bool]:
        """Send mail; False when it is known that there is no such mailbox any more. Mail of one sender to one mailbox
        keeps its order."""
        ...

    def has_mailbox(self, address: str, seen_ms: int = 0) -> bool | Awaitable[bool]:
        """Whether a mailbox is open. It was at `seen_ms`, by the system's clock: who would have to ask over a network
        may believe that for a moment."""
        ...

    def services(self, queue: str | None = None) -> list[ServiceInfo] | Awaitable[list[ServiceInfo]]:
        """The services at work, of one queue (full name) or all."""
        ...


def no_responders(queue: str) -> OMSRuntimeException:
    """The error (1503) for a request to a queue that no service serves."""
    step = "Start a service on this queue, or ask again later"
    return error(1503, f"no service answers requests to {queue}", next_step=step)
