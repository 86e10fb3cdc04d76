"""What of the driver needs no group: how many partitions a queue has, and reading by position."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from openmessaging.drivers.mapping import packed
from openmessaging.drivers.partial import PartialDriver, check_partition
from openmessaging.drivers.redis import names, scripts
from openmessaging.drivers.redis.entries import from_entry
from openmessaging.drivers.redis.link import Link, script
from openmessaging.model.destination import split_name
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.settings import QueueConfig
from openmessaging.model.spi import Delivery

UPKEEP_EVERY = 1.0
"""Seconds between two looks at a stream that may be trimmed."""
_LATER = 0.2
"""Seconds between two looks for a message at the end."""


class Reading(PartialDriver):
    """Root of the driver: the connection for what is asked, and what is known of queues."""

    def __init__(self, link: Link, default_partitions: int) -> None:
        super().__init__()
        self._link = link
        self._default_partitions = default_partitions
        self._partitions: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._upkeep: dict[tuple[str, int, int], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def _ask(self, *command: str | bytes | int | float) -> Any:
        return (await self._link.insist(command))[0]

    async def _run(self, text: str, keys: Sequence[str], *arguments: str | bytes | int | float) -> Any:
        return (await self._link.insist(script(text, keys, *arguments)))[0]

    async def partition_count(self, destination: str) -> int:
        """Number of partitions of a queue; a stream that another program made has one. Raises 1404."""
        known = self._partitions.get(destination)
        if known is None:
            known = self._partitions[destination] = await self._find_partitions(destination)
        return known

    async def _find_partitions(self, queue: str) -> int:
        found, kind = await self._link.insist(
            ("HGET", names.REGISTRY, queue), ("TYPE", names.stream(queue, 0, partitions=1))
        )
        if found is not None:
            return int(found)
        if kind == b"stream":
            return 1
        if self._default_partitions:
            return await self._ensure(queue, self._default_partitions)
        raise no_queue(queue)

    async def _ensure(self, queue: str, partitions: int) -> int:
        """Make a queue if it is missing; returns how many partitions it has."""
        try:
            await self._create(queue, partitions, checked_config({}, {}))
        except OMSRuntimeException as failure:
            if failure.code != 1406:
                raise
            return int(await self._ask("HGET", names.REGISTRY, queue) or 1)
        return partitions

    async def _create(self, queue: str, partitions: int, config: dict[str, Any]) -> None:
        namespace = split_name(queue)[0]
        keys = [names.REGISTRY, names.CONFIG, names.NAMESPACES, *names.streams(queue, partitions)]
        await self._run(scripts.CREATE, keys, queue, namespace, partitions, json.dumps(config))

    def _forget(self, queue: str) -> None:
        self._partitions.pop(queue, None)

    def _next_partition(self, queue: str, partitions: int) -> int:
        """Partitions take turns."""
        turn = self._turns[queue] = (self._turns.get(queue, -1) + 1) % partitions
        return turn

    # ---- upkeep ----------------------------------------------------------------------------------------------------

    def _stored(self, queue: str, partition: int, partitions: int) -> None:
        """Something was stored or settled: look soon what may go."""
        place = (queue, partition, partitions)
        if place not in self._upkeep:
            self._upkeep[place] = self._loop.call_later(UPKEEP_EVERY, self._trim_later, place)

    def _trim_later(self, place: tuple[str, int, int]) -> None:
        del self._upkeep[place]
        task = self._loop.create_task(self._trim(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _trim(self, place: tuple[str, int, int]) -> None:
        queue, partition, partitions = place
        keys = [names.stream(queue, partition, partitions), names.CONFIG, names.groups(queue)]
        try:
            await self._run(scripts.TRIM, keys, queue)
        except OMSRuntimeException as failure:  # the next message brings the next try
            self._loop.call_exception_handler({"message": f"{queue} was not trimmed", "exception": failure})

    async def _retire(self) -> None:
        """End the upkeep."""
        for timer in self._upkeep.values():
            timer.cancel()
        self._upkeep.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- reading ---------------------------------------------------------------------------------------------------

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset on; a delivery for each run of offsets without a hole."""
        stream = await self._stream(destination, partition)
        deadline = self._loop.time() + wait
        while True:
            entries = await self._ask("XRANGE", stream, names.entry_at(offset), "+", "COUNT", max_messages)
            left = deadline - self._loop.time()
            if entries or left <= 0:
                return _deliveries(destination, partition, entries)
            await asyncio.sleep(min(left, _LATER))

    async def read_before(self, destination: str, partition: int, offset: int) -> Delivery | None:
        """The message before an offset."""
        stream = await self._stream(destination, partition)
        entries = await self._ask("XREVRANGE", stream, names.entry_before(offset), "-", "COUNT", 1)
        return _deliveries(destination, partition, entries)[0] if entries else None

    async def find_time(self, destination: str, partition: int, timestamp_ms: int) -> int:
        """The first offset stored at or after a time, by the server's clock, exactly."""
        stream = await self._stream(destination, partition)
        entries = await self._ask("XRANGE", stream, max(timestamp_ms, 0), "+", "COUNT", 1)
        return names.known_offset(entries[0][0]) if entries else (await self._bounds(stream))[1]

    async def _stream(self, queue: str, partition: int) -> str:
        partitions = await self.partition_count(queue)
        check_partition(queue, partition, partitions)
        return names.stream(queue, partition, partitions)

    async def _bounds(self, stream: str) -> tuple[int, int]:
        """First and next offset of a stream."""
        facts = await self._info(stream)
        if facts is None:
            return 0, 0
        following = names.known_offset(facts[b"last-generated-id"]) + 1
        first = facts[b"first-entry"]
        return (names.known_offset(first[0]) if first else following), following

    async def _info(self, stream: str) -> dict[bytes, Any] | None:
        """What the server says of a stream, None where it is not there yet."""
        if not await self._ask("EXISTS", stream):
            return None
        return as_dict(await self._ask("XINFO", "STREAM", stream))


