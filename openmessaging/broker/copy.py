"""A copy of a range of a queue that is under way, or complete and remembered by its name."""

from __future__ import annotations

import msgspec

from openmessaging.model.replay import CopyInfo


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
