"""Operations that have to do with time: delayed messages, messages that expire, and schedules."""

from __future__ import annotations

from openmessaging.broker.operation import Operation
from openmessaging.broker.schedule import Schedule


class CreateShelf(Operation, tag=20, frozen=True):
    """A place for the delayed messages of a queue's partition comes into being, a hidden partition with that id."""

    queue_id: int
    number: int
    partition_id: int


class Expiring(Operation, tag=22, frozen=True):
    """The last messages of a partition that may expire end at an offset."""

    partition_id: int
    end: int


class Expire(Operation, tag=23, frozen=True):
    """Messages `start` to `end` (exclusive) of a partition have expired for a group: settled, never handed out."""

    group_id: int
    partition_id: int
    start: int
    end: int


class Leave(Operation, tag=21, frozen=True):
    """Messages of a shelf wait no more: they were fired, cancelled, or moved to another place on it."""

    partition_id: int
    offsets: list[int]


class PutSchedule(Operation, tag=24, frozen=True):
    """A schedule comes into being, or takes the place of the one of its name."""

    schedule: Schedule


class Occur(Operation, tag=25, frozen=True):
    """A schedule sent the messages that this entry has of it; when it occurs next (0: it is over)."""

    name: str
    next_ms: int
    sent: int
    """Since it was made."""
    left_out_ms: int
    """The newest occurrence that was left out; 0: none."""


class DropSchedule(Operation, tag=26, frozen=True):
    """A schedule goes."""

    name: str
