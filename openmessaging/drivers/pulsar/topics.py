"""Queues as topics: their names, their partitions, what is made at the first use."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from openmessaging.drivers.naming import Naming
from openmessaging.drivers.pulsar.link import Link
from openmessaging.model.destination import DEFAULT_NAMESPACE, split_name
from openmessaging.model.errors import OMSRuntimeException, error, unsupported

NAMING = Naming(".")
WEEK = 7 * 24 * 60
"""Minutes for which a queue made here keeps its messages, unless its settings say otherwise."""
_PLAIN = 0
"""Partitions of a topic that is not partitioned; it counts as one."""


class Topics:
    """The topics of a tenant. `default_partitions`: of a queue made at its first use; 0: none is made."""

    def __init__(self, link: Link, default_partitions: int) -> None:
        self._link = link
        self._default_partitions = default_partitions
        self._known: dict[str, int] = {}
        self._making = asyncio.Lock()

    def space(self, namespace: str) -> str:
        """Pulsar's name of a namespace."""
        return f"{self._link.address.tenant}/{NAMING.group(namespace)}"

    def path(self, queue: str, partition: int | None = None) -> str:
        """`TENANT/NAMESPACE/TOPIC` of a queue (full name), or of one of its partitions."""
        namespace, name = split_name(queue)
        topic = f"{self.space(namespace)}/{NAMING.group(name)}"
        return topic if partition is None else f"{topic}-partition-{partition}"

    def admin(self, queue: str, partition: int | None = None) -> str:
        """The administration's path of it."""
        plain = self._known.get(queue) == _PLAIN
        return f"persistent/{quote(self.path(queue, None if plain else partition))}"

    async def names(self, queue: str, create: bool = True) -> list[str]:
        """A topic's name for each partition. Raises 1404."""
        count = await self._count(queue, create)
        if count == _PLAIN:
            return [f"persistent://{self.path(queue)}"]
        return [f"persistent://{self.path(queue, partition)}" for partition in range(count)]

    async def partitions(self, queue: str, create: bool = True) -> int:
        """How many it has. Raises 1404."""
        return max(await self._count(queue, create), 1)

    async def _count(self, queue: str, create: bool) -> int:
        known = self._known.get(queue)
        if known is not None:
            return known
        async with self._making:
            try:
                found = await self._find(queue)
            except OMSRuntimeException as missing:
                if missing.code != 1404 or not (create and self._default_partitions):
                    raise
                await self.create(queue, self._default_partitions, {})
                found = self._default_partitions
            self._known[queue] = found
        return found

    async def _find(self, queue: str) -> int:
        return int((await self._link.admin("GET", f"persistent/{quote(self.path(queue))}/partitions"))["partitions"])

    async def create(self, queue: str, partitions: int, config: dict[str, Any]) -> None:
        """Make a queue that keeps what it gets. Raises 1405, 1406."""
        admin = f"persistent/{quote(self.path(queue))}"
        try:
            await self._link.admin("PUT", f"{admin}/partitions", partitions)
        except OMSRuntimeException as failure:
            if failure.code != 1404:
                raise
            namespace, _ = split_name(queue)
            raise error(1405, f"there is no namespace {namespace}", next_step="Create it first") from failure
        await self.configure(queue, config)

    async def configure(self, queue: str, config: dict[str, Any]) -> None:
        """Set how long it keeps what every group has settled; and that what a producer sends again, because a
        connection broke, is stored once. Raises OMSUnsupportException for another setting."""
        unknown = set(config) - {"retention_age", "retention"}
        if unknown:
            raise unsupported(sorted(unknown)[0], next_step="A queue of Pulsar keeps by age: retention_age")
        age = config.get("retention_age")
        minutes = WEEK if age is None else max(round(age / 60), 1)
        forever = age is None and config.get("retention") == "keep"
        admin = f"persistent/{quote(self.path(queue))}"
        kept = {"retentionTimeInMinutes": -1 if forever else minutes, "retentionSizeInMB": -1}
        await self._link.admin("POST", f"{admin}/retention", kept)
        await self._link.admin("POST", f"{admin}/deduplicationEnabled", True)

    async def config(self, queue: str) -> dict[str, Any]:
        """Its settings; none for a topic that was not made here."""
        kept = await self._link.admin("GET", f"persistent/{quote(self.path(queue))}/retention")
        if not kept:
            return {}
        minutes = kept["retentionTimeInMinutes"]
        return {"retention": "keep"} if minutes < 0 else {"retention_age": minutes * 60.0}

    async def delete(self, queue: str) -> None:
        """Raises 1404 when it is missing."""
        partitioned = await self._count(queue, False) != _PLAIN
        admin = f"persistent/{quote(self.path(queue))}"
        self._known.pop(queue, None)
        await self._link.admin("DELETE", f"{admin}/partitions?force=true" if partitioned else f"{admin}?force=true")

    def forget(self, queue: str) -> None:
        """Ask again at the next use."""
        self._known.pop(queue, None)

    async def queues(self, namespace: str) -> list[str]:
        """Full names of the queues of a namespace, sorted. Raises 1405."""
        space = quote(self.space(namespace))
        try:
            partitioned = await self._link.admin("GET", f"persistent/{space}/partitioned")
            single = await self._link.admin("GET", f"persistent/{space}")
        except OMSRuntimeException as failure:
            if failure.code != 1404:
                raise
            raise error(1405, f"there is no namespace {namespace}", next_step="Create it first") from failure
        parts = tuple(f"{topic}-partition-" for topic in partitioned)
        found = {*partitioned, *(topic for topic in single if not topic.startswith(parts))}
        names = (full_name(namespace, topic.rpartition("/")[2]) for topic in found)
        return sorted(name for name in names if name is not None)

    async def namespaces(self) -> list[str]:
        """Names, sorted; those of the system are left out."""
        spaces = await self._link.admin("GET", f"namespaces/{quote(self._link.address.tenant)}")
        names = (full_name(DEFAULT_NAMESPACE, space.rpartition("/")[2]) for space in spaces)
        return sorted(split_name(name)[1] for name in names if name is not None)


def full_name(namespace: str, topic: str) -> str | None:
    """The queue that a topic is; None for one of the system, or one that no queue of ours has."""
    found = NAMING.full(topic)
    if found is None or topic.startswith("__"):
        return None
    (space, queue), partition = split_name(found[0]), found[1]
    return f"{namespace}://{queue}" if space == DEFAULT_NAMESPACE and partition is None else None
