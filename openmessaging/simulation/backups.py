"""Backups of the simulated broker: any moment that a backup holds comes back as it was, whatever happened meanwhile.

    python -m openmessaging.simulation.backups --seeds 100

Backups are made into one directory, between and beside everything else that the simulation does, and are killed
half-way now and then. At the end moments that were noted and are in the backup are restored: same state, same messages.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from typing import ClassVar

from openmessaging.broker.backups import BackupAdmin
from openmessaging.broker.engine import Engine
from openmessaging.broker.restoring import after_index, digest_of
from openmessaging.broker.store import StoreOptions, replayed
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.broker import BrokerRun, main
from openmessaging.storage.backup import read_manifest, write_backup
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.interface import Storage
from openmessaging.storage.log import Log
from openmessaging.storage.restore import restore_backup
from openmessaging.storage.snapshot import SnapshotStore
from openmessaging.storage.timer_index import TimerIndex

CHECKED = 15
"""Moments that are restored at the end of a run, and as many with their messages."""
SMALL = StoreOptions(segment_bytes=16 * 1024)
"""So that segments go soon."""


class Killed(Exception):
    """The process that made a backup is gone."""


class BackupRun(BrokerRun):
    """A run with backups."""

    options: ClassVar[StoreOptions] = SMALL

    def __init__(self, seed: int) -> None:
        self.states: dict[int, str] = {}
        """Digest of the state after an entry."""
        self.contents: dict[int, str] = {}
        """The same of all messages that could be read."""
        self.targets = ["/backup-0"]
        """One for each time that the store had given up what followed the last backup."""
        self.backups = self.killed = self.restored = 0
        super().__init__(seed)

    def run(self, steps: int = 150) -> str:
        """Random steps with notes between; then every moment in the backup is restored."""
        actions = self._actions()
        for _ in range(steps):
            self.random.choice(actions)()
            self._note()
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        for backup in self.targets:
            self._check_all(backup)
        return self.disk.trace_hash()

    def _actions(self) -> list[Callable[[], None]]:
        return [*super()._actions(), *[self._backup] * 8, *[self._upkeep] * 20]

    def _open(self) -> None:
        if hasattr(self, "store"):  # what was not durable may have gone, and other entries stand there now
            durable = self.store.runner.storage.durable_index()
            for notes in (self.states, self.contents):
                for index in [index for index in notes if index > durable]:
                    del notes[index]
        super()._open()

    def _note(self) -> None:
        runner = self.store.runner
        with runner.lock:
            runner._settle_acks()
            self.states[runner.storage.max_index()] = hashlib.sha256(runner.engine.snapshot()).hexdigest()
        if self.random.random() < 0.1 and self._try(runner.flush):
            runner = self.store.runner
            self.contents[runner.storage.max_index()] = contents_of(runner.storage, runner.engine, runner.indexes)

    def _backup(self) -> None:
        admin = BackupAdmin()
        admin.runner = self.store.runner
        left = self.random.randrange(6) if self.random.random() < 0.3 else -1

        def read(base_position: int, at: int, size: int) -> bytes:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return admin.read_backup(plan.id, base_position, at, min(size, 20_000))

        try:
            plan = admin.begin_backup()
        except OMSRuntimeException:
            return
        for _ in range(self.random.choice((0, 3, 20))):
            self.random.choice((self._send, self._receive, self._settle, self._upkeep))()
        if admin.runner is not self.store.runner:
            return  # the disk failed, and the store was opened again
        try:
            write_backup(self.disk, self.targets[-1], plan, read, lambda _, __: None)
            self.backups += 1
        except Killed:
            self.killed += 1
        except OMSRuntimeException as failure:
            if "given up" not in failure.reason:
                raise
            self.targets.append(f"/backup-{len(self.targets)}")
        except OSError:
            pass
        admin.end_backup(plan.id)

    def _read(self, directory: str) -> str:
        found = SnapshotStore(self.disk, os.path.join(directory, "snapshots")).newest()
        storage = Log.open(self.disk, directory, zero_fill=False)
        indexes = PartitionIndexes(self.disk, os.path.join(directory, "index"))
        timers = TimerIndex(self.disk, os.path.join(directory, "timers"))
        engine, _ = replayed(storage, indexes, timers, found, SMALL, self.random)
        digest = contents_of(storage, engine, indexes)
        storage.close()
        indexes.close()
        return digest

    def _check_all(self, backup: str) -> None:
        manifest = read_manifest(self.disk, backup)
        if manifest is None:
            return
        inside = [i for i in sorted(self.states) if manifest.first_index <= i <= manifest.points[-1].index]
        chosen = {
            *self.random.sample(inside, min(CHECKED, len(inside))),
            *[i for i in inside if i in self.contents][-CHECKED:],
        }
        for index in sorted(chosen):
            target = f"{backup}/restored-{index}"
            restored = restore_backup(self.disk, backup, target, after_index(index), lambda _, __: None)
            assert restored.index == index, (restored, index)
            digest = digest_of(self.disk, target)
            assert digest == self.states[index], f"another state after entry {index}"
            assert restored.expected in (None, digest)
            if index in self.contents:
                assert self._read(target) == self.contents[index], f"other messages after entry {index}"
            self.restored += 1


def contents_of(storage: Storage, engine: Engine, indexes: PartitionIndexes) -> str:
    """A digest of every message that a store has."""
    found = hashlib.sha256()
    for number, partition in sorted(engine.partitions.items()):
        offset = partition.start
        while offset < partition.end:
            entry = indexes.find(number, offset)
            assert entry is not None, f"partition {number}: offset {offset} of {partition.end} cannot be found"
            found.update(f"{number} {entry.base_offset} {entry.count}".encode())
            found.update(storage.read(entry.position, entry.size))
            offset = entry.base_offset + entry.count
    return found.hexdigest()


if __name__ == "__main__":
    sys.exit(main(kind=BackupRun, description=__doc__))
