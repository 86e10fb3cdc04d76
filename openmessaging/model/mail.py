"""Mail: what goes back from a service to its requester, and between them beside the queue.

A request is a message in a queue. Its answer has no value once its requester is gone, so it is not stored: it goes to a
mailbox, which lives as long as who opened it. A driver that has no mailboxes gets them emulated over queues, see
`openmessaging/runtime/aio/mailboxes.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Protocol

import msgspec

from openmessaging.model.message import Record
from openmessaging.model.spi import Done, OutgoingBatch

HANDED_OVER = -1
"""The lease id of a delivery that is settled already: there is nothing to acknowledge, and no giving back."""


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


class Mailboxes(Protocol):
    """What a driver with MAILBOX has besides `Driver`; that of threads has the same without `Awaitable`."""

    def submit_request(self, batch: OutgoingBatch, done: Done, once: bool) -> None:
        """As `submit`, for a request, whose sender waits for the answer: `done` has to be called for a failure only.
        `once`: it may be settled as it is handed out (`HANDED_OVER`)."""
        ...

    def open_mailbox(
        self, take: Callable[[Mail], object], serves: tuple[str, str] | None = None
    ) -> str | Awaitable[str]:
        """Open a mailbox and return its address; `take` is called with what comes, from any thread, and returns at
        once. `serves`: full queue name and group of the service it belongs to."""
        ...

    def close_mailbox(self, address: str) -> Awaitable[None] | None:
        """Take no more mail; nothing happens when it is closed."""
        ...

    def post(self, address: str, mail: Mail) -> bool | Awaitable[bool]:
        """Send mail; False when it is known that there is no such mailbox any more. Mail of one sender to one mailbox
        keeps its order."""
        ...

    def has_mailbox(self, address: str) -> bool | Awaitable[bool]:
        """Whether a mailbox is open."""
        ...

    def services(self, queue: str | None = None) -> list[ServiceInfo] | Awaitable[list[ServiceInfo]]:
        """The services at work, of one queue (full name) or all."""
        ...
