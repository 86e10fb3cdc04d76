"""Group sync: whatever arrives during one sync of the log shares the next.

A lone caller syncs by itself, without a change of threads. While a sync runs, others stage their entries and register
what to call once they are durable; when it ends and somebody waits, the committer's own thread goes on. So one sync
covers all that arrived since the last, whether the callers are threads, event loops or both.

Next on a message's way: `openmessaging.storage.log` writes and syncs, then `Engine.set_durable` makes it visible.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.interface import Storage
from openmessaging.system import Clock

Release = Callable[[OMSRuntimeException | None], None]
"""Called once the entry it waits for is durable (None) or can never be (the error)."""

SLOW_SYNC = 0.002
"""Seconds: above this an event loop hands its syncs to the thread."""


class Waiter:
    """One thread's wait for an index; calling it ends the wait.

    Waking many threads at once makes them queue for the interpreter's lock, each being woken twice. So of those that
    one sync has covered the first is called, and each wakes its `following` before it goes on.
    """

    __slots__ = ("_abandoned", "_error", "_lock", "following")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._error: OMSRuntimeException | None = None
        self._abandoned = False
        self.following: Waiter | None = None

    def __call__(self, error: OMSRuntimeException | None) -> None:
        """End the wait; called once."""
        self._error = error
        self._lock.release()
        if self._abandoned and self._lock.acquire(blocking=False):
            self._wake_following()

    @property
    def waiting(self) -> bool:
        """Whether it was not released yet."""
        return self._lock.locked()

    def wait(self) -> None:
        """Block until it is called. Raises OMSRuntimeException 1501 when the disk failed."""
        try:
            self._lock.acquire()
        except BaseException:  # interrupted: whoever takes the lock, this thread or the caller, wakes the next
            self._abandoned = True
            if self._lock.acquire(blocking=False):
                self._wake_following()
            raise
        self._wake_following()
        if self._error is not None:
            raise self._error

    def _wake_following(self) -> None:
        if self.following is not None:
            self.following(self._error)


class Committer:
    """Decides who syncs. Methods ending in `_locked` are called under the owner's lock.

    Args:
        storage: the log.
        lock: the owner's lock.
        on_durable: called under the lock with the index that a sync has covered.
        sync: False for `flush=interval` and `never`: entries are only written, unless somebody asks for a sync.
    """

    def __init__(
        self,
        storage: Storage,
        lock: threading.Lock,
        on_durable: Callable[[int], None],
        clock: Clock,
        *,
        sync: bool,
    ) -> None:
        self._storage = storage
        self._lock = lock
        self._on_durable = on_durable
        self._clock = clock
        self._sync = sync
        self.busy = False
        """Whether somebody leads, or is about to."""
        self._waiting: deque[tuple[int, Release]] = deque()
        self._waiting_for_sync: deque[tuple[int, Release]] = deque()
        self._recent_worst = 0.0
        self.observe: Callable[[float], object] | None = None
        """Called with the seconds that each flush of the log took, by whoever led it."""
        self._turn = threading.Semaphore(0)
        self._handed_over = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._thread_id = 0
        self._nested = 0
        self.failure: OMSRuntimeException | None = None
        """Why the log takes nothing any more, once a write or sync has failed."""

    @property
    def disk_is_fast(self) -> bool:
        """Whether syncs have lately been short enough to run inside an event loop."""
        return self._recent_worst < SLOW_SYNC

    def claim_locked(self) -> bool:
        """Take the lead if nobody has it; then `lead` must follow after the lock is let go."""
        if self.busy:
            return False
        self.busy = True
        return True

    def wait_locked(self, index: int, release: Release, *, sync: bool = False) -> None:
        """Register for an index and see to it that somebody leads; `sync` waits for the disk in every flush mode."""
        (self._waiting_for_sync if sync else self._waiting).append((index, release))
        if not self.busy:
            self.busy = True
            self._hand_over()

    def wait(self, waiter: Waiter) -> None:
        """`Waiter.wait`, also where a callback on the committer's own thread waits: the thread goes on leading then."""
        if threading.get_ident() == self._thread_id:
            self._nested += 1
            while waiter.waiting:
                self._turn.acquire()
                self._lead_if_handed_over()
            self._nested -= 1
        waiter.wait()

    def lead(self, *, sync: bool = False, write_only: bool = False) -> None:
        """Write what is staged, sync it where the flush mode or somebody waiting wants that (or `sync`), let go all
        that it covers, and hand over if others wait. The only place that flushes the log. `write_only`: no sync yet.

        Raises OMSRuntimeException 1501 when the disk failed; everybody who waits gets the same error.
        """
        sync = not write_only and (sync or self._sync or bool(self._waiting_for_sync))
        enough = sync or not self._sync
        started = self._clock.monotonic()
        try:
            index = self._storage.flush(sync=sync)
        except BaseException as cause:
            failure = cause if isinstance(cause, OMSRuntimeException) else _interrupted(cause)
            with self._lock:
                self.failure = failure
                failed = [*self._waiting, *self._waiting_for_sync]
                self._waiting.clear()
                self._waiting_for_sync.clear()
                self.busy = False
            for _, release in failed:
                release(failure)
            if self._nested:
                self._turn.release()
            raise
        took = self._clock.monotonic() - started
        if self.observe is not None:
            self.observe(took)
        self._recent_worst = max(took, self._recent_worst * 0.9)
        waiting, for_sync = self._waiting, self._waiting_for_sync
        ready: list[Release] = []
        with self._lock:
            if enough:
                self._on_durable(index)
            if not waiting and not for_sync and not self._nested:
                self.busy = False
                return
            while enough and waiting and waiting[0][0] <= index:
                ready.append(waiting.popleft()[1])
            while sync and for_sync and for_sync[0][0] <= index:
                ready.append(for_sync.popleft()[1])
            if waiting or for_sync:
                self._hand_over()
            else:
                self.busy = False
        self._let_go(ready)

    def _let_go(self, ready: list[Release]) -> None:
        if self._nested:
            for release in ready:
                release(None)
            self._turn.release()
            return
        threads: list[Waiter] = []
        for release in ready:
            if isinstance(release, Waiter):
                threads.append(release)
            else:
                release(None)
        for waiter, following in pairwise(threads):
            waiter.following = following
        if threads:
            threads[0](None)

    def close(self) -> None:
        """Stop the thread; what waits is completed first."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            self._turn.release()
            thread.join()

    def _hand_over(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="openmessaging-sync", daemon=True)
            self._thread.start()
        self._handed_over = True
        self._turn.release()

    def _run(self) -> None:
        self._thread_id = threading.get_ident()
        while True:
            self._turn.acquire()
            if not self._lead_if_handed_over() and self._stopping:
                return

    def _lead_if_handed_over(self) -> bool:
        with self._lock:
            lead, self._handed_over = self._handed_over, False
        if lead:
            with contextlib.suppress(OMSRuntimeException):  # everybody who waited has been told
                self.lead()
        return lead


def _interrupted(cause: BaseException) -> OMSRuntimeException:
    """The error for those who waited for a sync that did not end, by Ctrl-C for example."""
    return OMSRuntimeException(
        1501,
        f"writing the log was interrupted: {cause!r}",
        next_step="Open the store again: it recovers what was acknowledged",
    )
