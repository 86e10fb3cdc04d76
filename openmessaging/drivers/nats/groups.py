"""A consumer group as a durable consumer of a stream, over all its partitions."""

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
MARGIN = 0.1
"""Seconds that the server waits longer for an acknowledgement than a lease lasts: it ends here before another gets the
message."""
_ALONE = 60.0
"""Seconds after which the group of a consumer that vanished is deleted."""


class Group(msgspec.Struct):
    """A group's consumer, as the server describes it."""

    name: str
    config: GroupConfig
    info: dict[str, Any]

    @property
    def consumer(self) -> str:
        """Its name."""
        return str(self.info["name"])

    @property
    def floor(self) -> int:
        """The number below which all is settled."""
        return int((self.info.get("ack_floor") or {}).get("stream_seq", 0)) + 1


class Groups:
    """The consumer groups of all streams."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def enter(self, stream: Stream, spec: SubscriptionSpec) -> Group:
        """The group that a consumer asks for, made when missing."""
        try:
            found = await self.find(stream, spec.group)
        except OMSRuntimeException as missing:
            if missing.code != 1404:
                raise
            return await self._create(stream, spec.group, spec.config, spec.broadcast)
        if not spec.update:
            return found
        config = found.info["config"] | _settings(spec.group, spec.config)
        body = {"stream_name": stream.native, "config": config, "action": "update"}
        call = f"CONSUMER.CREATE.{stream.native}.{found.consumer}"
        return _group_of(spec.group, await self._manage(stream, spec.group, call, body))

    async def find(self, stream: Stream, name: str) -> Group:
        """A group. Raises 1404."""
        call = f"CONSUMER.INFO.{stream.native}.{NAMES.group(name)}"
        return _group_of(name, await self._manage(stream, name, call))

    async def _manage(self, stream: Stream, group: str, name: str, body: Any = None) -> dict[str, Any]:
        return await self._connection.manage(f"group {group} of {stream.queue}", name, body)

    async def _create(self, stream: Stream, name: str, config: GroupConfig, own: bool) -> Group:
        consumer = NAMES.group(name)
        wanted = {
            "name": consumer,
            "durable_name": consumer,
            "ack_policy": "explicit",
            "replay_policy": "instant",
            "max_deliver": -1,
            "max_ack_pending": -1,
            "filter_subject": stream.filter(None),
            **_settings(name, config),
            **start_of(config.start),
        }
        if own:
            wanted["inactive_threshold"] = round(_ALONE * 1e9)
        body = {"stream_name": stream.native, "config": wanted, "action": "create"}
        return _group_of(name, await self._make(stream, name, f"CONSUMER.CREATE.{stream.native}.{consumer}", body))

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
        found = []
        for info in infos:
            if info["config"].get("durable_name"):
                metadata = info["config"].get("metadata") or {}
                found.append(_group_of(metadata.get(_NAME, info["name"]), info))
        return found

    async def delete(self, stream: Stream, name: str) -> None:
        """Raises 1404 when missing."""
        await self._manage(stream, name, f"CONSUMER.DELETE.{stream.native}.{NAMES.group(name)}")

    async def seek(self, stream: Stream, name: str, to: str | Sequence[int | None], ends: tuple[int, int]) -> None:
        """Begin elsewhere: the consumer is made anew, for NATS cannot move one. `ends`: of the stream."""
        group = await self.find(stream, name)
        if isinstance(to, str):
            position = to
        else:
            places = {group.floor if each is None else min(max(each, ends[0]), ends[1]) for each in to}
            if len(to) != stream.partitions:
                raise error(1418, f"{len(to)} offsets for {stream.partitions} partitions", field="to")
            if len(places) > 1:
                step = "Give one time or offset for all"
                raise error(1418, "a group has one place in NATS, for all partitions", next_step=step, field="to")
            position = f"offset:{places.pop()}"
        start_of(position)  # raises 1418 before anything is done
        await self.delete(stream, name)
        await self._create(stream, name, msgspec.structs.replace(group.config, start=position), False)


def _settings(name: str, config: GroupConfig) -> dict[str, Any]:
    """What may be changed of a consumer."""
    return {
        "ack_wait": round((config.invisible_time + MARGIN) * 1e9),
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


def _group_of(name: str, info: dict[str, Any]) -> Group:
    waits = info["config"].get("ack_wait", 0) / 1e9
    config = GroupConfig(invisible_time=max(waits - MARGIN, waits / 2) or GroupConfig().invisible_time)
    with contextlib.suppress(msgspec.MsgspecError):  # it may be of another program
        metadata = info["config"].get("metadata") or {}
        config = msgspec.json.decode(metadata.get(_CONFIG, ""), type=GroupConfig)
    return Group(name, config, info)
