"""Queues as streams: one stream per queue, one subject per partition.

    stream orders: orders.0, orders.1 …        the partitions
                   orders.delayed.>            messages that are not due yet, one subject each

A stream that another program made is a queue of one partition: all its subjects together.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from openmessaging.drivers.naming import Naming
from openmessaging.drivers.nats.connection import Connection
from openmessaging.model.destination import DEFAULT_NAMESPACE, split_name
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.headers import shown

PARTITIONS = "oms-partitions"
"""Metadata of a stream that is a queue of ours."""
WINDOW_NS = 120 * 10**9
"""For how long a stream knows the ids of messages: what is sent again within it is stored once."""
MAX_PARTITIONS = 256
NAMES = Naming()
_MARKER = "__-"
"""Behind the name of a namespace: a stream that keeps it, which is no queue's."""
_NOT_QUEUES = ("KV_", "OBJ_", "$")


class Stream(msgspec.Struct, frozen=True):
    """A queue's stream."""

    native: str
    queue: str
    """Full name."""
    partitions: int
    subjects: list[str]
    ours: bool
    atomic: bool
    """Whether it takes batches whole."""
    ttl: bool
    """Whether its messages may expire."""
    schedules: bool
    """Whether it keeps messages until they are due."""
    replicas: int
    on_disk: bool

    def subject(self, partition: int) -> str:
        """Where a message for a partition goes. Raises OMSRuntimeException 1418 for a stream of another program that
        has no one subject."""
        if self.ours:
            return f"{self.native}.{partition}"
        if len(self.subjects) == 1 and "*" not in self.subjects[0] and ">" not in self.subjects[0]:
            return self.subjects[0]
        text = f"the stream {self.native} takes {', '.join(self.subjects)}: a message for it has no one subject"
        raise error(1418, text, next_step="Send to it with a client of NATS, or create a queue of its own")

    def filter(self, partition: int | None) -> str:
        """The subjects of a partition, or of all."""
        if not self.ours:
            return ">"
        return f"{self.native}.{'*' if partition is None else partition}"

    @property
    def delayed(self) -> str:
        """The subjects of what is not due yet."""
        return f"{self.native}.delayed.>"

    def partition_of(self, subject: str) -> int:
        """The partition of a message."""
        number = subject.rpartition(".")[2]
        return int(number) if self.ours and number.isdecimal() else 0


class Streams:
    """The streams of a server, by queue."""

    def __init__(self, connection: Connection, auto_create: bool, partitions: int, replicas: int) -> None:
        self._connection = connection
        self._auto_create = auto_create
        self._partitions = partitions
        self._replicas = replicas
        self._known: dict[str, Stream] = {}

    async def get(self, queue: str, create: bool = True) -> Stream:
        """The stream of a queue (full name), created on first use where that is on. Raises 1404, 1405."""
        found = self._known.get(queue)
        if found is not None:
            return found
        try:
            return (await self.look_up(queue))[0]
        except OMSRuntimeException as missing:
            if missing.code != 1404 or not create or not self._auto_create:
                raise
        try:
            return await self.create(queue, self._partitions, {})
        except OMSRuntimeException as failure:
            if failure.code != 1406:
                raise
            return (await self.look_up(queue))[0]  # another was quicker

    async def look_up(self, queue: str, **asked: Any) -> tuple[Stream, dict[str, Any]]:
        """The stream of a queue, and all that the server says of it. Raises 1404."""
        native = NAMES.native(queue)
        info = await self._connection.manage(queue, f"STREAM.INFO.{native}", asked or None)
        stream = _stream_of(queue, info["config"])
        self._known[queue] = stream
        return stream, info

    def forget(self, queue: str) -> None:
        """It may have changed."""
        self._known.pop(queue, None)

    async def create(self, queue: str, partitions: int, config: dict[str, Any]) -> Stream:
        """Make a stream. Raises 1405, 1406, 1418, OMSUnsupportException for a setting that NATS does not have."""
        if not 1 <= partitions <= MAX_PARTITIONS:
            what = f"partitions: {partitions} is not between 1 and {MAX_PARTITIONS}"
            raise error(1418, what, next_step="Spread the messages over several queues", field="partitions")
        namespace, _ = split_name(queue)
        if not await self.has_namespace(namespace):
            raise no_namespace(namespace)
        native = NAMES.native(queue)
        subjects = [f"{native}.{number}" for number in range(partitions)] + [f"{native}.delayed.>"]
        wanted = {
            **self._base(native, subjects),
            # By its mark, a stream made by another at the same time is not the same.
            "metadata": {PARTITIONS: str(partitions), "oms-mark": secrets.token_hex(8)},
            **limits_of(config),
        }
        if self._connection.version >= (2, 11):
            wanted["allow_msg_ttl"] = True
        if self._connection.version >= (2, 12):
            wanted |= {"allow_atomic": True, "allow_msg_schedules": True, "allow_rollup_hdrs": True}
        found = await self._connection.manage(queue, f"STREAM.CREATE.{native}", wanted)
        stream = self._known[queue] = _stream_of(queue, found["config"])
        return stream

    def _base(self, native: str, subjects: list[str]) -> dict[str, Any]:
        return {
            "name": native,
            "subjects": subjects,
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": self._replicas,
            "allow_direct": True,
            "duplicate_window": WINDOW_NS,
        }

    async def names(self) -> list[str]:
        """The names of all streams."""
        found: list[str] = []
        while True:
            page = await self._connection.manage("the streams", "STREAM.NAMES", {"offset": len(found)})
            some = page.get("streams") or []
            found += some
            if not some or len(found) >= page.get("total", 0):
                return found

    async def queues(self, namespace: str) -> list[str]:
        """Full names of the queues of a namespace, sorted. Raises 1405."""
        names = await self.names()
        if namespace not in _namespaces(names):
            raise no_namespace(namespace)
        return sorted(queue for queue in _queues(names) if split_name(queue)[0] == namespace)

    async def namespaces(self) -> list[str]:
        """All of them, sorted."""
        return sorted(_namespaces(await self.names()))

    async def has_namespace(self, namespace: str) -> bool:
        """Whether a namespace is there."""
        return namespace == DEFAULT_NAMESPACE or namespace in _namespaces(await self.names())

    async def create_namespace(self, name: str) -> None:
        """Keep a namespace by an empty stream. Raises 1407."""
        if await self.has_namespace(name):
            raise error(1407, f"the namespace {name} is there already", next_step="Use it, or choose another name")
        native = marker_of(name)
        await self._connection.manage(name, f"STREAM.CREATE.{native}", self._base(native, [native]))

    async def delete_namespace(self, name: str) -> None:
        """Raises 1405 when missing, 1400 when it has queues or is the default one."""
        names = await self.names()
        if name not in _namespaces(names):
            raise no_namespace(name)
        if name == DEFAULT_NAMESPACE:
            raise error(1400, "the default namespace stays", next_step="Delete its queues instead")
        if any(split_name(queue)[0] == name for queue in _queues(names)):
            raise error(1400, f"the namespace {name} has queues", next_step="Delete them first")
        await self._connection.manage(name, f"STREAM.DELETE.{marker_of(name)}")


