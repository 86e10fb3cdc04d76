"""Backups of a running store: one moment of it is held, and read, while it goes on.

A moment is an entry of the log: the state after it, and the log up to it. The log only grows, so all that
holding means is that no segment is given up.
"""

from __future__ import annotations

import hashlib

from openmessaging.broker.runner import Runner
from openmessaging.model.backup import STATE, BackupPlan, BackupSegment
from openmessaging.model.errors import OMSUnsupportException, error
from openmessaging.storage.log import Log
from openmessaging.storage.segment.format import SEGMENT_HEADER_BYTES

MAX_READ_BYTES = 4 << 20


class BackupAdmin:
    """What the driver calls."""

    runner: Runner

    def begin_backup(self) -> BackupPlan:
        """Hold on to the store as it is now. Raises OMSUnsupportException for a store in memory, 1501, 1503."""
        runner = self.runner
        storage = runner.storage
        if not isinstance(storage, Log):
            step = "A backup is of a store in a directory"
            raise OMSUnsupportException(1400, "a store in memory has no backups", next_step=step)
        with runner.lock:
            time_ms = runner.tick_locked()
            index, position = storage.max_index(), storage.max_position()
            state = runner.engine.snapshot()
            segments = storage.segments()
            number = runner.holds.begin(state, runner.clock.monotonic())
        runner.flush()
        return BackupPlan(
            number,
            index,
            position,
            time_ms,
            hashlib.sha256(state).hexdigest(),
            len(state),
            [
                BackupSegment(each.base_index, each.base_position, each.size_bytes + SEGMENT_HEADER_BYTES)
                for each in segments
            ],
        )

    def read_backup(self, backup_id: int, base_position: int, at: int, size: int) -> bytes:
        """Bytes of what is held. Raises 1418 for what is not, 1501."""
        runner = self.runner
        if not 0 <= size <= MAX_READ_BYTES or at < 0:
            raise error(1418, f"{size:,} bytes from {at:,} on", next_step=f"At most {MAX_READ_BYTES:,}", field="size")
        with runner.lock:
            state = runner.holds.use(backup_id, runner.clock.monotonic())
        if base_position == STATE:
            return state[at : at + size]
        assert isinstance(runner.storage, Log)
        return runner.storage.raw(base_position, at, size)

    def end_backup(self, backup_id: int) -> None:
        """It is not needed any more."""
        with self.runner.lock:
            self.runner.holds.end(backup_id)
