"""Consume: pull, one request and at most one message; push, one request and several; and what settles them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Sequence

from openmessaging.model.batch import is_at_most_once
from openmessaging.model.cloud_event_http import Mode
from openmessaging.model.errors import OMSRuntimeException, bad_format
from openmessaging.model.headers import shown
from openmessaging.model.settings import GroupConfig
from openmessaging.model.spi import Delivery, Subscription
from openmessaging.runtime.aio.received import ReceivedMessage, received
from openmessaging.runtime.aio.settling import settle_first
from openmessaging.runtime.lease import leased
from openmessaging.runtime.receipt import MessageReceipt
from openmessaging.server.http.app import Application
from openmessaging.server.http.binding import fields
from openmessaging.server.http.binding.form import form_of, media_types, part_of
from openmessaging.server.http.binding.parts import (
    MULTIPART,
    MULTIPART_END,
    event_part,
    multipart_begin,
    multipart_part,
)
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.streams import EVENT_STREAM, KEEP_ALIVE, QUIET, event

MAX_BYTES = 256 << 10
"""Of messages that are fetched for a push at once."""
MAX_MESSAGES = 64
MAX_WAIT = 60.0
"""Longest wait for a message, seconds."""
NEVER_CACHED = ("cache-control", "no-store")


async def consume(request: Request) -> Response:
    """Answer with a message, or with several one after the other where the client accepts such an answer."""
    headers = request.headers
    acknowledged = fields.flag(headers, fields.ACK)
    wait = fields.seconds(headers, fields.WAIT)
    subscription = await held(request)
    kind = next((kind for kind in media_types(headers) if kind in (EVENT_STREAM, MULTIPART)), None)
    if kind is not None:
        return await _push(request, subscription, kind, acknowledged, wait)
    deliveries = await arrivals(request.app, subscription, 1, min(wait or 0.0, MAX_WAIT))
    if not deliveries:
        return Response(204, [NEVER_CACHED])
    messages = await taken(subscription, deliveries, acknowledged)
    if not messages:
        return Response(204, [NEVER_CACHED])
    part, body = part_of(messages[0], form_of(headers), receipt_of(messages[0], acknowledged))
    back = (lambda: give_back(subscription, deliveries)) if acknowledged else None
    return Response(200, [NEVER_CACHED, *part], body, back)


async def settle(request: Request) -> Response:
    """Acknowledge or refuse what a receipt stands for, or keep it longer; answered when that is durable."""
    headers = request.headers
    group = fields.group(headers)
    receipt = MessageReceipt.parse(fields.text(headers, fields.RECEIPT) or "")
    verb = (fields.text(headers, fields.SETTLE) or "ack").lower()
    delay = fields.seconds(headers, fields.DELAY)
    reason = fields.text(headers, fields.REASON) or ""
    subscription = await request.app.sharing.subscription(request.driver, receipt.queue, group, None)
    lease, offsets = receipt.lease_id, (receipt.offset,)
    match verb:
        case "ack":
            subscription.ack(lease, offsets)
        case "nack":
            subscription.nack(lease, offsets, delay, reason)
        case "reject":
            subscription.reject(lease, offsets, reason)
        case "extend":
            if delay is None:
                raise bad_format(fields.DELAY, "it is required", next_step="Say how long the message shall stay hidden")
            subscription.extend(lease, delay)
        case _:
            raise bad_format(fields.SETTLE, f"ack, nack, reject or extend wanted, not {shown(verb)}")
    await subscription.flush()
    return Response(200, [NEVER_CACHED])


async def held(request: Request) -> Subscription:
    """The hold on the group that a request names, which is made when it is missing."""
    queue, group = fields.source(request.headers), fields.group(request.headers)
    return await request.app.sharing.subscription(request.driver, queue, group, GroupConfig())


async def arrivals(app: Application, subscription: Subscription, most: int, wait: float) -> list[Delivery]:
    """What a group brings, as soon as there is something; nothing after `wait` seconds, or when the server stops."""
    fetch = subscription.fetch(most, MAX_BYTES, wait)
    return await (app.long_poll(fetch) if wait > 0 else fetch)


async def taken(
    subscription: Subscription, deliveries: Sequence[Delivery], acknowledged: bool
) -> list[ReceivedMessage]:
    """The messages of deliveries. Those that nobody will acknowledge, and those of qos 1, are settled here, before
    anybody sees them, for at most once means that a crash may lose them but never repeat them."""
    messages = [
        message for lease, delivery in leased(subscription, deliveries) for message in received(lease, delivery)
    ]
    if acknowledged:
        return await settle_first(messages)
    for lease_id in {delivery.lease_id for delivery in deliveries}:
        subscription.ack(lease_id, None)
    await subscription.flush()
    return messages


def receipt_of(message: ReceivedMessage, acknowledged: bool) -> str | None:
    """The receipt that a client gets; none for what is settled already."""
    return str(message.receipt) if acknowledged and not is_at_most_once(message.record) else None


def give_back(subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
    """Give back, uncounted, what could not be handed over."""
    for lease in {delivery.lease_id for delivery in deliveries}:
        with contextlib.suppress(OMSRuntimeException):
            subscription.release(lease, None)


async def _push(
    request: Request, subscription: Subscription, kind: str, acknowledged: bool, wait: float | None
) -> Response:
    first: list[Delivery] = []
    if wait is not None:
        first = await arrivals(request.app, subscription, MAX_MESSAGES, min(wait, MAX_WAIT))
        if not first:
            return Response(204, [NEVER_CACHED])
    boundary = secrets.token_hex(16)
    framing = _Framing(kind, boundary, form_of(request.headers))
    pieces = _stream(request, subscription, framing, first, acknowledged, wait)
    content = EVENT_STREAM if kind == EVENT_STREAM else f"{MULTIPART}; boundary={boundary}"
    back = (lambda: give_back(subscription, first)) if acknowledged else None
    return Response(200, [NEVER_CACHED, ("content-type", content), ("x-accel-buffering", "no")], pieces, back)


class _Framing:
    """How messages are written one after the other."""

    def __init__(self, kind: str, boundary: str, mode: Mode | None) -> None:
        self.events = kind == EVENT_STREAM
        self.begin = b":\n\n" if self.events else multipart_begin(boundary)
        self.quiet = KEEP_ALIVE if self.events else b""
        self.end = b"" if self.events else MULTIPART_END
        self._boundary = boundary
        self._mode = mode

    def written(self, message: ReceivedMessage, acknowledged: bool) -> bytes:
        """One message."""
        receipt = receipt_of(message, acknowledged)
        if not self.events:
            return multipart_part(self._boundary, part_of(message, self._mode, receipt))
        if self._mode is None:
            return event_part(part_of(message, None, receipt))
        return event(part_of(message, Mode.STRUCTURED, receipt)[1].decode())


async def _stream(
    request: Request,
    subscription: Subscription,
    framing: _Framing,
    deliveries: list[Delivery],
    acknowledged: bool,
    wait: float | None,
) -> AsyncGenerator[bytes, None]:
    """Messages as they come: the next are fetched when the connection has taken what there is."""
    try:
        yield framing.begin
        while not request.app.stopping:
            if deliveries:
                messages = await taken(subscription, deliveries, acknowledged)
                yield b"".join(framing.written(message, acknowledged) for message in messages)
            deliveries = await arrivals(request.app, subscription, MAX_MESSAGES, QUIET if wait is None else wait)
            if not deliveries and wait is not None:
                break
            if not deliveries:
                yield framing.quiet
        yield framing.end
    except (asyncio.CancelledError, GeneratorExit):
        if acknowledged:
            give_back(subscription, deliveries)
        raise
