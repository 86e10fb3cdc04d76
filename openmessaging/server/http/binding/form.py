"""How messages are written in answers and callbacks: as fields and body, or as CloudEvents in the mode asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openmessaging.model import cloud_event
from openmessaging.model.cloud_event import CloudEvent, to_cloudevent
from openmessaging.model.cloud_event_http import (
    BATCHED_TYPE,
    STRUCTURED_TYPE,
    Mode,
    accepted_mode,
    write_batched_mode,
    write_binary_mode,
    write_structured_mode,
)
from openmessaging.model.http_headers import to_headers
from openmessaging.model.message import Message
from openmessaging.model.spi import Delivery, Subscription
from openmessaging.runtime.aio.received import received
from openmessaging.runtime.lease import leased
from openmessaging.server.http.binding.fields import RECEIPT
from openmessaging.server.http.binding.parts import Part
from openmessaging.server.http.request import Response

OCTETS = "application/octet-stream"


def media_types(headers: Mapping[str, str]) -> list[str]:
    """The media types that a request accepts, the most wanted first, in lower case and without parameters."""
    wanted: list[tuple[float, str]] = []
    for each in headers.get("accept", "").lower().split(","):
        kind, *parameters = (part.strip() for part in each.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if kind and weight > 0:
            wanted.append((-weight, kind))
    return [kind for _, kind in sorted(wanted, key=lambda each: each[0])]


def form_of(headers: Mapping[str, str]) -> Mode | None:
    """The mode in which a request wants messages; None: as fields and body."""
    if "cloudevents" not in headers.get("accept", "").lower() and "ce-specversion" not in headers:
        return None
    return accepted_mode(media_types(headers), "ce-specversion" in headers)


def part_of(message: Message, mode: Mode | None, receipt: str | None = None) -> Part:
    """A message as fields and body."""
    receipts = [] if receipt is None else [(RECEIPT, receipt)]
    if mode is None:
        return [*to_headers(message), *receipts, ("content-type", OCTETS)], message.data
    event = event_of(message, receipt)
    version = ("x-oms-version", message.version)
    if mode is Mode.BINARY:
        return [version, *write_binary_mode(event)], event.data
    if mode is Mode.STRUCTURED:
        return [version, ("content-type", STRUCTURED_TYPE), *receipts], write_structured_mode(event)
    return [version, ("content-type", BATCHED_TYPE)], write_batched_mode([event])


def event_of(message: Message, receipt: str | None) -> CloudEvent:
    """A message as an event with its receipt."""
    event = to_cloudevent(message)
    if receipt is None:
        return event
    return CloudEvent({**event.attributes, cloud_event.RECEIPT: receipt}, event.data)


def events_of(subscription: Subscription, deliveries: Sequence[Delivery], mode: Mode) -> Response:
    """Messages that were received, as events with their receipts; but for batches, at most one."""
    messages = [
        message for lease, delivery in leased(subscription, deliveries) for message in received(lease, delivery)
    ]
    if mode is Mode.BATCHED:
        events = [event_of(message, str(message.receipt)) for message in messages]
        return Response(200, [("content-type", BATCHED_TYPE)], write_batched_mode(events))
    if not messages:
        return Response(204)
    fields, body = part_of(messages[0], mode, str(messages[0].receipt))
    return Response(200, list(fields), body)
