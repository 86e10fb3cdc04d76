"""A queue: a name, settings, partitions and the groups that consume it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.broker.partition import Partition
from openmessaging.filters import compile_condition
from openmessaging.model.destination import DEFAULT_NAMESPACE, full_name
from openmessaging.model.errors import error
from openmessaging.model.spi import QueueConfig

_MAX = float(1 << 62)
"""Largest setting, in seconds or bytes."""

if TYPE_CHECKING:
    from openmessaging.broker.group import Group
    from openmessaging.broker.shelf import Shelf


def check_config(config: dict[str, Any]) -> None:
    """Raises OMSRuntimeException 1418 naming a setting that is unknown, of a wrong type or out of range."""
    try:
        checked = msgspec.convert(config, QueueConfig)
    except msgspec.ValidationError as cause:
        names = ", ".join(QueueConfig.__struct_fields__)
        raise error(1418, f"queue settings: {cause}", next_step=f"The settings are {names}") from cause
    if checked.compact and (checked.retention_age is not None or checked.retention_bytes is not None):
        step = "Leave retention_age and retention_bytes out: the newest message of a key stays"
        raise error(1418, "a compacted queue is not cut by age or size", next_step=step, field="compact")
    if checked.expired_queue is not None:
        full_name(checked.expired_queue, DEFAULT_NAMESPACE)
    for field in ("retention_age", "retention_bytes", "tombstone_age", "deduplication_window"):
        value = getattr(checked, field)
        if value is not None and not 0 <= value <= _MAX:
            raise error(1418, f"{field}: {value!r} is negative or too large", field=field)
    if checked.filter:
        compile_condition(checked.filter)


class Queue:
    """A queue by its full name `namespace://queue`.


    `partitions` are those it was created with, `count` in number, which never changes, and behind them its lanes: one
    per partition and priority in use (`lanes`, by base number and priority).
    """

    __slots__ = (
        "_turn", "compact", "config", "count", "groups", "id", "lanes", "levels", "name", "partitions", "shelves"
    )  # fmt: skip

    def __init__(self, queue_id: int, name: str, config: dict[str, Any]) -> None:
        self.id = queue_id
        self.name = name
        self.configure(config)
        self.partitions: list[Partition] = []
        self.count = 0
        self.lanes: dict[tuple[int, int], Partition] = {}
        self.levels: list[tuple[int, list[int]]] = []
        """Numbers of the partitions of each priority, highest priority first; kept once there are lanes."""
        self.groups: dict[str, Group] = {}
        self.shelves: dict[int, Shelf] = {}
        """By the number of their partition: where delayed messages wait."""
        self._turn = 0

    def configure(self, config: dict[str, Any]) -> None:
        """Take settings over."""
        self.config = config
        self.compact = bool(config.get("compact", False))
        """Whether only the newest message of each key is kept."""

    @property
    def namespace(self) -> str:
        """The namespace it lies in."""
        return self.name.partition("://")[0]

    def next_partition(self) -> int:
        """The number of the partition whose turn it is; not part of the state, for the choice is in the log."""
        self._turn = (self._turn + 1) % self.count
        return self._turn

    def add_lane(self, lane: Partition) -> None:
        """Put a lane behind the partitions there are."""
        self.partitions.append(lane)
        self.lanes[lane.base, lane.priority] = lane
        levels: dict[int, list[int]] = {}
        for partition in self.partitions:
            levels.setdefault(partition.priority, []).append(partition.number)
        self.levels = sorted(levels.items(), reverse=True)

    def consumed_before(self) -> list[int]:
        """Per partition, the offset below which every group has settled everything; see `Partition.consumed_before`."""
        return [partition.consumed_before() for partition in self.partitions]
