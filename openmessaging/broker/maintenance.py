"""Upkeep of a running store, on one thread: what is due, what waits for the disk, snapshots, retention, space.

The thread sleeps until something is staged that nobody waits for, until the engine's next deadline, or until the next
round of upkeep. It never holds the runner's lock while it touches the disk, except to copy live messages forward.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal

from openmessaging.broker.compaction import Compactor
from openmessaging.broker.entry import Entry
from openmessaging.broker.reclaim import Reclaimer
from openmessaging.broker.router import Router
from openmessaging.broker.runner import Runner
from openmessaging.broker.writeback import Writeback
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.snapshot import SnapshotStore
from openmessaging.storage.timer_file import in_order
from openmessaging.storage.timer_index import FAR_MS

_LOG = logging.getLogger("openmessaging.store")
COMMIT_DELAY = 0.01
"""Seconds that acknowledgements and leases may wait for a sync to share before they get one of their own."""
ROUND = 1.0
"""Seconds between rounds of upkeep."""
PAUSE = 0.1
"""Seconds until the next try when something failed."""
_NEVER = float("inf")
_AT_ONCE = float("-inf")
SNAPSHOT_BYTES = 64 << 20
SNAPSHOT_ENTRIES = 100_000
_SORTED_RUNS = 4
"""Most raw runs of timers that a round sorts."""


class Maintenance:
    """Keeps a store in shape.

    Args:
        runner: whose store it is.
        snapshots: where snapshots go; None for a store in memory.
        snapshot_index: index of the newest one, -1 without any.
        flush: the flush mode of the store.
        flush_interval: seconds between syncs with `interval`.
    """

    def __init__(
        self,
        runner: Runner,
        snapshots: SnapshotStore | None,
        snapshot_index: int,
        flush: Literal["always", "interval", "never"],
        flush_interval: float,
    ) -> None:
        self._runner = runner
        self._snapshots = snapshots
        self._flush_interval = flush_interval if flush == "interval" else None
        self._reclaimer = Reclaimer(runner)
        self.compactor = Compactor(runner)
        self._writeback = Writeback(runner.storage)
        self.router = Router(runner)
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="openmessaging-upkeep", daemon=True)
        self._commit_at = _NEVER
        """When what is staged and waited for by nobody gets a sync of its own, by the monotonic clock."""
        self._snapshot_index = snapshot_index
        first = next(runner.storage.entries(snapshot_index + 1), None)
        self._snapshot_position = runner.storage.max_position() if first is None else first.position
        self.snapshot_entries: int | None = None
        """Entries between snapshots, where others wait while a store is opened; None: `SNAPSHOT_ENTRIES`."""
        self.on_round: Callable[[], object] = _nothing
        """Called in each full round."""
        runner.on_dirty = self._on_dirty
        runner.alarm.on_urgent = self._on_urgent
        runner.alarm.on_soon = self._wake.set
        self.router.on_ready = self._wake.set

    def start(self) -> None:
        """Start the thread."""
        self._writeback.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, if it runs, and wait for it."""
        self._stopping = True
        self._wake.set()
        self._writeback.stop()
        if self._thread.is_alive():
            self._thread.join()

    def snapshot(self, *, again: bool = False) -> None:
        """Write a snapshot of the state as it is now, once the log up to there is durable. Nothing is done when the
        newest is of this state, unless `again`: then an empty entry sets another one apart. Raises 1501."""
        if self._snapshots is None:
            return
        runner = self._runner
        self.compactor.mend()
        with runner.lock:
            if not runner.closed:
                runner.tick_locked()
                if again and runner.storage.max_index() == self._snapshot_index:
                    runner.stage_locked(Entry(runner.clock.now_ms()))
            index = runner.storage.max_index()
            position = runner.storage.max_position()
            if index < 0 or index == self._snapshot_index:
                return
            state = runner.engine.snapshot()
            timers = runner.engine.timers.capture(index)
        runner.indexes.sync()
        runner.flush()
        runner.engine.timers.save(timers)  # only now: what left its shelf must have left it for good
        self._snapshots.save(index, state)
        self._snapshot_index = index
        self._snapshot_position = position

    def _covered(self) -> int:
        """The index up to which the log is needed only for its messages: that of the older snapshot, for the newer one
        may turn out to be damaged."""
        if self._snapshots is None:
            return self._runner.storage.max_index()
        return self._snapshots.covered_index()

    def _on_dirty(self) -> None:
        if self._commit_at == _NEVER:
            self._commit_at = self._runner.clock.monotonic() + COMMIT_DELAY
            self._wake.set()

    def _on_urgent(self) -> None:
        self._commit_at = _AT_ONCE
        self._wake.set()

    def _run(self) -> None:
        clock = self._runner.clock
        now = not_before = clock.monotonic()
        next_round = now + ROUND
        next_sync = now + (self._flush_interval or 0)
        while True:
            self._wake.clear()  # first: whatever comes from here on wakes it
            if self._stopping:
                return
            now = clock.monotonic()
            due = min(next_round, self._commit_at, now + self._until_deadline())
            if self.compactor.active or self.router.active:
                due = now
            elif (again := self.router.next_try()) is not None:
                due = min(due, again)
            if self._flush_interval is not None:
                due = min(due, next_sync)
            due = max(due, not_before)
            if self._wake.wait(max(due - now, 0.0005)) and clock.monotonic() < due:
                continue  # something came: it may be due sooner
            now = clock.monotonic()
            sync = self._flush_interval is not None and now >= next_sync
            if not self._try(full_round=now >= next_round, sync=sync):
                not_before = now + PAUSE
            if self._flush_interval is not None and sync:
                next_sync = now + self._flush_interval
            if now >= next_round:
                next_round = now + ROUND

    def _try(self, *, full_round: bool, sync: bool) -> bool:
        """One turn of the thread, which must live on; whether all went well."""
        try:
            self.work(full_round=full_round)
            if sync:
                self._runner.flush()
        except OMSRuntimeException as failure:  # told to whoever sends next; reads and acknowledgements go on
            _LOG.debug("upkeep: %s", failure)
            return False
        except Exception:
            _LOG.exception("upkeep failed; it is tried again")
            return False
        return True

    def _until_deadline(self) -> float:
        runner = self._runner
        with runner.lock:
            times = [time for time in (runner.engine.next_deadline(), runner.alarm.next_ms()) if time is not None]
        return (min(times) - runner.clock.now_ms()) / 1000 if times else ROUND

    def work(self, *, full_round: bool) -> None:
        """Do what is due; a full round looks after snapshots and space too. Raises OMSRuntimeException 1501."""
        runner = self._runner
        if self._commit_at != _NEVER:
            self._commit()
        with runner.lock:
            runner.tick_locked()
        self.router.run()
        if self._commit_at == _AT_ONCE:
            self._commit()
        runner.storage.prepare()
        runner.indexes.take_in()
        if full_round:
            self.on_round()
            self._merge_timers()
            grown = runner.storage.max_position() - self._snapshot_position
            entries = runner.storage.max_index() - self._snapshot_index
            if grown >= SNAPSHOT_BYTES or entries >= (self.snapshot_entries or SNAPSHOT_ENTRIES):
                self.snapshot()
            self._reclaimer.run(self._covered(), self.compactor.keep_from)
            if self._reclaimer.blocked:  # space waits for the second of two snapshots only
                self.snapshot(again=True)
                self._reclaimer.run(self._covered(), self.compactor.keep_from)
            self.compactor.begin()
        self.compactor.step()

    def _commit(self) -> None:
        self._commit_at = _NEVER  # before it: what is staged meanwhile gets a sync of its own
        self._runner.commit_dirty()

    def _merge_timers(self) -> None:
        runner = self._runner
        timers = runner.engine.timers
        for _ in range(_SORTED_RUNS):
            with runner.lock:
                raw = timers.raw(runner.clock.now_ms() + FAR_MS)
                if raw is None:
                    break
                columns = raw.columns()
            ordered = in_order(*columns)  # some 20 ms, in which others send and receive
            with runner.lock:
                timers.sort(raw, ordered)
        with runner.lock:
            if runs := timers.compact():
                timers.merge(runs)


def _nothing() -> None:
    """Nobody else has something to do."""
