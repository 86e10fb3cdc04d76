"""Batches into streams: whole where the server can (2.12 and newer), else message by message; again until answered.

Each message has an id of its own (`Nats-Msg-Id`) under which it is sent again after a connection broke: a stream knows
the ids of its last two minutes, and stores none twice.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.nats.codec import to_headers
from openmessaging.drivers.nats.connection import (
    PATIENCE,
    Connection,
    Lost,
    NoResponders,
    Refusal,
    answered,
)
from openmessaging.drivers.nats.streams import NAMES, Stream, Streams
from openmessaging.drivers.partial import Outcome
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record, body_too_large
from openmessaging.model.spi import Durability, OutgoingBatch, Placement
from openmessaging.model.timing import NEVER, due_ms, expires_ms

MOST_TOGETHER = 1_000
"""Messages that the server takes as a whole."""
HEADER_ROOM = 64 << 10
"""Bytes of the server's limit that are kept for headers."""
_NOT_WHOLE = frozenset((10174, 10201))
"""The stream takes no batches, or knows an id of this one: it was stored before, or a part of it was sent so."""
_AGAIN = frozenset((10175, 10176))
"""The server lost the beginning of the batch, and stored nothing."""
_PART = 256
"""Messages that wait for their answers at a time, one by one."""


class _Item(NamedTuple):
    subject: str
    headers: dict[str, str]
    body: bytes


class Sender:
    """Stores batches."""

    def __init__(self, connection: Connection, streams: Streams, sync_always: bool) -> None:
        self._connection = connection
        self._streams = streams
        self._sync_always = sync_always
        self._prefix = secrets.token_urlsafe(9)
        self._number = 0
        self._turn = 0
        self._loop = asyncio.get_running_loop()

    async def put(self, batches: Sequence[OutgoingBatch]) -> list[Outcome]:
        """Store batches, each by itself, those of a queue in their order."""
        queues: dict[str, list[int]] = {}
        for place, batch in enumerate(batches):
            queues.setdefault(batch.destination, []).append(place)
        outcomes: list[Outcome | None] = [None] * len(batches)

        async def store(queue: str, places: list[int]) -> None:
            for place, outcome in zip(
                places, await self._put_queue(queue, [batches[at] for at in places]), strict=True
            ):
                outcomes[place] = outcome

        if len(queues) == 1:
            await store(*next(iter(queues.items())))
        else:
            await asyncio.gather(*(store(queue, places) for queue, places in queues.items()))
        return [outcome for outcome in outcomes if outcome is not None]

    async def _put_queue(self, queue: str, batches: list[OutgoingBatch]) -> list[Outcome]:
        try:
            stream = await self._streams.get(queue)
        except OMSRuntimeException as failure:
            return [failure] * len(batches)
        outcomes: list[Outcome] = []
        waiting: list[tuple[int, list[_Item]]] = []
        size = 0
        for batch in batches:
            try:
                partition = self._partition(stream, batch.partition)
                items = self._items(stream, partition, unpacked(batch), batch.timing is not None)
            except OMSRuntimeException as failure:
                outcomes += await self._store_all(stream, waiting)
                outcomes.append(failure)
                waiting, size = [], 0
                continue
            if size + len(items) > MOST_TOGETHER and waiting:
                outcomes += await self._store_all(stream, waiting)
                waiting, size = [], 0
            waiting.append((partition, items))
            size += len(items)
        return outcomes + await self._store_all(stream, waiting)

    def _partition(self, stream: Stream, chosen: int | None) -> int:
        if chosen is not None:
            return chosen
        self._turn += 1
        return self._turn % stream.partitions

    def _items(self, stream: Stream, partition: int, records: list[Record], timed: bool) -> list[_Item]:
        subject = stream.subject(partition)
        now_ms = time.time_ns() // 1_000_000
        items = []
        for record in records:
            headers = to_headers(record)
            self._number += 1
            headers["Nats-Msg-Id"] = f"{self._prefix}{self._number:x}"
            size = len(record.data) + sum(map(len, headers)) + sum(map(len, headers.values())) + 4 * len(headers)
            if size > self._connection.client.max_payload:
                raise body_too_large(len(record.data), self._connection.client.max_payload - HEADER_ROOM)
            items.append(_Item(_timed(stream, partition, subject, record, headers, now_ms), headers, record.data)
                         if timed else _Item(subject, headers, record.data))  # fmt: skip
        return items

    async def _store_all(self, stream: Stream, waiting: Sequence[tuple[int, list[_Item]]]) -> list[Outcome]:
        """Store batches that fit together; what each became."""
        if not waiting:
            return []
        everything = [item for _, items in waiting for item in items]
        sequences: list[int] = []
        try:
            for begin in range(0, len(everything), MOST_TOGETHER):
                sequences += await self._store(stream, everything[begin : begin + MOST_TOGETHER])
        except OMSRuntimeException as failure:
            return [failure] * len(waiting)
        outcomes: list[Outcome] = []
        at = 0
        now_ms = time.time_ns() // 1_000_000
        for partition, items in waiting:
            mine = sequences[at : at + len(items)]
            at += len(items)
            delayed = "Nats-Schedule" in items[0].headers
            follow = mine[-1] - mine[0] == len(mine) - 1
            base = mine[0] if follow and not delayed else -1
            outcomes.append(Placement(partition, base, now_ms, self.durability(stream)))
        return outcomes

    def durability(self, stream: Stream) -> Durability:
        """How safe what the server has acknowledged is."""
        if not self._sync_always or not stream.on_disk:
            return Durability.MEMORY
        return Durability.QUORUM if stream.replicas > 1 else Durability.FSYNC

    async def _store(self, stream: Stream, items: Sequence[_Item]) -> Sequence[int]:
        """Store messages; their numbers in the stream. Again until the server has answered."""
        deadline = self._loop.time() + PATIENCE
        whole = stream.atomic and len(items) > 1
        sent = False
        while True:
            try:
                await self._connection.ready(deadline)
                sent = True
                return await (self._store_whole(items) if whole else self._store_each(items))
            except Refusal as refusal:
                if whole and refusal.code in _NOT_WHOLE:
                    whole = False
                elif not (whole and refusal.code in _AGAIN and self._loop.time() < deadline):
                    self._streams.forget(stream.queue)
                    raise refusal.told(stream.queue) from refusal
            except NoResponders:
                self._streams.forget(stream.queue)
                stream = await self._streams.get(stream.queue)  # it was deleted: 1404, or made again
                if self._loop.time() >= deadline:
                    raise error(1404, f"{stream.queue} takes no messages", next_step="Look at its stream") from None
            except Lost as cause:
                if self._loop.time() >= deadline:
                    raise _in_doubt(stream.queue) from cause
            except OMSRuntimeException as failure:
                raise _in_doubt(stream.queue) if sent and failure.code == 1503 else failure from failure

    async def _store_whole(self, items: Sequence[_Item]) -> Sequence[int]:
        """All or none, with one answer."""
        self._number += 1
        batch_id = f"{self._prefix}{self._number:x}"
        publish = self._connection.publish
        for number, (subject, headers, body) in enumerate(items, 1):
            headers["Nats-Batch-Id"], headers["Nats-Batch-Sequence"] = batch_id, str(number)
            if number < len(items):
                await publish(subject, body, headers)
        answer = await self._connection.ask(subject, body, {**headers, "Nats-Batch-Commit": "1"})
        last = int(answered(answer.data)["seq"])
        return range(last - len(items) + 1, last + 1)

    async def _store_each(self, items: Sequence[_Item]) -> list[int]:
        """One after the other, with an answer for each."""
        sequences: list[int] = []
        for begin in range(0, len(items), _PART):
            storing = (self._store_one(item) for item in items[begin : begin + _PART])
            for answer in await asyncio.gather(*storing, return_exceptions=True):
                if isinstance(answer, BaseException):
                    raise answer
                sequences.append(answer)
        return sequences

    async def _store_one(self, item: _Item) -> int:
        for name in ("Nats-Batch-Id", "Nats-Batch-Sequence"):
            item.headers.pop(name, None)
        answer = await self._connection.ask(item.subject, item.body, item.headers)
        return int(answered(answer.data)["seq"])


