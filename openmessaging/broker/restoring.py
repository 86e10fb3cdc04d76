"""Restoring a store: where a time is in the log, and what state comes out."""

from __future__ import annotations

import hashlib
import os
import random

from openmessaging.broker.entry import HEAD
from openmessaging.broker.store import StoreOptions, replayed
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.log import Log
from openmessaging.storage.restore import Beyond
from openmessaging.storage.snapshot import SnapshotStore
from openmessaging.storage.timer_index import TimerIndex
from openmessaging.system import Disk


def after_index(index: int) -> Beyond:
    """The point after an entry."""
    return lambda number, _: number > index


def after_time(time_ms: int) -> Beyond:
    """The point at a time: before the first entry that was made later."""

    def beyond(_: int, body: bytes) -> bool:
        made_ms: int = HEAD.unpack_from(body)[3]
        return made_ms > time_ms

    return beyond


def digest_of(disk: Disk, directory: str) -> str:
    """The SHA-256 of the state of a store that nobody has open; its indexes are made on the way. Raises as
    `open_store`."""
    found = SnapshotStore(disk, os.path.join(directory, "snapshots")).newest()
    storage = Log.open(disk, directory, zero_fill=False, scan_from=found[0] + 1 if found else 0)
    indexes = PartitionIndexes(disk, os.path.join(directory, "index"))
    timers = TimerIndex(disk, os.path.join(directory, "timers"))
    try:
        engine, _ = replayed(storage, indexes, timers, found, StoreOptions(), random.Random(0))  # noqa: S311 - draws nothing
        indexes.sync()
        return hashlib.sha256(engine.snapshot()).hexdigest()
    finally:
        storage.close()
        indexes.close()
