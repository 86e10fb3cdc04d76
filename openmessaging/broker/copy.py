"""A copy of a range of a queue that is under way, or complete and remembered by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openmessaging.broker.copied import AdvanceCopy, CreateCopy, EndCopy
from openmessaging.model.replay import CopyInfo

if TYPE_CHECKING:
    from openmessaging.broker.state import State


class Copy(msgspec.Struct, array_like=True):
    """A copy: per partition of the source, how far it is and where it ends."""

    name: str
    source: str
    target: str
    positions: list[int]
    ends: list[int]
    keep: bool

    @property
    def info(self) -> CopyInfo:
        """As it is shown."""
        return CopyInfo(self.name, self.source, self.target, list(self.positions), list(self.ends))


def apply_create(state: State, operation: CreateCopy, _: int) -> None:
    """A copy begins."""
    x = operation
    state.copies[x.name] = Copy(x.name, x.source, x.target, list(x.starts), list(x.ends), x.keep)


def apply_advance(state: State, operation: AdvanceCopy, _: int) -> None:
    """A copy has got further."""
    if (copy := state.copies.get(operation.name)) is not None:
        copy.positions[operation.number] = operation.offset


def apply_end(state: State, operation: EndCopy, _: int) -> None:
    """A copy is complete or given up."""
    state.copies.pop(operation.name, None)
