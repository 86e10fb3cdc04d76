"""Sending: one message, many, raw bodies, and batches as they are stored."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openmessaging.model.batch import make_id
from openmessaging.model.cloud_event_http import BATCHED_TYPE, STRUCTURED_TYPE, Mode, mode_of
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import OMSMessageFormatException, bad_format, error
from openmessaging.model.message import Message, Record, body_too_large
from openmessaging.model.spi import OutgoingBatch, Placement
from openmessaging.runtime.aio.once import send_once
from openmessaging.runtime.aio.whole import send_whole
from openmessaging.runtime.outgoing import checked_records
from openmessaging.runtime.result import SendResult, SendResults, SentOrigin
from openmessaging.server.batches import checked
from openmessaging.server.http.binding.produce import read_events
from openmessaging.server.http.messages import MAX_MESSAGES, NewMessage, to_message, to_messages
from openmessaging.server.http.names import Namespace, queue_of
from openmessaging.server.http.request import JSON, MSGPACK, Request
from openmessaging.server.http.table import Route, tagged

BATCH = "application/vnd.openmessaging.batch"
"""A batch as it is stored; see spec/batch.md."""
RECORDS = "application/vnd.openmessaging.records+msgpack"
"""Messages as the records of a batch, in MessagePack: [[data, messageKey, properties, headers], …]."""
MAX_SEND_BYTES = 8 << 20
_PLACE = re.compile(r"`\$\.(?:messages\[(?:\d+|\.\.\.)\]\.)?([\w.]+)")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
"""How a reader of JSON says where something is wrong."""
TIMEOUT = 30.0
"""Seconds that a send may take."""


class SendQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where a message goes."""

    namespace: Namespace = DEFAULT_NAMESPACE
    key: Annotated[str | None, Meta(description="Message key of a raw body, or of the batch.")] = None
    partition: Annotated[int, Meta(ge=0)] | None = None