def _timed(stream: Stream, partition: int, subject: str, record: Record, headers: dict[str, str], now_ms: int) -> str:
    """Say in headers when a message is due and when it expires; the subject it goes to."""
    own = record.headers or {}
    born_ms = own["bornTimestamp"]
    due, expires = due_ms(born_ms, own), expires_ms(born_ms, own)
    later = due > now_ms and bool(own.get("delayTime"))
    if expires != NEVER and stream.ttl:
        # The server counts whole seconds: it drops nothing too early, and what is late by less is dropped on receipt.
        seconds = max(1, -(-(expires - max(due, now_ms)) // 1000))
        headers["Nats-Schedule-TTL" if later else "Nats-TTL"] = f"{seconds}s"
    if not later:
        return subject
    if not stream.schedules:
        step = "Create the queue with this library, on a server of version 2.12 or newer"
        raise error(1418, f"the stream of {stream.queue} keeps no delayed messages", next_step=step, field="delayTime")
    headers["Nats-Schedule"] = at_time(due)
    headers["Nats-Schedule-Target"] = subject
    return f"{stream.native}.delayed.{partition}.{NAMES.group(own['messageId'])}"


def at_time(moment_ms: int) -> str:
    """A time as a schedule of one message."""
    return f"@at {rfc3339(moment_ms)}"


def rfc3339(moment_ms: int) -> str:
    """A time as NATS writes it."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_doubt(queue: str) -> OMSRuntimeException:
    reason = f"{queue}: the connection broke before the answer, and did not come back within {PATIENCE:g} s"
    return error(1410, reason, next_step="It may have been stored all the same")
