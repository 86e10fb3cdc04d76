"""A group's side of a subscription: entries under leases.

A lease is an entry in the group's list of pending ones: its idle time is the lease's age, and how long it lasts is
written in the name of the consumer that holds it. What failed is handed to the consumer `oms-waiting`, and a sorted set
says when it is due. Consumers look every `LOOK_EVERY` seconds for what is due or expired.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from openmessaging.drivers.consuming import Received
from openmessaging.drivers.redis import names, scripts
from openmessaging.drivers.redis.entries import from_entry
from openmessaging.drivers.redis.link import Link, Lost, script, translated
from openmessaging.model.spi import SubscriptionSpec

LOOK_EVERY = 0.2
"""Seconds."""
_KNOWN = 20_000
"""Messages remembered before those whose leases are over are forgotten."""


class Hold(msgspec.Struct, eq=False):
    """A message that this consumer holds."""

    partition: int
    entry: bytes
    holder: str
    until: float
    """Of the loop's clock."""


class RedisSource:
    """Entries of all partitions of a queue, for one consumer."""

    def __init__(
        self,
        pulls: Link,
        settles: Link,
        spec: SubscriptionSpec,
        partitions: int,
        stored: Callable[[str, int, int], None],
        leave: Callable[[SubscriptionSpec], Awaitable[None]],
    ) -> None:
        self._pulls = pulls
        self._settles = settles
        self._spec = spec
        self._streams = names.streams(spec.destination, partitions)
        self._group = names.NAMING.group(spec.group)
        self._token = secrets.token_hex(8)
        self._invisible = spec.config.invisible_time
        self._me = names.consumer(self._token, self._invisible)
        self._retries = [names.retry(stream, self._group) for stream in self._streams]
        self._stored = stored
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._held: dict[tuple[int, bytes], Hold] = {}
        self._look_at = 0.0
        self._lost = False
        self._closed = False
        self._pulling = asyncio.Lock()

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """Entries that are due, expired, or new."""
        deadline = self._loop.time() + wait
        async with self._pulling:
            while not self._closed:
                try:
                    found = await self._pull_once(maximum, max(deadline - self._loop.time(), 0.0))
                except Lost:
                    self._lost = True
                    await self._pulls.insist(("PING",))
                    continue
                if found and self._closed:
                    await self.give_back(found, 0.0, counted=False)
                elif found or self._loop.time() >= deadline:
                    return found
        return []

    async def _pull_once(self, maximum: int, left: float) -> list[Received]:
        if self._lost:
            found = await self._recover()
            self._lost = False
            if found:
                return found
        pause = LOOK_EVERY
        if self._loop.time() >= self._look_at:
            soonest, found = await self._take(maximum)
            self._look_at = self._loop.time() + LOOK_EVERY
            if found:
                return found
            if soonest >= 0:
                pause = min(pause, soonest / 1000)
                self._look_at = self._loop.time() + pause
        return await self._read_new(maximum, min(left, pause))

    async def _read_new(self, maximum: int, wait: float) -> list[Received]:
        share = max(maximum // len(self._streams), 1)
        command: list[Any] = ["XREADGROUP", "GROUP", self._group, self._me, "COUNT", share]
        if wait > 0:
            command += ["BLOCK", math.ceil(wait * 1000)]
        command += ["STREAMS", *self._streams, *[">"] * len(self._streams)]
        (answer,) = await self._pulls.ask(command, wait=wait)
        if isinstance(answer, ResponseError):
            raise translated(answer, self._spec.destination)
        found: list[Received] = []
        for stream, entries in answer or ():
            partition = self._streams.index(stream.decode())
            found += self._received(partition, [(entry, 1, fields) for entry, fields in entries if fields is not None])
        return found

    async def _take(self, maximum: int) -> tuple[int, list[Received]]:
        keys = [key for pair in zip(self._streams, self._retries, strict=True) for key in pair]
        lease = max(int(self._invisible * 1000), 1)
        (answer,) = await self._pulls.ask(
            script(scripts.TAKE, keys, self._group, self._me, maximum, lease, names.WAITING)
        )
        if isinstance(answer, ResponseError):
            raise translated(answer, self._spec.destination)
        soonest, rows = answer
        return soonest, [received for partition, *row in rows for received in self._received(partition, [row])]

    async def _recover(self) -> list[Received]:
        """What the server handed to us over a connection that broke."""
        self._forget_expired()
        found: list[Received] = []
        for partition, stream in enumerate(self._streams):
            known = [entry for at, entry in self._held if at == partition]
            (rows,) = await self._pulls.ask(script(scripts.RECOVER, [stream], self._group, self._me, *known))
            if isinstance(rows, ResponseError):
                raise translated(rows, self._spec.destination)
            found += self._received(partition, rows)
        return found

    def _received(self, partition: int, rows: Sequence[Sequence[Any]]) -> list[Received]:
        """Entries (id, attempt, fields) of a partition as messages that we hold."""
        until = self._loop.time() + self._invisible
        found: list[Received] = []
        for entry, attempt, fields in rows:
            hold = self._held[partition, entry] = Hold(partition, entry, self._me, until)
            found.append(Received(from_entry(entry, fields), hold, attempt, partition))
        return found

    def _forget_expired(self) -> None:
        now = self._loop.time()
        self._held = {place: hold for place, hold in self._held.items() if hold.until > now}

    # ---- settling --------------------------------------------------------------------------------------------------

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """Done, as durably as the server writes."""
        entries: dict[int, list[bytes]] = defaultdict(list)
        for message in messages:
            hold = message.receipt
            entries[hold.partition].append(hold.entry)
        await self._settles.insist(
            *[("XACK", self._streams[partition], self._group, *found) for partition, found in entries.items()]
        )
        self._let_go(messages)
        for partition in entries:
            self._stored(self._spec.destination, partition, len(self._streams))

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They wait in the group, and are handed out when they are due."""
        await self._hold(messages, names.WAITING, str(math.ceil(delay * 1000)), 0 if counted else 1)
        self._let_go(messages)
        self._look_at = 0.0

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """Hand them to a consumer of ours whose leases last that long."""
        holder = names.consumer(self._token, seconds)
        await self._hold(messages, holder, "-1", 0)
        for message in messages:
            message.receipt.holder = holder
            message.receipt.until = self._loop.time() + seconds

    async def _hold(self, messages: Sequence[Received], holder: str, delay_ms: str, back: int) -> None:
        holds: dict[int, list[str | bytes]] = defaultdict(list)
        for message in messages:
            hold = message.receipt
            holds[hold.partition] += (hold.holder, hold.entry)
        await self._settles.insist(
            *[
                script(
                    scripts.HOLD, [self._streams[at], self._retries[at]], self._group, holder, delay_ms, back, *pairs
                )
                for at, pairs in holds.items()
            ]
        )

    def _let_go(self, messages: Sequence[Received]) -> None:
        for message in messages:
            self._held.pop((message.receipt.partition, message.receipt.entry), None)
        if len(self._held) > _KNOWN:
            self._forget_expired()

    async def close(self) -> None:
        """Let go, after at most `LOOK_EVERY` seconds."""
        self._closed = True
        async with self._pulling:
            await self._pulls.close()
        await self._leave(self._spec)
