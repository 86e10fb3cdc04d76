"""Consumer groups as subscriptions; a group's settings are a property of its subscription."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from openmessaging.drivers.pulsar.link import Link
from openmessaging.drivers.pulsar.records import offset_at, place_of
from openmessaging.drivers.pulsar.topics import NAMING, Topics
from openmessaging.model import dead_letter
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import GroupConfig, GroupInfo, SubscriptionSpec

_CONFIG, _NAME = "oms-config", "oms-group"
_LAST = (1 << 63) - 1
_EARLIEST, _LATEST = {"ledgerId": -1, "entryId": -1}, {"ledgerId": _LAST, "entryId": _LAST}


class Groups:
    """The subscriptions of all topics."""

    def __init__(self, link: Link, topics: Topics) -> None:
        self._link = link
        self._topics = topics

    def path(self, queue: str, group: str, partition: int | None = None) -> str:
        """The administration's path of a group, on the whole queue or on a partition."""
        return f"{self._topics.admin(queue, partition)}/subscription/{quote(NAMING.group(group))}"

    async def join(self, spec: SubscriptionSpec) -> GroupConfig:
        """Make the group where it is missing; returns the settings that count. Raises 1418."""
        config = msgspec.structs.replace(spec.config, broadcast=spec.broadcast)
        found = await self._settings(spec.destination, spec.group)
        if found is None:
            await self._create(spec, config)
        elif not spec.update:
            return found
        else:
            if found.order != config.order:
                step = "Delete the group first"
                raise error(1418, f"the order of {spec.group} cannot be changed", next_step=step, field="order")
            await self._link.admin(
                "PUT", f"{self.path(spec.destination, spec.group)}/properties", _kept(spec.group, config)
            )
        return config

    async def _settings(self, queue: str, group: str) -> GroupConfig | None:
        try:
            kept = await self._link.admin("GET", f"{self.path(queue, group)}/properties")
        except OMSRuntimeException as missing:
            if missing.code != 1404:
                raise
            return None
        return config_of(kept or {})

    async def _create(self, spec: SubscriptionSpec, config: GroupConfig) -> None:
        start = config.start
        place = _LATEST if start == "latest" else _EARLIEST
        body = {**place, "partitionIndex": -1, "properties": _kept(spec.group, config)}
        try:
            await self._link.admin("PUT", self.path(spec.destination, spec.group), body)
        except OMSRuntimeException as failure:
            if failure.code != 1406:  # another consumer was quicker
                raise
        if start not in ("earliest", "latest"):
            await self.seek(spec.destination, spec.group, start)

    async def seek(self, queue: str, group: str, to: str | Sequence[int | None]) -> None:
        """Move a group. Raises 1404, 1418 for what is no position."""
        if isinstance(to, str):
            verb, _, number = to.partition(":")
            path = self.path(queue, group)
            if to == "earliest":
                await self._link.admin("POST", f"{path}/resetcursor/0")
            elif to == "latest":
                await self._link.admin("POST", f"{path}/skip_all")
            elif verb == "ts" and number.isdecimal():
                await self._link.admin("POST", f"{path}/resetcursor/{number}")
            elif verb == "offset" and number.isdecimal():
                await self.seek(queue, group, [int(number)] * await self._topics.partitions(queue))
            else:
                step = "Give earliest, latest, ts:MS, or offset:N"
                raise error(1418, f"{to!r} is no position", next_step=step, field="start")
            return
        for partition, offset in enumerate(to):
            if offset is not None:
                ledger, entry, place = place_of(offset)
                body = {"ledgerId": ledger, "entryId": entry, "partitionIndex": partition, "batchIndex": place}
                await self._link.admin("POST", f"{self.path(queue, group, partition)}/resetcursor", body)

    async def delete(self, queue: str, group: str) -> None:
        """Raises 1404 when missing."""
        await self._topics.partitions(queue, create=False)
        await self._link.admin("DELETE", f"{self.path(queue, group)}?force=true")

    async def list(self, queue: str) -> list[GroupInfo]:
        """All groups of a queue."""
        partitions = await self._topics.partitions(queue, create=False)
        stats: list[Any] = []
        inside: list[Any] = []
        for partition in range(partitions):
            path = self._topics.admin(queue, partition)
            found = (await self._link.admin("GET", f"{path}/stats?getPreciseBacklog=true"))["subscriptions"]
            # Readers have subscriptions too, for as long as they are connected.
            stats.append({name: each for name, each in found.items() if each.get("durable", True)})
            inside.append((await self._link.admin("GET", f"{path}/internalStats"))["cursors"])
        return [_info(queue, native, stats, inside) for native in sorted({name for each in stats for name in each})]

    async def describe(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        for info in await self.list(queue):
            if info.name == group:
                return info
        raise error(1404, f"{queue} has no group {group}", next_step="It is made by its first consumer")


def _kept(group: str, config: GroupConfig) -> dict[str, str]:
    return {_NAME: group, _CONFIG: msgspec.json.encode(config).decode()}


def config_of(kept: dict[str, str]) -> GroupConfig:
    """The settings of a subscription; the usual ones for another program's."""
    try:
        return msgspec.json.decode(kept.get(_CONFIG, "{}"), type=GroupConfig)
    except msgspec.DecodeError as cause:
        raise error(1501, f"settings of a group: {cause}") from cause


def _info(queue: str, native: str, stats: Sequence[Any], inside: Sequence[Any]) -> GroupInfo:
    parts = [each[native] for each in stats if native in each]
    kept = parts[0].get("subscriptionProperties") or {}
    name = kept.get(_NAME, native)
    floors = []
    for cursors in inside:
        ledger, _, entry = cursors.get(native, {}).get("markDeletePosition", "0:-1").partition(":")
        floors.append(offset_at(int(ledger), int(entry) + 1) or 0)
    return GroupInfo(
        name=name,
        queue=queue,
        lag=sum(part["msgBacklog"] for part in parts),
        in_flight=sum(part["unackedMessages"] for part in parts),
        retrying=0,
        floors=floors,
        dead_letter_queue=dead_letter.queue_of(queue, name),
        oldest_ms=None,
        config=config_of(kept),
    )
