"""Produce: one message as fields and body, or CloudEvents in one of their modes."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from openmessaging.model.batch import EXPIRES, PRODUCER_BITS, attributes_of, encode, encode_shared
from openmessaging.model.cloud_event import from_cloudevent
from openmessaging.model.cloud_event_http import (
    Mode,
    mode_of,
    read_batched_mode,
    read_binary_mode,
    read_structured_mode,
)
from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.model.errors import bad_format, error
from openmessaging.model.headers import PROVIDER_FIELDS
from openmessaging.model.http_headers import from_headers, is_message_field
from openmessaging.model.message import Message
from openmessaging.model.spi import OutgoingBatch
from openmessaging.runtime.aio.primitives import call, call_within
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.outgoing import checked_record, checked_records, route_of
from openmessaging.runtime.result import SentOrigin
from openmessaging.runtime.timing import is_timed, timing_of
from openmessaging.server.http.binding.fields import DESTINATION, text
from openmessaging.server.http.request import JSON, Request, Response
from openmessaging.server.served import Driver

TIMEOUT = 30.0
"""Seconds until a send that is not answered is given up."""
MAX_EVENTS = 10_000
_BORN = ("bornTimestamp", "bornHost")
_IGNORED = PROVIDER_FIELDS - set(_BORN)
_TOLD = ("messageId", "storeTimestamp", "partition", "offset")
_MAX_BORN_MS = (1 << 48) - 1
"""What a message id has room for."""
_PRODUCER = secrets.randbits(PRODUCER_BITS)
_sequence = itertools.count()


async def produce(request: Request) -> Response:
    """Store what a request brings; the answer says as what and where."""
    mode = mode_of(request.headers.get("content-type", ""), "ce-specversion" in request.headers)
    if mode is None:
        body = await request.read_body(request.driver.max_body_bytes)
        message = from_headers(request.headers.items(), body, _IGNORED)
        await store(request, [message])
        return Response(200, told(message))
    messages = await read_events(request, mode, text(request.headers, DESTINATION))
    await store(request, messages)
    if mode is Mode.BATCHED:
        return Response(
            200, [("content-type", JSON)], msgspec.json.encode([dict(told(message)) for message in messages])
        )
    return Response(200, told(messages[0]))


async def read_events(request: Request, mode: Mode, destination: str | None) -> list[Message]:
    """The messages of the events in a request; `destination`: the queue it names, if it does.

    Raises OMSMessageFormatException 1400 naming what is wrong, 1413.
    """
    body = await request.read_body()
    beside = next((name for name in request.headers if is_message_field(name) and name != DESTINATION), None)
    if beside is not None:
        raise bad_format(beside, "it stands beside an event", next_step="Put it into the event, see cloudevents.md")
    if mode is Mode.BATCHED:
        events = read_batched_mode(body)
        if not 0 < len(events) <= MAX_EVENTS:
            raise error(1418, f"{len(events):,} events, the limits are 1 and {MAX_EVENTS:,}", field="body")
    elif mode is Mode.STRUCTURED:
        events = [read_structured_mode(body)]
    else:
        events = [read_binary_mode(request.headers.items(), body)]
    return [from_cloudevent(event, destination) for event in events]


async def store(request: Request, messages: Sequence[Message]) -> None:
    """Store messages, all or none, and give them the provider's values. Born fields that they bring are kept, others
    filled in.

    Raises what `Producer.send` raises.
    """
    driver = request.driver
    for message in messages:
        message.destination = full_name(message.destination, DEFAULT_NAMESPACE)
    if not any(message.get_header(name) is not None for message in messages for name in _BORN):
        packer = request.app.sharing.packer(request.client, driver)
        for message in messages:
            message.origin = None
        await send_whole(driver, packer, messages, checked_records(messages, driver.max_body_bytes), TIMEOUT)
        return
    batches = [await _packed(driver, message, request.client or "localhost") for message in messages]
    placements = await call_within(TIMEOUT, driver.send, batches)
    for message, placement in zip(messages, placements, strict=True):
        assert isinstance(message.origin, SentOrigin)
        message.origin.placement = placement


async def _packed(driver: Driver, message: Message, client: str) -> OutgoingBatch:
    """A message with its own born fields, as a batch."""
    born_ms = message.get_header("bornTimestamp") or time.time_ns() // 1_000_000
    if born_ms > _MAX_BORN_MS:
        raise bad_format("x-oms-h-borntimestamp", f"{born_ms} is more than {_MAX_BORN_MS}")
    host = message.get_header("bornHost") or client
    record = checked_record(message, driver.max_body_bytes)
    count: int = await call(driver.partition_count, message.destination)
    partition, _, priority = route_of(message, count)
    timing = timing_of([record], born_ms, driver.capabilities) if is_timed(record.headers) else None
    attributes = attributes_of([record])
    if timing is not None and timing.expires:
        attributes |= EXPIRES
    sequence = next(_sequence)
    batch = encode(
        [record],
        shared=_shared(host),
        born_ms=born_ms,
        producer_id=_PRODUCER,
        first_sequence=sequence,
        attributes=attributes,
    )
    message.origin = SentOrigin(message.destination, born_ms, host, _PRODUCER, sequence)
    return OutgoingBatch(message.destination, partition, batch, priority, timing)


@lru_cache(1000)
def _shared(host: str) -> bytes:
    return encode_shared({"bornHost": host})


def told(message: Message) -> list[tuple[str, str]]:
    """What the answer says of a message that was stored."""
    fields = {name: message.get_header(name) for name in _TOLD}
    return [
        ("x-oms-version", message.version),
        *((f"x-oms-h-{name.lower()}", str(value)) for name, value in fields.items() if value not in (None, -1)),
    ]
