"""Stored messages without a group: readers of the client, kept while they are read on from where they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pulsar

from openmessaging.drivers.mapping import packed
from openmessaging.drivers.pulsar.link import Link
from openmessaging.drivers.pulsar.records import PLACE_BITS, from_message, offset_at, offset_of, place_of
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery

_KEPT = 16
"""Readers that are kept."""
_FOREVER_MS = 1000 * 3600 * 24


class Reading:
    """Reads topics by offsets."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._readers: dict[tuple[str, int], Any] = {}
        """By topic and the offset from which it reads on."""

    async def read(
        self, queue: str, topic: str, partition: int, offset: int, maximum: int, wait: float
    ) -> list[Delivery]:
        """Messages from an offset; waits for one at the end."""
        reader = self._readers.pop((topic, offset), None) or await self._open(topic, offset)
        messages = await self._link.call(_take, reader, offset, maximum, wait)
        records = [from_message(each, each.message_id()) for each in messages]
        following = offset if not messages else (offset_of(messages[-1].message_id()) or 0) + 1
        await self._keep((topic, following), reader)
        return _runs(queue, partition, records)

    async def _open(self, topic: str, offset: int) -> Any:
        ledger, entry, _ = place_of(offset)
        start = pulsar.MessageId(-1, ledger, entry, -1) if offset else pulsar.MessageId.earliest
        return await self._link.call(
            self._link.client.create_reader, topic, start, start_message_id_inclusive=True, receiver_queue_size=500
        )

    async def _keep(self, place: tuple[str, int], reader: Any) -> None:
        old = self._readers.pop(place, None)
        self._readers[place] = reader
        if old is None and len(self._readers) > _KEPT:
            old = self._readers.pop(next(iter(self._readers)))
        if old is not None:
            await self._link.call(old.close)

    async def read_before(
        self, queue: str, topic: str, partition: int, offset: int, entries: Sequence[tuple[int, int]]
    ) -> Delivery | None:
        """The message before an offset; `entries`: ledgers and how many each has."""
        ledger, entry, place = place_of(offset)
        before = (ledger, entry if place else entry - 1)
        for number, held in reversed(entries):
            last = min(held - 1, before[1]) if number == ledger else held - 1
            if number > ledger or last < 0:
                continue
            start = offset_at(number, last) or 0
            records = [from_message(each, each.message_id()) for each in await self._entry(topic, start)]
            records = [record for record in records if (record.headers or {}).get("offset", 0) < offset]
            if records:
                return _runs(queue, partition, records)[-1]
        return None

    async def _entry(self, topic: str, start: int) -> list[Any]:
        """The messages of an entry."""
        reader = await self._open(topic, start)
        try:
            messages = await self._link.call(_take, reader, start, 1 << PLACE_BITS, 0.0)
        finally:
            await self._link.call(reader.close)
        return [each for each in messages if place_of(offset_of(each.message_id()) or 0)[:2] == place_of(start)[:2]]

    async def find_time(self, topic: str, timestamp_ms: int) -> int | None:
        """The first offset stored at or after a time; None when there is none."""
        reader = await self._open(topic, 0)
        try:
            await self._link.call(reader.seek, timestamp_ms)
            while await self._link.call(reader.has_message_available):
                message = await self._link.call(reader.read_next, 5_000)
                if message.publish_timestamp() >= timestamp_ms:  # it goes to the beginning of an entry
                    return offset_of(message.message_id())
            return None
        finally:
            await self._link.call(reader.close)

    async def drop(self, topics: list[str]) -> None:
        """Let go of the readers of topics that are no more."""
        for place in [place for place in self._readers if place[0] in topics]:
            await self._link.call(self._readers.pop(place).close)


def _take(reader: Any, offset: int, maximum: int, wait: float) -> list[Any]:
    """In a thread: messages from an offset on."""
    messages: list[Any] = []
    deadline = time.monotonic() + min(wait, _FOREVER_MS / 1000)
    try:
        while len(messages) < maximum:
            left = 0.0 if messages else deadline - time.monotonic()
            if not messages and left <= 0 and not reader.has_message_available():
                break
            message = reader.read_next(max(int(left * 1000), 0) if messages or left > 0 else 1_000)
            if (offset_of(message.message_id()) or 0) >= offset:
                messages.append(message)
    except pulsar.Timeout:
        pass
    return messages


def _runs(queue: str, partition: int, records: list[Record]) -> list[Delivery]:
    """Deliveries: one for each run of offsets without a gap."""
    deliveries: list[Delivery] = []
    now_ms = time.time_ns() // 1_000_000
    offsets = [int((record.headers or {}).get("offset", 0)) for record in records]
    begin = 0
    for at in range(1, len(records) + 1):
        if at == len(records) or offsets[at] != offsets[at - 1] + 1:
            first = records[begin].headers or {}
            deliveries.append(
                packed(
                    queue,
                    records[begin:at],
                    now_ms,
                    partition=partition,
                    base_offset=offsets[begin],
                    store_ms=first["storeTimestamp"],
                )
            )
            begin = at
    return deliveries
