"""Messages of a queue as they come, by position: nothing is taken, and each event has a place to go on from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from openmessaging.model.batch import HOLE
from openmessaging.model.cloud_event_http import Mode
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.model.spi import Delivery
from openmessaging.runtime.positions import end_of, messages_of, no_position
from openmessaging.server.http.binding.form import form_of, part_of
from openmessaging.server.http.messages import BodyForm, to_view
from openmessaging.server.http.names import Namespace, queue_of
from openmessaging.server.http.request import Request, Response
from openmessaging.server.http.streams import EVENT_STREAM, KEEP_ALIVE, QUIET, converse, event, event_stream
from openmessaging.server.http.table import Route, SocketRoute, converted

if TYPE_CHECKING:
    from openmessaging.server.http.websocket import WebSocket


READ = 16
"""Messages of a partition that are read at once."""


class FromPosition(msgspec.Struct, forbid_unknown_fields=True):
    """Where to begin."""

    namespace: Namespace = DEFAULT_NAMESPACE
    start: str = "latest"
    """`earliest`, `latest`, `offset:<n>` (of every partition) or `ts:<ms>`."""
    after: str | None = None
    """The id of an event: go on behind it."""
    partition: Annotated[int, Meta(ge=0)] | None = None
    body: BodyForm = "auto"


class Reading:
    """Reads all partitions of a queue, or one, from a place on."""

    def __init__(self, request: Request, query: FromPosition) -> None:
        self._request = request
        self._driver = request.driver
        self._name = queue_of(request)
        self._only = query.partition
        self._next: dict[int, int] = {}
        self._reads: dict[int, asyncio.Task[list[Delivery]]] = {}
        self._found: list[Message] = []

    def place(self, message: Message | None = None) -> str:
        """Where it is, or was after a message: the next offset of each partition."""
        places = dict(self._next)
        if message is not None:
            places[message.partition or 0] = (message.offset or 0) + 1
        return ",".join(f"{partition}:{offset}" for partition, offset in sorted(places.items()))

    async def begin(self, start: str, after: str | None) -> None:
        """Find the place to begin at. Raises OMSRuntimeException 1404, 1418."""
        offsets = (await self._driver.describe_queue(self._name)).offsets
        if self._only is not None and self._only >= len(offsets):
            raise error(1418, f"{self._name} has no partition {self._only}", field="partition")
        known = _read_place(after) if after is not None else {}
        for partition, (first, end) in enumerate(offsets):
            if self._only in (None, partition):
                at = known.get(partition)
                if at is None:
                    at = first if known else await self._start(partition, start, first, end)
                self._next[partition] = at

    async def _start(self, partition: int, start: str, first: int, end: int) -> int:
        kind, _, number = start.partition(":")
        if start == "earliest":
            return first
        if start == "latest":
            return end
        if kind not in ("offset", "ts") or not (number.isascii() and number.isdigit()) or len(number) > 18:
            raise no_position(start)
        return int(number) if kind == "offset" else await self._driver.find_time(self._name, partition, int(number))

    async def more(self) -> list[Message]:
        """The next messages of one partition; none after a while, or when the server stops."""
        messages = messages_of(await self._request.app.long_poll(self._wait()))
        return [message for message in messages if message.record is not HOLE]

    async def _wait(self) -> list[Delivery]:
        for partition, offset in self._next.items():
            if partition not in self._reads:
                reading = self._driver.read(self._name, partition, offset, READ, QUIET)
                self._reads[partition] = asyncio.ensure_future(reading)
        await asyncio.wait(self._reads.values(), return_when=asyncio.FIRST_COMPLETED)
        partition = next(number for number, task in self._reads.items() if task.done())
        deliveries = self._reads.pop(partition).result()
        if deliveries:
            self._next[partition] = end_of(deliveries)
            self._next[partition] = self._next.pop(partition)  # its turn comes after that of the others
        elif self._only is None:
            for number in range(len((await self._driver.describe_queue(self._name)).offsets)):
                self._next.setdefault(number, 0)
        return deliveries

    def close(self) -> None:
        """Read no more."""
        for task in self._reads.values():
            task.cancel()


async def events(request: Request) -> Response:
    """GET /v1/queues/{queue}/events"""
    query: FromPosition = request.query
    reading = Reading(request, query)
    await reading.begin(query.start, request.headers.get("last-event-id") or query.after)
    return event_stream(_events(request, reading, query.body, form_of(request.headers)))


async def _events(request: Request, reading: Reading, body: BodyForm, mode: Mode | None) -> AsyncGenerator[bytes, None]:
    with contextlib.closing(reading):
        yield event("", "place", reading.place())
        while not request.app.stopping:
            messages = await reading.more()
            found = [event(_text(message, body, mode), "", reading.place(message)) for message in messages]
            yield b"".join(found) or KEEP_ALIVE


def _text(message: Message, body: BodyForm, mode: Mode | None) -> str:
    if mode is not None:
        return part_of(message, Mode.STRUCTURED)[1].decode()
    return msgspec.json.encode(to_view(message, body)).decode()


async def follow(request: Request, socket: WebSocket) -> None:
    """/v1/queues/{queue}/events by WebSocket"""
    query = request.query = converted(request.query_fields(), FromPosition)
    reading = Reading(request, query)
    await reading.begin(query.start, query.after)

    async def send() -> None:
        with contextlib.closing(reading):
            while not request.app.stopping:
                await socket.ready()
                messages = await reading.more()
                if messages:
                    views = [to_view(message, query.body) for message in messages]
                    await socket.send(msgspec.json.encode({"messages": views, "place": reading.place()}).decode())

    await converse(socket, send())


def _read_place(text: str) -> dict[int, int]:
    try:
        pairs = [part.split(":") for part in text.split(",") if part]
        return {int(partition): min(max(int(offset), 0), 1 << 62) for partition, offset in pairs}
    except ValueError as cause:
        step = "Use the id of an event of this queue"
        raise error(1418, f"{text!r:.80} is no place", next_step=step, field="last-event-id") from cause


ROUTES: list[Route | SocketRoute] = [
    Route(
        method="GET", path="/v1/queues/{queue}/events", handler=events, query=FromPosition, tag="messages",
        summary="Messages as server-sent events, from a position on", answer_media={EVENT_STREAM: str}, errors=(1404,),
    ),
    SocketRoute(path="/v1/queues/{queue}/events", handler=follow, summary="Messages by WebSocket, from a position on"),
]  # fmt: skip
