"""Who syncs, who waits, who is told."""

from __future__ import annotations

import threading

import pytest

from openmessaging.broker.committer import SLOW_SYNC, Committer, Waiter
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.storage.memory import MemoryLog
from openmessaging.system import SystemClock
from tests.broker.stores import eventually, finish, in_thread


class GatedLog(MemoryLog):
    """A log in memory whose flush can be held up, fail, and take time on a simulated clock."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Event()
        self.failure: BaseException | None = None
        self.clock = SimulatedClock()
        self.takes = 0.0
        self._one = threading.Lock()

    def flush(self, *, sync: bool = True) -> int:
        assert self._one.acquire(blocking=False), "two flushes at a time"
        try:
            last = super().flush(sync=sync)
            self.flushes.append(sync)
            self.inside.set()
            assert self.gate.wait(20)
            self.clock.advance(self.takes)
            if self.failure is not None:
                raise self.failure
            return last
        finally:
            self._one.release()


class Owner:
    """What a runner has: the lock, the log, and what is durable."""

    def __init__(self, *, sync: bool = True, clock: object = None) -> None:
        self.log = GatedLog()
        self.lock = threading.Lock()
        self.durable = -1
        self.committer = Committer(self.log, self.lock, self._on_durable, clock or SystemClock(), sync=sync)

    def _on_durable(self, index: int) -> None:
        assert index >= self.durable
        self.durable = index

    def append(self) -> int:
        return self.log.append((b"x",)).index

    def send(self) -> None:
        with self.lock:
            index = self.append()
            lead = self.committer.claim_locked()
            if not lead:
                waiter = Waiter()
                self.committer.wait_locked(index, waiter)
        if lead:
            self.committer.lead()
        else:
            self.committer.wait(waiter)
        assert self.durable >= index

    def hold(self) -> tuple[threading.Thread, list[BaseException]]:
        """A first sender that is held up in its sync."""
        self.log.gate.clear()
        held = in_thread(self.send)
        assert self.log.inside.wait(10)
        return held


def test_a_lone_caller_syncs_by_itself():
    owner = Owner()
    owner.send()
    assert owner.log.flushes == [True]
    assert owner.committer._thread is None


def test_all_that_arrive_during_a_sync_share_the_next():
    owner = Owner()
    first, _ = owner.hold()
    others = [in_thread(owner.send)[0] for _ in range(10)]
    eventually(lambda: owner.log.max_index() == 10)
    owner.log.gate.set()
    finish(first, *others)
    assert owner.log.flushes == [True, True]
    owner.committer.close()


def test_a_failure_reaches_everybody_and_stays():
    owner = Owner()
    first, raised = owner.hold()
    others = [in_thread(owner.send) for _ in range(3)]
    eventually(lambda: owner.log.max_index() == 3)
    owner.log.failure = OMSRuntimeException(1501, "broken")
    owner.log.gate.set()
    finish(first, *(thread for thread, _ in others))
    for failures in (raised, *(failures for _, failures in others)):
        assert [failure.code for failure in failures] == [1501]
    assert owner.committer.failure is owner.log.failure
    assert owner.durable == -1


def test_an_interrupted_sync_leaves_nobody_waiting():
    owner = Owner()
    first, raised = owner.hold()
    other, failures = in_thread(owner.send)
    eventually(lambda: owner.log.max_index() == 1)
    owner.log.failure = KeyboardInterrupt()
    owner.log.gate.set()
    finish(first, other)
    assert [type(failure) for failure in raised] == [KeyboardInterrupt]
    assert [failure.code for failure in failures] == [1501]


def test_whoever_wants_the_disk_gets_it_in_every_mode():
    owner = Owner(sync=False)
    first, _ = owner.hold()
    waiter = Waiter()
    with owner.lock:
        owner.committer.wait_locked(owner.log.max_index(), waiter, sync=True)
    owner.log.gate.set()
    finish(first)
    waiter.wait()
    assert owner.log.flushes == [False, True]
    assert owner.log.durable_index() == 0
    owner.committer.close()


def test_what_is_released_may_send_again():
    """A callback that runs on the committer's own thread must not wait for that thread."""
    owner = Owner()
    first, _ = owner.hold()
    done: list[BaseException | None] = []

    def send_again(_: OMSRuntimeException | None) -> None:
        owner.send()
        done.append(None)

    with owner.lock:
        owner.committer.wait_locked(owner.append(), send_again)
        waiter = Waiter()
        owner.committer.wait_locked(owner.append(), waiter)
    owner.log.gate.set()
    finish(first)
    waiter.wait()
    eventually(lambda: done == [None])
    owner.committer.close()
    assert owner.durable == 3


def test_what_is_released_may_wait_for_another_leader():
    owner = Owner()
    first, _ = owner.hold()
    leading = threading.Event()
    done = threading.Event()
    third: list[threading.Thread] = []

    def send_again(_: OMSRuntimeException | None) -> None:
        owner.log.gate.clear()
        owner.log.inside.clear()
        third.append(in_thread(owner.send)[0])  # nobody leads: it does, and is held up
        assert owner.log.inside.wait(10)
        threading.Timer(0.05, owner.log.gate.set).start()
        leading.set()
        owner.send()
        done.set()

    with owner.lock:
        owner.committer.wait_locked(owner.append(), send_again)
    owner.log.gate.set()
    assert leading.wait(10)
    assert done.wait(10)
    finish(first, *third)
    owner.committer.close()


def test_the_loop_leaves_a_slow_disk_to_the_thread_until_it_has_been_fast_for_a_while():
    owner = Owner()
    owner.committer._clock = owner.log.clock
    owner.log.takes = SLOW_SYNC * 3
    owner.send()
    assert not owner.committer.disk_is_fast
    owner.log.takes = SLOW_SYNC / 10
    owner.send()
    assert not owner.committer.disk_is_fast
    for _ in range(20):
        owner.send()
    assert owner.committer.disk_is_fast


@pytest.mark.parametrize("started", [False, True])
def test_close_ends_the_thread(started: bool):
    owner = Owner()
    if started:
        waiter = Waiter()
        with owner.lock:
            owner.committer.wait_locked(owner.append(), waiter)
        waiter.wait()
    owner.committer.close()
    assert owner.committer._thread is None or not owner.committer._thread.is_alive()
