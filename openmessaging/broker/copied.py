"""Operations of copies: see `copies`."""

from __future__ import annotations

from openmessaging.broker.operation import Operation


class CreateCopy(Operation, tag=52, frozen=True):
    """Copying from a queue to another begins: an offset per partition to begin and to end with."""

    name: str
    source: str
    target: str
    starts: list[int]
    ends: list[int]
    keep: bool


class AdvanceCopy(Operation, tag=53, frozen=True):
    """The batches of this entry are copies; how far a partition is copied by now."""

    name: str
    number: int
    offset: int


class EndCopy(Operation, tag=54, frozen=True):
    """A copy is complete or given up, and forgotten."""

    name: str
