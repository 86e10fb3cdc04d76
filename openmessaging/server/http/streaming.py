"""Messages as they come for a consumer group, under leases: over a WebSocket, which settles them too, and as
server-sent events, settled by the requests for that."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.settings import GroupConfig
from openmessaging.model.spi import Delivery, Subscription
from openmessaging.runtime.aio.settling import settle_deliveries
from openmessaging.runtime.receipt import MessageReceipt
from openmessaging.server.http.consuming import (
    Receipted,
    Receipts,
    Seconds,
    Settled,
    Step,
    give_back,
    views_of,
)
from openmessaging.server.http.groups import GROUP, group_of
from openmessaging.server.http.messages import BodyForm, MessageView
from openmessaging.server.http.names import Namespace, queue_of
from openmessaging.server.http.problem import Problem, problem_of
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.streams import EVENT_STREAM, KEEP_ALIVE, QUIET, converse, event, event_stream
from openmessaging.server.http.table import Route, SocketRoute, converted

if TYPE_CHECKING:
    from openmessaging.server.http.websocket import WebSocket


READ = 64
"""Messages that are fetched at once."""
MAX_BYTES = 256 << 10
MAX_IN_FLIGHT = 1000
MAX_SAID_BYTES = 1 << 20
"""Longest message of a client."""


class AsGroup(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """How messages come."""

    namespace: Namespace = DEFAULT_NAMESPACE
    body: BodyForm = "auto"
    max_in_flight: Annotated[int, Meta(ge=1, le=MAX_IN_FLIGHT)] = 100
    """Of a WebSocket: unsettled messages beyond which no more come."""


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """What a client says over a WebSocket."""

    do: Literal["ack", "nack", "reject", "release", "extend"]
    receipts: Receipts
    delay: Seconds | None = None
    """Of `nack`: seconds until it comes again; without it, the group's back-off."""
    seconds: Annotated[float, Meta(gt=0)] = 30.0
    """Of `extend`: from now."""
    reason: Annotated[str, Meta(max_length=1000)] = ""


class Refused(msgspec.Struct):
    """What a server says of something that it could not do."""

    problem: Problem


async def group_events(request: Request) -> Response:
    """GET /v1/queues/{queue}/groups/{group}/events"""
    query: AsGroup = request.query
    subscription = await _hold(request)
    return event_stream(_group_events(request, subscription, query.body))


async def _group_events(request: Request, subscription: Subscription, body: BodyForm) -> AsyncGenerator[bytes, None]:
    deliveries: list[Delivery] = []
    try:
        yield KEEP_ALIVE
        while not request.app.stopping:
            deliveries = await request.app.long_poll(subscription.fetch(READ, MAX_BYTES, QUIET))
            views = await _views(subscription, deliveries, body)
            yield b"".join(event(msgspec.json.encode(view).decode()) for view in views) or KEEP_ALIVE
    except (asyncio.CancelledError, GeneratorExit):
        give_back(subscription, {delivery.lease_id for delivery in deliveries})
        raise


