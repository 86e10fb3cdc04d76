"""The driver SPI over Redis Streams: sending, subscribing; the rest is in `reading.py` and `admin.py`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.partial import Outcome, closed
from openmessaging.drivers.redis import names, scripts
from openmessaging.drivers.redis.admin import Admin
from openmessaging.drivers.redis.entries import Argument, to_entry
from openmessaging.drivers.redis.link import Hosts, Link, Lost, script, translated
from openmessaging.drivers.redis.reading import Reading, start_of
from openmessaging.drivers.redis.source import RedisSource
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Durability,
    GroupConfig,
    OutgoingBatch,
    Placement,
    SubscriptionSpec,
)

CALL_MESSAGES = 2_000
"""Messages that one call of the server stores: it does nothing else for a few ms."""
CALL_BYTES = 8 << 20
CALL_ARGUMENTS = 1_000_000
"""The server takes about a million per call."""
OLDEST = (7, 0)


class _Part(msgspec.Struct, eq=False):
    """Messages of one batch for one call."""

    outgoing: OutgoingBatch
    partition: int
    partitions: int
    count: int
    arguments: list[Argument]


class RedisDriver(Admin, Reading):
    """One server, over a connection for sends, one for all else, and one per subscription."""

    capabilities = frozenset(
        {
            Capability.LEASE,
            Capability.EXTEND_LEASE,
            Capability.NACK_DELAY,
            Capability.DEAD_LETTER,
            Capability.SEEK,
            Capability.BROWSE,
            Capability.BROADCAST,
            Capability.ATOMIC_BATCH,
            Capability.ADMIN,
        }
    )
    max_body_bytes = 16 << 20

    def __init__(self, hosts: Hosts, link: Link, default_partitions: int) -> None:
        super().__init__(link, default_partitions)
        self._hosts = hosts
        self._sends = Link(hosts)
        self._calling = asyncio.Lock()
        self._marker = f"__oms:sent/{secrets.token_hex(8)}"
        self._number = 0
        self._durability = Durability.MEMORY
        self._durability_of = -1

    # ---- sending ---------------------------------------------------------------------------------------------------

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Store batches, each by itself; a batch of more than `CALL_MESSAGES` goes in parts."""
        outcomes: list[Outcome | None] = [None] * len(batches)
        waiting: list[tuple[int, _Part]] = []
        for at, outgoing in enumerate(batches):
            try:
                parts = _split(await self._part(outgoing))
            except OMSRuntimeException as failure:
                outcomes[at] = failure
                continue
            for part in parts:
                if waiting and _full([each for _, each in waiting], part):
                    await self._store(waiting, outcomes)
                    waiting = []
                waiting.append((at, part))
        await self._store(waiting, outcomes)
        return [outcome or error(1500, "it was not sent") for outcome in outcomes]

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none, in one step of the server. Raises as the SPI says; OMSRuntimeException 1418 for
        more than the server takes in one call."""
        if self._closed:
            raise closed()
        parts = [await self._part(outgoing) for outgoing in batches]
        if sum(len(part.arguments) for part in parts) > CALL_ARGUMENTS:
            total = sum(part.count for part in parts)
            raise error(
                1418, f"{total:,} messages are more than Redis takes in one step", next_step="Send less at once"
            )
        outcomes: list[Outcome | None] = [None] * len(parts)
        await self._store(list(enumerate(parts)), outcomes, "all")
        for outcome in outcomes:
            if isinstance(outcome, OMSRuntimeException):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Placement)]

    async def _part(self, outgoing: OutgoingBatch) -> _Part:
        """What the server is told of a batch. Raises 1404, 1411, OMSUnsupportException."""
        partitions = await self.partition_count(outgoing.destination)
        partition = outgoing.partition
        if partition is None:
            partition = self._next_partition(outgoing.destination, partitions)
        if not 0 <= partition < partitions:
            raise error(1418, f"{outgoing.destination} has no partition {partition}", field="partition")
        arguments: list[Argument] = []
        for record in unpacked(outgoing):
            arguments += to_entry(record)
        return _Part(outgoing, partition, partitions, outgoing.batch.count, arguments)

    async def _store(
        self, parts: Sequence[tuple[int, _Part]], outcomes: list[Outcome | None], mode: str = "each"
    ) -> None:
        """Store parts in one step, and note what became of the batches they are of."""
        if not parts:
            return
        keys = [self._marker, names.REGISTRY]
        heads: list[Argument] = []
        arguments: list[Argument] = []
        for _, part in parts:
            keys.append(names.stream(part.outgoing.destination, part.partition, part.partitions))
            heads += (part.outgoing.destination, part.partitions, part.count, len(part.arguments))
            arguments += part.arguments
        try:
            answer = await self._call(keys, [mode, *heads, *arguments])
        except OMSRuntimeException as failure:
            for at, _ in parts:
                outcomes[at] = failure
            return
        for (at, part), first in zip(parts, answer, strict=True):
            before = outcomes[at]
            if isinstance(before, OMSRuntimeException):
                continue
            if first.startswith(b"OMS"):
                self._forget(part.outgoing.destination)
                outcomes[at] = translated(first.decode(), part.outgoing.destination)
            else:
                outcomes[at] = self._placed(before, part, first)
                self._stored(part.outgoing.destination, part.partition, part.partitions)

    def _placed(self, before: Placement | None, part: _Part, first: bytes) -> Placement:
        offset = names.offset_of(first)
        if before is None:
            base = -1 if offset is None else offset
            return Placement(part.partition, base, names.time_of(first), self._durability)
        # A further part of a long batch: offsets of the whole follow one another only within one ms.
        return msgspec.structs.replace(before, base_offset=-1)

    async def _call(self, keys: Sequence[str], arguments: Sequence[Argument]) -> list[bytes]:
        """Call `PUT`; after a broken connection the same call is made again, and the server knows whether it did it."""
        async with self._calling:
            self._number += 1
            command = script(scripts.PUT, keys, self._number, *arguments)
            (answer,) = await self._sends.insist(command)
            if self._durability_of != self._sends.connected:
                self._durability = await self._find_durability()
                self._durability_of = self._sends.connected
            return list(answer)

    async def _find_durability(self) -> Durability:
        """What a write is when it is answered. A server that does not say is taken for one that syncs nothing."""
        found: dict[bytes, bytes] = {}
        try:
            for pair in await self._sends.ask(("CONFIG", "GET", "appendonly"), ("CONFIG", "GET", "appendfsync")):
                if not isinstance(pair, ResponseError) and len(pair) == 2:
                    found[pair[0]] = pair[1]
        except Lost:
            return Durability.MEMORY
        always = found.get(b"appendonly") == b"yes" and found.get(b"appendfsync") == b"always"
        return Durability.FSYNC if always else Durability.MEMORY

    # ---- receiving -------------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> ForeignSubscription:
        """Join a consumer group. Raises 1404, 1418 for a wrong start, OMSUnsupportException."""
        check_spec(spec, broadcast=True)
        if self._closed:
            raise closed()
        partitions = await self.partition_count(spec.destination)
        config = await self._join(spec, partitions)
        spec = msgspec.structs.replace(spec, config=config)
        source = RedisSource(Link(self._hosts), self._link, spec, partitions, self._stored, self._leave)
        return ForeignSubscription(source, spec, self._bury, redelivers=True)

    async def _join(self, spec: SubscriptionSpec, partitions: int) -> GroupConfig:
        """Make the group where it is missing; returns the settings that count."""
        config = msgspec.structs.replace(spec.config, broadcast=spec.broadcast)
        group = names.NAMING.group(spec.group)
        streams = names.streams(spec.destination, partitions)
        command = script(
            scripts.JOIN,
            [names.groups(spec.destination), names.REGISTRY, *streams],
            group,
            msgspec.json.encode(config),
            int(spec.update),
            spec.destination,
            partitions,
            names.consumer("join", config.invisible_time),
            *[start_of(config.start)] * partitions,
        )
        try:
            (settings,) = await self._link.insist(command)
        except OMSRuntimeException:
            self._forget(spec.destination)
            raise
        return msgspec.json.decode(settings, type=GroupConfig)

    async def _leave(self, spec: SubscriptionSpec) -> None:
        """A broadcast group ends with its consumer."""
        if spec.broadcast:
            await self.delete_group(spec.destination, spec.group)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        await self._ensure(queue, 1)
        batch = encode_own(records, time.time_ns() // 1_000_000)
        await self.send([OutgoingBatch(queue, None, batch)])

    async def disconnect(self) -> None:
        """Hang up."""
        await self._retire()
        await self._sends.close()
        await self._link.close()


def _split(part: _Part) -> list[_Part]:
    if part.count <= CALL_MESSAGES:
        return [part]
    parts: list[_Part] = []
    at = begin = count = 0
    arguments = part.arguments
    while at < len(arguments):
        at += int(arguments[at]) + 1
        count += 1
        if count == CALL_MESSAGES or at == len(arguments):
            parts.append(_Part(part.outgoing, part.partition, part.partitions, count, arguments[begin:at]))
            begin, count = at, 0
    return parts


def _full(parts: Sequence[_Part], following: _Part) -> bool:
    size = sum(part.outgoing.batch.size for part in parts) + following.outgoing.batch.size
    return sum(part.count for part in parts) + following.count > CALL_MESSAGES or size > CALL_BYTES


async def open_driver(hosts: Hosts, url: str, default_partitions: int) -> RedisDriver:
    """Connect once, and look what it is. Raises OMSRuntimeException 10000, 1401."""
    link = Link(hosts)
    try:
        (found,) = await link.ask(("INFO", "server"))
    except Lost as lost:
        raise error(10000, f"{url}: {lost}", next_step="Start it: redis-server") from lost
    facts: dict[str, Any] = {}
    if not isinstance(found, ResponseError):  # an account may not be allowed to ask
        facts = dict(line.split(":", 1) for line in found.decode().splitlines() if ":" in line)
    version = tuple(int(number) for number in facts.get("redis_version", "7.0").split(".")[:2])
    mode = facts.get("redis_mode", "standalone")
    if version < OLDEST or mode != "standalone":
        await link.close()
        what = f"Redis {facts.get('redis_version')}, {mode}"
        step = "Use one server of Redis 7.0 or newer, with replicas if you like: no cluster, no sentinel's address"
        raise error(10000, f"{url} is {what}", next_step=step)
    return RedisDriver(hosts, link, default_partitions)
