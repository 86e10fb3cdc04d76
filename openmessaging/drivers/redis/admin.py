"""Namespaces, queues and groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from openmessaging.drivers.redis import names, scripts
from openmessaging.drivers.redis.reading import Reading, as_dict, checked_config, no_queue, start_of
from openmessaging.model.destination import DEFAULT_NAMESPACE, split_name
from openmessaging.model.errors import error
from openmessaging.model.spi import GroupConfig, GroupInfo, QueueInfo

_SCANNED = 5_000
"""Keys looked at in one call."""
_COUNT = 5_000
"""Entries counted at once, where the server does not know a group's lag."""


class Admin(Reading):
    """Resource management: what Redis has no words for (partitions, namespaces, settings) stands in keys of ours."""

    # ---- namespaces ------------------------------------------------------------------------------------------------

    async def create_namespace(self, name: str) -> None:
        """Raises 1407 when it is there."""
        if name == DEFAULT_NAMESPACE or not await self._ask("SADD", names.NAMESPACES, name):
            raise error(1407, f"there is a namespace {name}", next_step="Take another name")

    async def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues."""
        if await self.list_queues(name) or name == DEFAULT_NAMESPACE:
            raise error(
                1400, f"namespace {name} has queues, or is the default one", next_step="Delete its queues first"
            )
        await self._ask("SREM", names.NAMESPACES, name)

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        found = await self._ask("SMEMBERS", names.NAMESPACES)
        return sorted({DEFAULT_NAMESPACE, *(each.decode() for each in found)})

    # ---- queues ----------------------------------------------------------------------------------------------------

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it, or a stream of its name, is there, 1405 when its namespace is missing, 1418 for a wrong
        number of partitions or setting."""
        if not 1 <= partitions <= 1024:
            raise error(1418, f"{partitions} partitions, 1 to 1,024 are possible", field="partitions")
        namespace = split_name(name)[0]
        if namespace not in await self.list_namespaces():
            raise error(1405, f"there is no namespace {namespace}", next_step="Create it first")
        await self._create(name, partitions, checked_config(config, {}))
        self._partitions[name] = partitions

    async def update_queue(self, name: str, config: dict[str, Any]) -> None:
        """Change settings; a stream that another program made becomes a queue of ours. Raises 1404, 1418."""
        partitions = await self._there(name)
        settings = checked_config(config, await self._config(name))
        await self._link.insist(
            ("HSET", names.CONFIG, name, json.dumps(settings)), ("HSET", names.REGISTRY, name, partitions)
        )

    async def delete_queue(self, name: str) -> None:
        """Its groups go with it. Raises 1404 when missing."""
        partitions = await self._there(name)
        keys = [names.REGISTRY, names.CONFIG, names.groups(name), *names.streams(name, partitions)]
        await self._run(scripts.DELETE, keys, name, names.retry("", "").removesuffix("/"))
        self._forget(name)

    async def purge_queue(self, name: str) -> int:
        """Drop all messages; returns how many. Raises 1404 when missing."""
        commands = [("XTRIM", stream, "MAXLEN", 0) for stream in names.streams(name, await self._there(name))]
        return sum(await self._link.insist(*commands))

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted; in the default namespace, streams of other programs are among them. Raises 1405 when the
        namespace is missing."""
        there, known = await self._link.insist(("SISMEMBER", names.NAMESPACES, namespace), ("HKEYS", names.REGISTRY))
        found = {name for each in known if split_name(name := each.decode())[0] == namespace}
        if namespace == DEFAULT_NAMESPACE:
            found |= await self._native_streams()
        elif not there:
            raise error(1405, f"there is no namespace {namespace}", next_step="Create it first")
        return sorted(found)

    async def _native_streams(self) -> set[str]:
        """Queues of the default namespace by the streams that there are."""
        found: set[str] = set()
        cursor = b"0"
        while True:
            cursor, keys = await self._ask("SCAN", cursor, "COUNT", _SCANNED, "TYPE", "stream")
            for key in keys:
                named = names.NAMING.full(key.decode(errors="replace"))
                if named is not None and named[1] is None and split_name(named[0])[0] == DEFAULT_NAMESPACE:
                    found.add(named[0])
            if cursor == b"0":
                return found

    async def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""
        partitions = await self._there(name)
        streams = names.streams(name, partitions)
        messages = sum(await self._link.insist(*[("XLEN", stream) for stream in streams]))
        offsets = [await self._bounds(stream) for stream in streams]
        groups = [group[b"name"].decode() for group in await self._groups(streams[0])]
        return QueueInfo(
            name, partitions, messages, offsets, sorted(map(names.NAMING.group_of, groups)), await self._config(name)
        )

    async def _there(self, queue: str) -> int:
        """Number of partitions as it is now. Raises 1404."""
        found, kind = await self._link.insist(
            ("HGET", names.REGISTRY, queue), ("TYPE", names.stream(queue, 0, partitions=1))
        )
        self._forget(queue)
        if found is None and kind != b"stream":
            raise no_queue(queue)
        return int(found or 1)

    async def _config(self, queue: str) -> dict[str, Any]:
        text = await self._ask("HGET", names.CONFIG, queue)
        if text is None:
            return {"retention": "keep"}  # a stream of another program
        return checked_config(json.loads(text), {})

    # ---- groups ----------------------------------------------------------------------------------------------------

    async def list_groups(self, queue: str | None = None) -> list[GroupInfo]:
        """All groups, or those of one queue. Raises 1404."""
        queues = [queue]
        if queue is None:
            queues = [each for namespace in await self.list_namespaces() for each in await self.list_queues(namespace)]
        found: list[GroupInfo] = []
        for name in queues:
            assert name is not None
            stream = names.stream(name, 0, await self._there(name))
            groups = sorted(names.NAMING.group_of(each[b"name"].decode()) for each in await self._groups(stream))
            found += [await self.describe_group(name, group) for group in groups]
        return found

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        streams = names.streams(queue, await self._there(queue))
        native = names.NAMING.group(group)
        lag = pending = waiting = 0
        floors: list[int] = []
        oldest: list[int] = []
        for stream in streams:
            facts = await self._group(stream, group)
            behind, parked, floor, oldest_ms = await self._progress(stream, native, facts)
            lag, pending, waiting = lag + behind, pending + facts[b"pending"], waiting + parked
            floors.append(floor)
            oldest += [] if oldest_ms is None else [oldest_ms]
        return GroupInfo(
            name=group,
            queue=queue,
            lag=lag + pending,
            in_flight=pending - waiting,
            retrying=waiting,
            floors=floors,
            dead_letter_queue=f"{queue}.{group}.dead-letter",
            oldest_ms=min(oldest, default=None),
            config=await self._settings(queue, native),
        )

    async def _progress(self, stream: str, group: str, facts: dict[bytes, Any]) -> tuple[int, int, int, int | None]:
        """Messages not handed out yet, those that wait for their next attempt, below which offset all is settled, and
        the time of the oldest message that is not."""
        delivered = facts[b"last-delivered-id"].decode()
        first_left = await self._ask("XRANGE", stream, f"({delivered}", "+", "COUNT", 1)
        behind = facts.get(b"lag")
        if behind is None:
            behind = await self._count(stream, delivered)
        count, lowest, _, consumers = await self._ask("XPENDING", stream, group)
        oldest: int | None
        if count:
            floor, oldest = names.offset_of(lowest) or 0, names.time_of(lowest)
        else:
            floor = (names.offset_of(delivered.encode()) or 0) + 1
            oldest = names.time_of(first_left[0][0]) if first_left else None
        parked = {name: int(held) for name, held in consumers or ()}.get(names.WAITING.encode(), 0)
        return behind, parked, floor, oldest

    async def _count(self, stream: str, after: str) -> int:
        total = 0
        while True:
            entries = await self._ask("XRANGE", stream, f"({after}", "+", "COUNT", _COUNT)
            total += len(entries)
            if len(entries) < _COUNT:
                return total
            after = entries[-1][0].decode()

    async def seek_group(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group. Raises 1404, 1418 for what is no position."""
        streams = names.streams(queue, await self._there(queue))
        native = names.NAMING.group(group)
        for partition, stream in enumerate(streams):
            await self._group(stream, group)
            place = to if isinstance(to, str) else to[partition]
            if place is None:
                continue
            start = start_of(place) if isinstance(place, str) else names.entry_before(place)
            await self._run(scripts.SEEK, [stream, names.retry(stream, native)], native, start)

    async def delete_group(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        native = names.NAMING.group(group)
        streams = names.streams(queue, await self._there(queue))
        await self._group(streams[0], group)
        commands = [("XGROUP", "DESTROY", stream, native) for stream in streams]
        forgotten = [("DEL", *[names.retry(stream, native) for stream in streams])]
        await self._link.insist(*commands, *forgotten, ("HDEL", names.groups(queue), native))

    async def _group(self, stream: str, group: str) -> dict[bytes, Any]:
        """What the server says of a group. Raises 1404."""
        native = names.NAMING.group(group).encode()
        for found in await self._groups(stream):
            if found[b"name"] == native:
                return found
        raise error(1404, f"{stream} has no group {group}", next_step="It is made by its first consumer")

    async def _groups(self, stream: str) -> list[dict[bytes, Any]]:
        if not await self._ask("EXISTS", stream):
            return []
        return [as_dict(group) for group in await self._ask("XINFO", "GROUPS", stream)]

    async def _settings(self, queue: str, native: str) -> GroupConfig:
        text = await self._ask("HGET", names.groups(queue), native)
        try:
            return msgspec.json.decode(text or b"{}", type=GroupConfig)
        except msgspec.DecodeError as cause:
            raise error(1501, f"settings of group {native}: {cause}") from cause
