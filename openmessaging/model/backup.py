"""Backups as a driver offers them: what of a store belongs to one moment, and its bytes."""

from __future__ import annotations

from typing import Protocol

import msgspec


class BackupSegment(msgspec.Struct, frozen=True):
    """A piece of the log: a file of `size_bytes` bytes, its header included."""

    base_index: int
    base_position: int
    size_bytes: int


class BackupPlan(msgspec.Struct, frozen=True):
    """A store at one moment. It stays readable by `id` until nobody has asked for a while, or it is ended."""

    id: int
    index: int
    """The last entry that belongs to it, durable; -1 for an empty store."""
    position: int
    """Where that entry ends in the log."""
    time_ms: int
    digest: str
    """SHA-256 of the state."""
    state_bytes: int
    segments: list[BackupSegment]
    """Oldest first; the last is cut at `position`."""


STATE = -1
"""In place of a segment's position: the state."""


class Backups(Protocol):
    """What a driver offers with BACKUP."""

    async def begin_backup(self) -> BackupPlan:
        """Hold on to the store as it is now; it goes on meanwhile, and gives no space back."""
        ...

    async def read_backup(self, backup_id: int, base_position: int, at: int, size: int) -> bytes:
        """Bytes of the segment that begins at a position, or of the state (`STATE`), from the byte `at` of its file on;
        at most 4 MiB. Raises 1418 outside it, and for a backup that was not read for a minute."""
        ...

    async def end_backup(self, backup_id: int) -> None:
        """It is not needed any more; again is no error."""
        ...


class BlockingBackups(Protocol):
    """The same for threads."""

    def begin_backup(self) -> BackupPlan:
        """See `Backups`."""
        ...

    def read_backup(self, backup_id: int, base_position: int, at: int, size: int) -> bytes:
        """See `Backups`."""
        ...

    def end_backup(self, backup_id: int) -> None:
        """See `Backups`."""
        ...
