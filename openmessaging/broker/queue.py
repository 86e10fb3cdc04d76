"""A queue: a name, settings, partitions and the groups that consume it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openmessaging.broker.partition import Partition

if TYPE_CHECKING:
    from openmessaging.broker.group import Group


class Queue:
    """A queue by its full name `namespace://queue`. Its number of partitions never changes."""

    __slots__ = ("_turn", "config", "groups", "id", "name", "partitions")

    def __init__(self, queue_id: int, name: str, config: dict[str, Any]) -> None:
        self.id = queue_id
        self.name = name
        self.config = config
        self.partitions: list[Partition] = []
        self.groups: dict[str, Group] = {}
        self._turn = 0

    @property
    def namespace(self) -> str:
        """The namespace it lies in."""
        return self.name.partition("://")[0]

    def next_partition(self) -> int:
        """The number of the partition whose turn it is; not part of the state, for the choice is in the log."""
        self._turn = (self._turn + 1) % len(self.partitions)
        return self._turn

    def consumed_before(self) -> list[int]:
        """Per partition, the offset below which every group has settled everything; see `Partition.consumed_before`."""
        return [partition.consumed_before() for partition in self.partitions]
