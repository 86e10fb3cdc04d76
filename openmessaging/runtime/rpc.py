"""Request and reply: how a request, an answer and an error are written down. No I/O; both faces use it.

A request is an ordinary message. Its header has `correlationId` (made here, a sender's own is overwritten) and
`expireTime` (its deadline); its properties have `rpc.reply-to` (a mailbox), and where they matter `rpc.idempotent` and
`rpc.window` (a stream is asked for, so many items may be under way).
Source: specification 1.0.0, `correlationId` ("a reply to its request") and use case 8; the rest is this project's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmessaging.model.errors import CODES, OMSRuntimeException, error
from openmessaging.model.mail import REPLY_TO, WINDOW, Handed, Mail, MailKind
from openmessaging.model.message import Message, Record, body_too_large
from openmessaging.runtime import wall
from openmessaging.runtime.outgoing import checked_record
from openmessaging.runtime.serving import Arrived
from openmessaging.runtime.timing import is_delayed

IDEMPOTENT = "rpc.idempotent"
CODE = "rpc.code"
MAX_ERROR_BYTES = 8 << 10
"""Longest text of an error that travels, in bytes."""


class OMSRemoteException(OMSRuntimeException):
    """What a service answered instead of a result: its `code` and `reason`."""


class Request(Message, kw_only=True, eq=False, gc=False):
    """A request in a handler's hands: a message that somebody waits for."""

    call_id: str
    """Correlation id."""
    reply_to: str | None
    """The requester's mailbox; None for a plain message, whose result nobody gets."""
    deadline_ms: int
    """When the requester stops waiting, ms since the epoch; 0: never."""
    idempotent: bool
    """Whether it may be handled more than once."""
    window: int
    """How many items of a stream may be under way; 0: one answer is asked for."""
    _cancelled: Callable[[], bool]

    @property
    def time_left(self) -> float:
        """Seconds until the requester stops waiting, not below 0; infinite without a deadline."""
        if not self.deadline_ms:
            return float("inf")
        return max(self.deadline_ms / 1000 - wall.time_ns() / 1e9, 0.0)

    def is_cancelled(self) -> bool:
        """Whether the requester waits no more. A coroutine is cancelled as well; a plain function has to ask."""
        return self._cancelled()


class Replies:
    """What came for a request to several services."""

    __slots__ = ("complete", "errors", "messages")

    def __init__(self, messages: list[Message], errors: list[OMSRemoteException], complete: bool) -> None:
        self.messages = messages
        """Answers, in the order of coming."""
        self.errors = errors
        """What services answered instead."""
        self.complete = complete
        """Whether all came that were asked for; else the time was over."""

    def __repr__(self) -> str:
        how = "complete" if self.complete else "not complete"
        return f"Replies({len(self.messages)} messages, {len(self.errors)} errors, {how})"


def checked_request(message: Message, max_body: int) -> Record:
    """What is sent of a message that is a request. Raises as `checked_record`, and 1418 for a delay."""
    record = message.record
    headers, properties = record.headers, record.properties
    if headers or properties or len(record.data) > max_body:
        if is_delayed(headers):
            raise error(1418, "a request cannot be delayed: somebody waits for it", field="delayTime")
        headers = checked_record(message, max_body).headers
    return Record(record.data, record.message_key, dict(properties) if properties else None, headers)


def stored_request(
    record: Record, call_id: str, reply_to: str, deadline_ms: int, *, idempotent: bool, window: int
) -> Record:
    """The record to be stored for what `checked_request` gave; the properties `rpc.…` are overwritten."""
    properties: dict[str, Any] = {**(record.properties or {}), REPLY_TO: reply_to}
    if idempotent:
        properties[IDEMPOTENT] = True
    if window:
        properties[WINDOW] = window
    headers = {**(record.headers or {}), "correlationId": call_id, "expireTime": deadline_ms}
    return Record(record.data, record.message_key, properties, headers)


def answer_record(result: object, max_body: int) -> Record:
    """What a handler returned, as the record of an answer: bytes, a message, or nothing.

    Raises OMSMessageFormatException 1400 for anything else, 1413 for a body over the limit.
    """
    if type(result) is bytes:
        record = Record(result)
    elif result is None:
        record = Record(b"")
    elif isinstance(result, Message):
        checked = checked_record(result, max_body)
        record = Record(checked.data, checked.message_key, dict(checked.properties or {}), checked.headers)
    else:
        what = f"the service's handler returned {type(result).__name__}"
        raise error(1500, what, next_step="Return bytes, a message, or None")
    if len(record.data) > max_body:
        raise body_too_large(len(record.data), max_body)
    return record


def error_record(failure: BaseException) -> Record:
    """What a handler raised, as the record of an error: its code and text, 1500 for what is not of this library."""
    if isinstance(failure, OMSRuntimeException):
        code, text = failure.code, failure.reason
    else:
        code, text = 1500, f"{type(failure).__name__}: {failure}"
    return Record(text.encode(errors="replace")[:MAX_ERROR_BYTES], None, {CODE: code})


def opened_error(record: Record | None) -> OMSRemoteException:
    """The exception that an error mail stands for."""
    properties = (record.properties if record is not None else None) or {}
    code = properties.get(CODE)
    text = record.data.decode(errors="replace") if record is not None else ""
    return OMSRemoteException(code if type(code) is int and code in CODES else 1500, text)


def opened_answer(mail: Mail, address: str) -> Message:
    """The message of an answer, which lies in the mailbox `address`. Raises OMSRemoteException for an error."""
    record = mail.record
    if mail.kind == MailKind.ERROR or record is None:
        raise opened_error(record)
    headers = record.headers
    record.headers = (
        {**headers, "correlationId": mail.correlation_id} if headers else {"correlationId": mail.correlation_id}
    )
    return Message(record, address)


def opened_request(arrived: Arrived, cancelled: Callable[[], bool]) -> Request:
    """The request of what arrived; the properties `rpc.…` are taken out of it."""
    record = arrived.record
    properties, headers = record.properties, record.headers or {}
    reply_to, idempotent, window = None, False, 0
    if properties:
        reply_to = properties.pop(REPLY_TO, None)
        idempotent = properties.pop(IDEMPOTENT, False) is True
        window = properties.pop(WINDOW, 0)
    return Request(
        record,
        arrived.delivery.destination,
        arrived.origin,
        arrived.place,
        call_id=headers.get("correlationId", ""),
        reply_to=reply_to,
        deadline_ms=headers.get("expireTime", 0),
        idempotent=idempotent,
        window=window,
        _cancelled=cancelled,
    )


def handed_request(handed: Handed, cancelled: Callable[[], bool]) -> Request:
    """The request of what was handed over; what a handler does to it stays its own."""
    sent = handed.record
    properties = dict(sent.properties) if sent.properties else None
    return Request(
        Record(sent.data, sent.message_key, properties, handed.headers()),
        handed.destination,
        handed,
        call_id=handed.call_id,
        reply_to=handed.reply_to,
        deadline_ms=handed.deadline_ms,
        idempotent=False,
        window=handed.window,
        _cancelled=cancelled,
    )


def too_late(queue: str, timeout: float) -> OMSRuntimeException:
    """The error (1410) for a request that was not answered in time."""
    step = "The service is slow or stopped meanwhile; the request may have been handled all the same"
    return error(1410, f"no answer from {queue} within {timeout} s", next_step=step)
