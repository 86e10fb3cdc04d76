"""Looking for messages in a queue without taking them: the newest first, by key, property, text, condition, time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from time import monotonic
from typing import Annotated

import msgspec
from msgspec import Meta

from openmessaging.filters import compile_condition
from openmessaging.model.destination import DEFAULT_NAMESPACE
from openmessaging.model.errors import error
from openmessaging.model.message import Message
from openmessaging.runtime.positions import messages_of
from openmessaging.server.http.messages import BodyForm, MessageView, to_view
from openmessaging.server.http.names import Namespace, queue_of
from openmessaging.server.http.request import Request
from openmessaging.server.http.table import Route, tagged
from openmessaging.server.served import Driver

MAX_FOUND = 500
_SECONDS = 0.5
"""How long one request reads at most; the client goes on from where it came to."""
_BLOCK = 512
_BLOCK_BYTES = 1 << 20
"""A block that was larger is followed by a smaller one."""

Chosen = Callable[[Message], bool]


class SearchQuery(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is looked for; all that is given must be fulfilled."""

    key: Annotated[str, Meta(description="The message key.")] = ""
    property: Annotated[
        str, Meta(description="A property, as NAME or NAME=VALUE, with the value as it is shown: 12, true, red.")
    ] = ""
    text: Annotated[str, Meta(description="What the body contains, in capitals or small letters.")] = ""
    condition: Annotated[str, Meta(description="An SQL condition over properties and header fields.")] = ""
    from_ms: Annotated[int, Meta(ge=0, description="Stored at this time or later, ms since the epoch.")] | None = None
    until_ms: Annotated[int, Meta(ge=0, description="Stored before this time, ms since the epoch.")] | None = None
    before: Annotated[str, Meta(description="`next` of an earlier answer: go on from there.")] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_FOUND, description="Messages in an answer.")] = 50
    body: Annotated[BodyForm, Meta(description="How bodies are shown.")] = "auto"
    namespace: Namespace = DEFAULT_NAMESPACE


class Found(msgspec.Struct, rename="camel"):
    """Messages that were found, the newest first."""

    messages: list[MessageView]
    looked_at: int
    """Messages that were read for it."""
    next: str | None
    """Where to go on; None when all were looked at."""


class _Backwards:
    """The messages of one partition from `end` down to `first`, read in blocks."""

    def __init__(self, driver: Driver, queue: str, partition: int, first: int, end: int) -> None:
        self._driver = driver
        self._queue = queue
        self._partition = partition
        self._first = first
        self._size = 32
        self._start = end
        """Where what was read begins."""
        self._block: list[Message] = []
        self.end = end
        """The offset behind what is left."""

    async def newest(self) -> Message | None:
        """The newest of those left; None when there is none."""
        while not self._block and self._start > self._first:
            end, self._start = self._start, max(self._first, self._start - self._size)
            deliveries = await self._driver.read(self._queue, self._partition, self._start, end - self._start)
            size = sum(len(each.data) for each in deliveries)
            self._size = max(1, self._size // 4) if size > _BLOCK_BYTES else min(self._size * 2, _BLOCK)
            # Of a compacted partition more may come: as many messages as there are offsets.
            self._block = [message for message in messages_of(deliveries) if (message.offset or 0) < end]
            await asyncio.sleep(0)  # reading is done in this turn of the loop
        if not self._block:
            self.end = self._first
            return None
        return self._block[-1]

    def drop(self) -> None:
        """Leave the newest behind."""
        self.end = self._block.pop().offset or 0


async def search(request: Request) -> Found:
    """GET /v1/queues/{queue}/search"""
    query: SearchQuery = request.query
    chosen = _choice(query)
    readers = await _readers(request.driver, queue_of(request), query)
    until = monotonic() + _SECONDS
    heap: list[tuple[int, int, Message]] = []
    for number, reader in enumerate(readers):
        await _push(heap, number, reader)
    found: list[MessageView] = []
    looked_at = 0
    while heap and len(found) < query.limit and monotonic() < until:
        _, number, message = heappop(heap)
        looked_at += 1
        readers[number].drop()
        if chosen(message):
            found.append(to_view(message, query.body, binary=request.binary))
        await _push(heap, number, readers[number])
    return Found(found, looked_at, ",".join(str(reader.end) for reader in readers) if heap else None)


async def _push(heap: list[tuple[int, int, Message]], number: int, reader: _Backwards) -> None:
    message = await reader.newest()
    if message is not None:
        heappush(heap, (-(message.get_header("storeTimestamp") or 0), number, message))


async def _readers(driver: Driver, queue: str, query: SearchQuery) -> list[_Backwards]:
    """One for each partition and lane. Raises 1404, 1418."""
    info = await driver.describe_queue(queue)
    before = _positions(query.before, len(info.offsets)) if query.before else None
    readers: list[_Backwards] = []
    for number, (first, end) in enumerate(info.offsets):
        if query.from_ms is not None:
            first = max(first, await driver.find_time(queue, number, query.from_ms))
        if before is not None:
            end = min(end, before[number])
        elif query.until_ms is not None:
            end = min(end, await driver.find_time(queue, number, query.until_ms))
        readers.append(_Backwards(driver, queue, number, first, end))
    return readers


def _positions(text: str, count: int) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts) or len(parts) > count:
        raise error(1418, f"before: {text!r:.80}", next_step="Take `next` of an answer as it is", field="before")
    return [int(part) for part in parts] + [0] * (count - len(parts))  # lanes that came since hold newer messages


def _choice(query: SearchQuery) -> Chosen:
    """Whether a message is looked for. Raises 1418 for a wrong condition."""
    tests: list[Chosen] = []
    if query.key:
        tests.append(lambda message: message.message_key == query.key)
    if query.property:
        name, mark, value = query.property.partition("=")
        tests.append(
            lambda message: name in message.properties and (not mark or _shown(message.properties[name]) == value)
        )
    if query.text:
        wanted = query.text.casefold()
        tests.append(lambda message: wanted in message.data.decode(errors="replace").casefold())
    if query.condition:
        condition = compile_condition(query.condition)
        tests.append(lambda message: condition.matches(message.properties, message.get_header))
    return lambda message: all(test(message) for test in tests)


def _shown(value: object) -> str:
    """A property's value as JSON shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


ROUTES: list[Route] = tagged(
    "messages",
    [
        Route(
            method="GET",
            path="/v1/queues/{queue}/search",
            handler=search,
            summary="Search all partitions without taking messages, the newest first",
            description="One request reads for at most half a second; `next` says where to go on.",
            query=SearchQuery,
            answer=Found,
            errors=(1404,),
        )
    ],
)