def limits_of(config: dict[str, Any]) -> dict[str, Any]:
    """What settings of a queue are in a stream's. Raises OMSUnsupportException for others."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if name == "retention_age":
            found["max_age"] = 0 if value is None else round(_number(name, value) * 10**9)
        elif name == "retention_bytes":
            found["max_bytes"] = -1 if value is None else round(_number(name, value))
        elif (name, value) != ("retention", "keep"):
            step = "NATS keeps messages by age and size: retention_age, retention_bytes"
            failure = unsupported(f"the setting {name} = {shown(value)}", next_step=step)
            failure.field = name
            raise failure
    if "max_age" in found and 0 < found["max_age"] < WINDOW_NS:
        found["duplicate_window"] = found["max_age"]
    return found


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """A stream's limits as settings of a queue."""
    found: dict[str, Any] = {"retention": "keep"}
    if config.get("max_age", 0) > 0:
        found["retention_age"] = config["max_age"] / 10**9
    if config.get("max_bytes", -1) > 0:
        found["retention_bytes"] = config["max_bytes"]
    return found


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise error(1418, f"{name}: {shown(value)} is no number above 0", field=name)
    return value


def _stream_of(queue: str, config: dict[str, Any]) -> Stream:
    metadata = config.get("metadata") or {}
    partitions = metadata.get(PARTITIONS, "")
    return Stream(
        native=config["name"],
        queue=queue,
        partitions=int(partitions) if partitions.isdecimal() else 1,
        subjects=config.get("subjects") or [],
        ours=partitions.isdecimal(),
        atomic=bool(config.get("allow_atomic")),
        ttl=bool(config.get("allow_msg_ttl")),
        schedules=bool(config.get("allow_msg_schedules")),
        replicas=int(config.get("num_replicas", 1)),
        on_disk=config.get("storage", "file") == "file",
    )


def _queues(names: list[str]) -> list[str]:
    found = [NAMES.full(name) for name in names if not name.startswith(_NOT_QUEUES)]
    return [each[0] for each in found if each is not None and each[1] is None]


def marker_of(namespace: str) -> str:
    """The name of the stream that keeps a namespace."""
    return NAMES.group(namespace) + _MARKER


def _namespaces(names: list[str]) -> set[str]:
    kept = {NAMES.full(f"{name}x") for name in names if name.endswith(_MARKER)}
    return {DEFAULT_NAMESPACE, *(split_name(queue)[0] for queue in _queues(names))} | {
        split_name(each[0])[0] for each in kept if each is not None
    }


def no_namespace(name: str) -> OMSRuntimeException:
    """The error for a namespace that is missing."""
    return error(1405, f"there is no namespace {name}", next_step="Create it first")