class Conversation:
    """A WebSocket of a consumer: messages go out, settlements come in."""

    def __init__(self, request: Request, socket: WebSocket, subscription: Subscription) -> None:
        self._request = request
        self._socket = socket
        self._query: AsGroup = request.query
        self._queue = queue_of(request)
        self._subscription = subscription
        self._held: dict[str, tuple[int, float]] = {}
        """Receipts that the client has not settled: lease, and when that ends, by the loop's time."""
        self._room = asyncio.Event()

    async def send(self) -> None:
        """Send messages while the client reads and settles them."""
        loop = asyncio.get_running_loop()
        while not self._request.app.stopping:
            await self._socket.ready()
            room = self._query.max_in_flight - len(self._held)
            if room <= 0:
                await self._until_room(loop)
                continue
            fetch = self._subscription.fetch(min(room, READ), MAX_BYTES, QUIET)
            deliveries = await self._request.app.long_poll(fetch)
            views = await _views(self._subscription, deliveries, self._query.body)
            ends = {delivery.lease_id: delivery.deadline_ms for delivery in deliveries}
            now, now_ms = loop.time(), time.time() * 1000
            for view in views:
                if view.receipt is None:
                    continue
                lease = MessageReceipt.parse(view.receipt).lease_id
                self._held[view.receipt] = lease, now + (ends[lease] - now_ms) / 1000
            if views:
                await self._socket.send(msgspec.json.encode({"messages": views}).decode())

    async def _until_room(self, loop: asyncio.AbstractEventLoop) -> None:
        self._room.clear()
        first = min(end for _, end in self._held.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(first - loop.time(), 0.0) + 0.01):
                await self._room.wait()
        now = loop.time()
        self._held = {receipt: held for receipt, held in self._held.items() if held[1] > now}

    def take(self, text: str | bytes) -> None:
        """Do what the client says, and say what became of it."""
        try:
            wanted = msgspec.json.decode(text, type=Settle)
            done: Settled | Refused = Receipted(wanted.receipts, self._queue).settle(self._subscription, _step(wanted))
        except (msgspec.DecodeError, UnicodeError) as cause:
            done = Refused(problem_of(error(1400, f"message: {cause}", field="message")))
        except OMSRuntimeException as failure:
            done = Refused(problem_of(failure))
        else:
            self._settled(wanted)
        self._socket.send_nowait(msgspec.json.encode(done).decode())

    def _settled(self, wanted: Settle) -> None:
        for receipt in wanted.receipts:
            held = self._held.get(receipt)
            if held is not None and wanted.do == "extend":
                self._held[receipt] = held[0], asyncio.get_running_loop().time() + wanted.seconds
            elif held is not None:
                del self._held[receipt]
                self._room.set()

    def close(self) -> None:
        """The client is gone: what it has not settled goes back at once, uncounted."""
        give_back(self._subscription, {lease for lease, _ in self._held.values()})


async def consume(request: Request, socket: WebSocket) -> None:
    """/v1/queues/{queue}/groups/{group}/events by WebSocket"""
    request.query = converted(request.query_fields(), AsGroup)
    conversation = Conversation(request, socket, await _hold(request))
    with contextlib.closing(conversation):
        await converse(socket, conversation.send(), conversation.take)


async def _views(subscription: Subscription, deliveries: Sequence[Delivery], body: BodyForm) -> list[MessageView]:
    """Messages with their receipts; those of qos 1 are settled first, and have none."""
    await settle_deliveries(subscription, deliveries)
    views = views_of(deliveries, body, binary=False)
    for view in views:
        if view.qos == 1:
            view.receipt = None
    return views


async def _hold(request: Request) -> Subscription:
    return await request.app.sharing.subscription(request.driver, queue_of(request), group_of(request), GroupConfig())


def _step(wanted: Settle) -> Step:
    match wanted.do:
        case "ack":
            return lambda sub, lease, offsets: sub.ack(lease, offsets)
        case "nack":
            return lambda sub, lease, offsets: sub.nack(lease, offsets, wanted.delay, wanted.reason)
        case "reject":
            return lambda sub, lease, offsets: sub.reject(lease, offsets, wanted.reason)
        case "release":
            return lambda sub, lease, offsets: sub.release(lease, offsets)
        case "extend":
            return lambda sub, lease, _: sub.extend(lease, wanted.seconds)


ROUTES: list[Route | SocketRoute] = [
    Route(
        method="GET", path=f"{GROUP}/events", handler=group_events, query=AsGroup, tag="consuming",
        summary="Receive messages under leases as server-sent events", answer_media={EVENT_STREAM: str}, errors=(1404,),
    ),
    SocketRoute(
        path=f"{GROUP}/events", handler=consume, summary="Receive and settle messages by WebSocket",
        max_message_bytes=MAX_SAID_BYTES,
    ),
]  # fmt: skip
