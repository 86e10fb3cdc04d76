"""How far a mirror is, in a file, for targets that cannot keep it with the messages."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from openmessaging.model.errors import error


class Mark(msgspec.Struct, frozen=True):
    """How far one partition (or lane) of a source is."""

    position: int
    """The offset before which everything is in the target."""
    at_ms: int
    """When that was written down: what came after it was sent after that."""


class State:
    """A file of positions, replaced whole by each change; it is on the disk when `save` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queues: dict[str, dict[int, Mark]] = {}
        if path.exists():
            try:
                self._queues = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[int, Mark]])
            except msgspec.DecodeError as cause:
                step = "Delete it to begin anew, or give another --state"
                raise error(1418, f"{path} holds no positions of a mirror: {cause}", next_step=step) from cause

    def mark(self, queue: str, number: int) -> Mark | None:
        """How far a partition of a queue (full name) is; None before the first `save`."""
        return self._queues.get(queue, {}).get(number)

    def save(self, queue: str, number: int, position: int) -> None:
        """Everything before a position of a partition is in the target."""
        self._queues.setdefault(queue, {})[number] = Mark(position, time.time_ns() // 1_000_000)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(self.path.name + ".new")
        with open(beside, "wb") as file:
            file.write(msgspec.json.encode(self._queues))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)
