"""Consumer groups as durable consumers of a stream.

order none      one consumer, named like the group, over all partitions
order key       one per partition, `<group>__p0`…, which hands out one message at a time: the next of a partition
                comes when the one before is settled, also after it failed
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from openmessaging.drivers.nats.connection import Connection, Lost, NoResponders, Refusal
from openmessaging.drivers.nats.sending import rfc3339
from openmessaging.drivers.nats.streams import NAMES, Stream
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import GroupConfig, SubscriptionSpec

_NAME, _CONFIG = "oms-group", "oms-config"
"""Metadata of the consumers of a group of ours."""
_NOT_WRITTEN = 10012
_TRIES, _PAUSE = 50, 0.1
_ALONE = 60.0
"""Seconds after which the group of a consumer that vanished is deleted."""


class Group(msgspec.Struct):
    """A group's consumers, as the server describes them."""

    name: str
    config: GroupConfig
    consumers: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Names of the consumers."""
        return [each["name"] for each in self.consumers]

    def total(self, field: str) -> int:
        """A number of all consumers together."""
        return sum(int(each.get(field, 0)) for each in self.consumers)


class Groups:
    """The consumer groups of all streams."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def enter(self, stream: Stream, spec: SubscriptionSpec) -> Group:
        """The group that a consumer asks for, made when missing. Raises 1418 for another order than it has."""
        try:
            found = await self.find(stream, spec.group)
        except OMSRuntimeException as missing:
            if missing.code != 1404:
                raise
            return await self._create(stream, spec.group, spec.config, spec.broadcast)
        if spec.update:
            if found.config.order != spec.config.order:
                step = "Delete the group first"
                raise error(1418, f"the order of {spec.group} cannot be changed", next_step=step, field="order")
            for each in found.consumers:
                config = each["config"] | _settings(spec.group, spec.config)
                body = {"stream_name": stream.native, "config": config, "action": "update"}
                await self._manage(stream, spec.group, f"CONSUMER.CREATE.{stream.native}.{each['name']}", body)
            return await self.find(stream, spec.group)
        return found

    async def find(self, stream: Stream, name: str) -> Group:
        """A group. Raises 1404."""
        native = NAMES.group(name)
        try:
            return _group_of(name, [await self._info(stream, name, native)])
        except OMSRuntimeException as missing:
            if missing.code != 1404:
                raise
        numbers = range(stream.partitions)
        return _group_of(name, [await self._info(stream, name, f"{native}__p{number}") for number in numbers])

    async def _info(self, stream: Stream, group: str, consumer: str) -> dict[str, Any]:
        return await self._manage(stream, group, f"CONSUMER.INFO.{stream.native}.{consumer}")

    async def _manage(self, stream: Stream, group: str, name: str, body: Any = None) -> dict[str, Any]:
        return await self._connection.manage(f"group {group} of {stream.queue}", name, body)

    async def _create(
        self, stream: Stream, name: str, config: GroupConfig, own: bool, starts: Sequence[int | None] | None = None
    ) -> Group:
        """Make a group's consumers, each beginning at a number of the stream if one is given."""
        native = NAMES.group(name)
        by_key = config.order == "key"
        made = []
        for partition in range(stream.partitions) if by_key else (None,):
            consumer = native if partition is None else f"{native}__p{partition}"
            wanted = {
                "name": consumer,
                "durable_name": consumer,
                "ack_policy": "explicit",
                "replay_policy": "instant",
                "max_deliver": -1,
                "max_ack_pending": 1 if by_key else -1,
                "filter_subject": stream.filter(partition),
                **_settings(name, config),
                **start_of(config.start if starts is None else f"offset:{starts[partition or 0]}"),
            }
            if own:
                wanted["inactive_threshold"] = round(_ALONE * 1e9)
            body = {"stream_name": stream.native, "config": wanted, "action": "create"}
            made.append(await self._make(stream, name, f"CONSUMER.CREATE.{stream.native}.{consumer}", body))
        return _group_of(name, made)

    async def _make(self, stream: Stream, name: str, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a consumer. A server that has just deleted one of that name may still be clearing its files away, and
        says that it cannot write new ones."""
        for _ in range(_TRIES):
            try:
                return await self._connection.api(call, body)
            except Refusal as refusal:
                if refusal.code != _NOT_WRITTEN:
                    break
                await asyncio.sleep(_PAUSE)
            except (Lost, NoResponders):
                break
        return await self._manage(stream, name, call, body)

    async def all(self, stream: Stream) -> list[Group]:
        """The groups of a stream."""
        infos: list[dict[str, Any]] = []
        while True:
            page = await self._manage(stream, "*", f"CONSUMER.LIST.{stream.native}", {"offset": len(infos)})
            some = page.get("consumers") or []
            infos += some
            if not some or len(infos) >= page.get("total", 0):
                break
        by_name: dict[str, list[dict[str, Any]]] = {}
        for info in infos:
            if info["config"].get("durable_name"):
                metadata = info["config"].get("metadata") or {}
                by_name.setdefault(metadata.get(_NAME, info["name"]), []).append(info)
        return [_group_of(name, found) for name, found in sorted(by_name.items())]

    async def delete(self, stream: Stream, name: str) -> None:
        """Raises 1404 when missing."""
        group = await self.find(stream, name)
        for consumer in group.names:
            await self._manage(stream, name, f"CONSUMER.DELETE.{stream.native}.{consumer}")

    async def seek(self, stream: Stream, name: str, to: str | Sequence[int | None], ends: tuple[int, int]) -> None:
        """Begin elsewhere: the consumers are made anew, for NATS cannot move one. `ends`: of the stream."""
        group = await self.find(stream, name)
        config = group.config
        starts: list[int | None] | None = None
        if isinstance(to, str):
            start_of(to)  # raises 1418 before anything is done
            config = msgspec.structs.replace(config, start=to)
        else:
            starts = [None if each is None else min(max(each, ends[0]), ends[1]) for each in to]
            if len(starts) != stream.partitions:
                raise error(1418, f"{len(starts)} offsets for {stream.partitions} partitions", field="to")
            floors = floors_of(group, stream)
            starts = [floors[number] if each is None else each for number, each in enumerate(starts)]
            if config.order == "none" and len(set(starts)) > 1:
                step = "Give one time or offset for all, or create the group with order='key'"
                raise error(1418, "a group without order has one place in NATS, for all partitions", next_step=step)
        await self.delete(stream, name)
        await self._create(stream, name, config, False, starts)


def _settings(name: str, config: GroupConfig) -> dict[str, Any]:
    """What may be changed of a consumer."""
    return {
        "ack_wait": round(config.invisible_time * 1e9),
        "metadata": {_NAME: name, _CONFIG: msgspec.json.encode(config).decode()},
    }


def start_of(start: str) -> dict[str, Any]:
    """Where a consumer begins, from a position. Raises OMSRuntimeException 1418."""
    kind, _, number = start.partition(":")
    if start == "earliest":
        return {"deliver_policy": "all"}
    if start == "latest":
        return {"deliver_policy": "new"}
    if number.isascii() and number.isdigit():
        if kind == "offset":
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(int(number), 1)}
        if kind == "ts":
            return {"deliver_policy": "by_start_time", "opt_start_time": rfc3339(int(number))}
    step = "Use earliest, latest, offset:<n> or ts:<ms>"
    raise error(1418, f"{start!r} is no position", next_step=step, field="start")


def _group_of(name: str, consumers: list[dict[str, Any]]) -> Group:
    first = consumers[0]["config"]
    metadata = first.get("metadata") or {}
    config = GroupConfig(order="key") if first.get("max_ack_pending") == 1 else GroupConfig()
    with contextlib.suppress(msgspec.MsgspecError):  # it may be of another program
        config = msgspec.json.decode(metadata.get(_CONFIG, ""), type=GroupConfig)
    waits = first.get("ack_wait", 0) / 1e9
    return Group(name, msgspec.structs.replace(config, invisible_time=waits or config.invisible_time), consumers)


def floors_of(group: Group, stream: Stream) -> list[int]:
    """Per partition, the number below which all is settled."""
    found = [int((each.get("ack_floor") or {}).get("stream_seq", 0)) + 1 for each in group.consumers]
    return found if len(found) == stream.partitions else [found[0]] * stream.partitions