class NewMessages(msgspec.Struct, forbid_unknown_fields=True):
    """Messages that are stored whole or not at all."""

    messages: Annotated[list[NewMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class Sent(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Where a message was stored."""

    message_id: str
    queue: str
    """Full name."""
    partition: int
    offset: int
    store_timestamp: int
    """ms since the epoch."""
    durability: str
    """How safe it is: `memory`, `fsync` or `quorum`."""
    duplicate: bool = False
    """Whether it was stored before, and not again."""


class SentMany(msgspec.Struct):
    """Where messages were stored, in their order."""

    results: list[Sent]


class StoredRun(msgspec.Struct, rename="camel"):
    """Where a batch was stored: its messages lie one after the other."""

    queue: str
    partition: int
    base_offset: int
    count: int
    store_timestamp: int
    durability: str


async def send(request: Request) -> Sent | SentMany | StoredRun:
    """POST /v1/queues/{queue}/messages"""
    kind = request.content_type
    if kind == BATCH:
        return await _send_batch(request)
    if kind == RECORDS:
        return await _send_records(request)
    if kind.startswith("application/cloudevents") or "ce-specversion" in request.headers:
        return await _send_events(request)
    if kind in (JSON, MSGPACK):
        return await _send_documents(request, kind)
    return await _send_raw(request)


async def _send_raw(request: Request) -> Sent:
    driver = request.driver
    data = await request.read_body(driver.max_body_bytes)
    packer = request.app.sharing.packer(request.client, driver)
    query: SendQuery = request.query
    name = queue_of(request)
    if query.key is None and query.partition is None and "idempotency-key" not in request.headers:
        outgoing, origin = packer.pack(name, None, (Record(data),), False)
        origin.placement = placement = (await driver.send((outgoing,)))[0]
        message_id = make_id(origin.born_ms, origin.producer_id, origin.first_sequence)
        return Sent(
            message_id, name, placement.partition, placement.base_offset, placement.store_ms, placement.durability
        )
    message = Message(Record(data), name)
    message.message_key = query.key
    message.set_header("partition", query.partition)
    return await _send_one(request, message)


async def _send_one(request: Request, message: Message) -> Sent:
    driver = request.driver
    packer = request.app.sharing.packer(request.client, driver)
    key = request.headers.get("idempotency-key")
    if key is not None:
        return sent_view(await send_once(driver, packer, message, key, None, TIMEOUT))
    results = await send_whole(driver, packer, [message], checked_records([message], driver.max_body_bytes), TIMEOUT)
    return sent_view(results[0])


async def _send_documents(request: Request, kind: str) -> Sent | SentMany:
    data = await request.read_body(MAX_SEND_BYTES)
    name = queue_of(request)
    document = read_documents(data, kind)
    if isinstance(document, NewMessage):
        return await _send_one(request, to_message(document, name))
    return await _send_many(request, to_messages(document.messages, name))


async def _send_many(request: Request, messages: list[Message]) -> SentMany:
    if "idempotency-key" in request.headers:
        step = "Send the messages one by one, each with a key of its own"
        raise error(1418, "an idempotency key is for one message", next_step=step, field="idempotency-key")
    driver = request.driver
    packer = request.app.sharing.packer(request.client, driver)
    records = checked_records(messages, driver.max_body_bytes)
    results = await send_whole(driver, packer, messages, records, TIMEOUT)
    return SentMany(sent_views(results))


async def _send_events(request: Request) -> Sent | SentMany:
    """CloudEvents, in one of their modes."""
    mode = mode_of(request.headers.get("content-type", ""), "ce-specversion" in request.headers)
    assert mode is not None
    messages = await read_events(request, mode, queue_of(request))
    if mode is not Mode.BATCHED:
        return await _send_one(request, messages[0])
    return await _send_many(request, messages)


async def _send_records(request: Request) -> StoredRun:
    """Plain messages of one partition, at the least cost: nothing of them is looked at but their sizes."""
    driver = request.driver
    data = await request.read_body(MAX_SEND_BYTES)
    try:
        records = _RECORDS.decode(data)
    except (msgspec.DecodeError, UnicodeError) as cause:
        raise error(1400, f"these are no records: {cause}", field="body") from cause
    if not 0 < len(records) <= MAX_MESSAGES:
        raise error(1418, f"{len(records):,} messages, the limits are 1 and {MAX_MESSAGES:,}", field="body")
    if any(record.message_key is not None or record.properties or record.headers for record in records):
        raise error(1418, "records with keys, properties or headers", next_step="Send them as JSON or MessagePack")
    largest = max(len(record.data) for record in records)
    if largest > driver.max_body_bytes:
        raise body_too_large(largest, driver.max_body_bytes)
    name = queue_of(request)
    packer = request.app.sharing.packer(request.client, driver)
    outgoing, _ = packer.pack(name, request.query.partition, records)
    return _run(name, (await driver.send((outgoing,)))[0], len(records))


async def _send_batch(request: Request) -> StoredRun:
    """A batch as it is stored: checked once, stored as it is."""
    driver = request.driver
    batch = checked(await request.read_body(MAX_SEND_BYTES), driver.max_body_bytes)
    name = queue_of(request)
    placement = (await driver.send((OutgoingBatch(name, request.query.partition, batch),)))[0]
    return _run(name, placement, batch.count)


def read_documents(data: bytes, kind: str) -> NewMessage | NewMessages:
    """One message or many. Raises OMSMessageFormatException 1400."""
    single, many = (_JSON_ONE, _JSON_MANY) if kind == JSON else (_PACK_ONE, _PACK_MANY)
    head = data[:64]
    order: Any = (many, single) if b"messages" in head else (single, many)
    try:
        return order[0].decode(data)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as cause:
        raise bad_message(cause) from cause


def bad_message(cause: Exception) -> OMSMessageFormatException:
    """The error for a message that cannot be read, naming the field where the cause names one."""
    place = _PLACE.search(str(cause)) or _UNKNOWN.search(str(cause))
    field = place[1] if place else "body"
    return bad_format(field, str(cause), next_step="See /v1/openapi.json")


def sent_view(result: SendResult) -> Sent:
    """Where a message was stored, as it is told."""
    origin = result.origin
    placement = origin.placement
    return Sent(
        result.message_id,
        origin.destination,
        placement.partition,
        placement.base_offset + result.position,
        placement.store_ms,
        placement.durability,
        placement.original is not None,
    )


def sent_views(results: SendResults) -> list[Sent]:
    """Where messages were stored, in their order."""
    views: list[Sent] = []
    of: SentOrigin | None = None
    for origin, position in results.places():
        if origin is not of:
            of, placement = origin, origin.placement
            queue, partition, base, stored = (
                origin.destination,
                placement.partition,
                placement.base_offset,
                placement.store_ms,
            )
            durability, born_ms, producer, sequence = (
                placement.durability,
                origin.born_ms,
                origin.producer_id,
                origin.first_sequence,
            )
        message_id = make_id(born_ms, producer, sequence + position)
        views.append(Sent(message_id, queue, partition, base + position, stored, durability))
    return views


def _run(name: str, placement: Placement, count: int) -> StoredRun:
    return StoredRun(name, placement.partition, placement.base_offset, count, placement.store_ms, placement.durability)


_RECORDS = msgspec.msgpack.Decoder(list[Record])
_JSON_ONE, _JSON_MANY = msgspec.json.Decoder(NewMessage), msgspec.json.Decoder(NewMessages)
_PACK_ONE, _PACK_MANY = msgspec.msgpack.Decoder(NewMessage), msgspec.msgpack.Decoder(NewMessages)

ROUTES: list[Route] = tagged(
    "messages",
    [
        Route(
            method="POST",
            path="/v1/queues/{queue}/messages",
            handler=send,
            summary="Send one message, or several whole or not at all",
            description="Any content type but those listed is taken as the body of one message.",
            query=SendQuery,
            media={
                JSON: (NewMessage, NewMessages),
                MSGPACK: (NewMessage, NewMessages),
                RECORDS: bytes,
                BATCH: bytes,
                STRUCTURED_TYPE: dict[str, Any],
                BATCHED_TYPE: list[dict[str, Any]],
                "*/*": bytes,
            },
            answer=(Sent, SentMany, StoredRun),
            errors=(1404, 1405, 1402, 1411, 1412, 1413),
            request_headers={
                "idempotency-key": "A message with this key is stored once within the queue's deduplication window."
            },
        )
    ],
)