def _deliveries(queue: str, partition: int, entries: Sequence[Any]) -> list[Delivery]:
    """Entries as deliveries: one for each run whose offsets follow one another."""
    found: list[Delivery] = []
    begin = 0
    offsets = [names.known_offset(entry) for entry, _ in entries]
    for at in range(1, len(entries) + 1):
        if at == len(entries) or offsets[at] != offsets[at - 1] + 1:
            records = [from_entry(entry, fields) for entry, fields in entries[begin:at]]
            stored = names.time_of(entries[begin][0])
            place = {"partition": partition, "base_offset": offsets[begin], "store_ms": stored}
            found.append(packed(queue, records, stored, **place))
            begin = at
    return found


def start_of(text: str) -> str:
    """The entry behind which a position begins. Raises OMSRuntimeException 1418 for what is none."""
    kind, _, number = text.partition(":")
    if text in ("earliest", "latest"):
        return "0-0" if text == "earliest" else "$"
    if kind not in ("offset", "ts") or not number.isdecimal():
        step = "Use earliest, latest, offset:<n> or ts:<ms>"
        raise error(1418, f"{text!r} is no position", next_step=step, field="position")
    return names.entry_before(int(number) if kind == "offset" else int(number) << 20)


def as_dict(flat: Sequence[Any]) -> dict[bytes, Any]:
    """Names and values one after the other as a mapping."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def no_queue(queue: str) -> OMSRuntimeException:
    """The error for a queue that is not there."""
    return error(1404, f"there is no queue {queue}", next_step="Create it, or let queues be created by their first use")


def checked_config(config: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Settings with changes, those that Redis can keep. Raises OMSRuntimeException 1418 for a wrong one,
    OMSUnsupportException for one that it cannot."""
    try:
        whole = msgspec.convert({**before, **config}, QueueConfig)
    except msgspec.ValidationError as cause:
        raise error(1418, f"settings: {cause}", next_step="See QueueConfig", field="config") from cause
    plain = QueueConfig()
    for name in ("retention_bytes", "compact", "deduplication_window", "expired_queue", "filter"):
        if getattr(whole, name) != getattr(plain, name):
            raise unsupported(name, next_step="Leave it out: Redis keeps retention and retention_age")
    given: dict[str, Any] = msgspec.to_builtins(whole)
    return {name: given[name] for name in ("retention", "retention_age")}
