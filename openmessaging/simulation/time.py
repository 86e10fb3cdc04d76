"""Delays, expiry and schedules on a simulated disk that loses power, with a clock that is set forward and back.

    python -m openmessaging.simulation.time --seeds 1000
    python -m openmessaging.simulation.time --seed 17

A run sends delayed messages, cancels and reschedules them while they are due or about to be, sends messages that expire
to a group that receives some, and makes, changes, pauses and deletes schedules. Any call, and the firing itself, may
meet a failing write, a failing sync, a power cut or a kill. What must hold:

- a delayed message comes once, never before its time by the store's clock, never after a cancel that returned;
- each occurrence of a schedule is sent once, in order, and left out only as its `catch_up` says;
- what is handed out has not expired; what was not handed out is counted and copied, once;
- when upkeep has had its turn, nothing that is due is missing: late, but not never.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from openmessaging.broker.admin import Admin
from openmessaging.broker.group import Group
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import EXPIRES, decode, encode, encode_shared, make_id
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.schedule import ScheduleSpec
from openmessaging.model.spi import Backoff, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.model.timing import Timing, pack_times
from openmessaging.simulation import crashes
from openmessaging.simulation.appointments import Appointment, Appointments, Beat, Beats, Fired, Occurrence
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.simulation.prices import Prices
from openmessaging.storage import timer_index

ROOT = "/store"
OPTIONS = StoreOptions(segment_bytes=64 * 1024)
LATER, TICKS, PRICES, OLD = (f"default://{name}" for name in ("later", "ticks", "prices", "old"))
CONFIG = GroupConfig(invisible_time=20, backoff=Backoff(initial=1, maximum=2, max_delivery=1_000))
_SHARED = encode_shared({"bornHost": "simulation"})
_DELAYS = (0.001, 0.5, 3.0, 3.0, 20.0, 20.0, 300.0, 900.0)
_JUMPS = (-400.0, -30.0, -0.2, 0.2, 30.0, 400.0)


class TimeRun:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.clock = SimulatedClock()
        self.disk = SimulatedDisk(self.random, capacity_bytes=1 << 40, delay=self.clock.advance)
        self.appointments, self.beats, self.prices = Appointments(), Beats(), Prices()
        self.crashes = 0
        self._numbers = 0
        self._latest_ms = self.clock.now_ms()
        self.store: Store
        self.admin: Admin
        self.group: Group
        self._open()
        for queue in (LATER, TICKS, OLD):
            self.admin.create_queue(queue, 2 if queue == LATER else 1, {"retention": "keep"})
        self.admin.update_queue(PRICES, {"expired_queue": "old"})

    def run(self, steps: int = 80) -> str:
        """Random steps, then heal and finish; returns the hash of the disk's trace."""
        actions: list[Callable[[], None]] = (
            [self._delay] * 12 + [self._change] * 8 + [self._expire] * 4 + [self._receive] * 5
            + [self._schedule] * 2 + [self._change_schedule] * 2 + [self._wait] * 12 + [self._tick] * 8
            + [self._upkeep] * 10 + [self._jump] * 3
        )  # fmt: skip
        with _small_runs(self.random.choice((0, 5_000, 600_000))):
            for _ in range(steps):
                self.random.choice(actions)()
                self._latest_ms = max(self._latest_ms, self.clock.now_ms())
            self._finish()
        return self.disk.trace_hash()

    # ---- delayed messages ------------------------------------------------------------------------------------------

    def _delay(self) -> None:
        """Some messages with delays of their own, in one batch."""
        born = self.clock.now_ms()
        names = [self._name("m") for _ in range(self.random.choice((1, 1, 4, 12)))]
        delays = [int(self.random.choice(_DELAYS) * 1000) for _ in names]
        first = self._numbers
        for at, (name, delay) in enumerate(zip(names, delays, strict=True)):
            self.appointments.by_name[name] = Appointment(make_id(born, 1, first + at), born, {born + delay})
        padding = b" " * self.random.choice((0, 0, 100, 2_000))
        key, priority = self.random.choice((None, None, "k")), self.random.choice((None, None, None, 9))
        headers = {} if priority is None else {"priority": priority}
        records = [
            Record(name.encode() + padding, key, None, {"delayTime": delay, **headers})
            for name, delay in zip(names, delays, strict=True)
        ]
        batch = encode(records, shared=_SHARED, born_ms=born, producer_id=1, first_sequence=first)
        timing = Timing(pack_times([born + delay for delay in delays]))
        outgoing = OutgoingBatch(LATER, self.random.choice((None, 0, 1)), batch, priority, timing)
        self._numbers += len(names)
        if self._faulty(lambda: self.store.runner.send([outgoing])):
            for name in names:
                self.appointments.by_name[name].sent = True

    def _change(self) -> None:
        """Cancel or reschedule, mostly what is due about now: the race is with its firing."""
        waiting = self.appointments.waiting()
        if not waiting:
            return
        now = self.clock.now_ms()
        chosen = self.random.sample(waiting, min(4, len(waiting)))
        name = min(chosen, key=lambda each: abs(min(self.appointments.by_name[each].dues) - now))
        if self.random.random() < 0.3:
            self._fire()  # without a sync: a crash takes it back
        if self.random.random() < 0.5:
            self._cancel(self.appointments.by_name[name])
        else:
            self._reschedule(self.appointments.by_name[name])

    def _cancel(self, each: Appointment) -> None:
        answer: list[bool] = []
        done = self._faulty(lambda: answer.append(self.admin.cancel_delayed(LATER, each.message_id)))
        if not done:
            each.cancelled = None if each.cancelled is False else each.cancelled
        elif answer[0]:
            each.cancelled = True

    def _reschedule(self, each: Appointment) -> None:
        due = self.clock.now_ms() + int(self.random.choice(_DELAYS) * 1000)
        due = max(due, each.born_ms)  # by a clock that was set back since: no message is due before it was born
        answer: list[bool] = []
        if not self._faulty(lambda: answer.append(self.admin.reschedule_delayed(LATER, each.message_id, due))):
            each.dues.add(due)
        elif answer[0]:
            each.dues = {due}

    # ---- expiry ----------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        """Messages that expire, perhaps delayed too."""
        born = self.clock.now_ms()
        names = [self._name("p") for _ in range(self.random.choice((1, 3, 8)))]
        delay = self.random.choice((0, 0, 0, 5_000))
        expires = [born + delay + int(self.random.choice(_DELAYS) * 1000) for _ in names]
        records = []
        for name, at in zip(names, expires, strict=True):
            self.prices.expires[name] = at
            records.append(
                Record(name.encode(), None, None, {"expireTime": at} | ({"delayTime": delay} if delay else {}))
            )
        first, self._numbers = self._numbers, self._numbers + len(names)
        batch = encode(records, shared=_SHARED, born_ms=born, producer_id=1, first_sequence=first, attributes=EXPIRES)
        timing = Timing(pack_times([born + delay] * len(names)) if delay else None, True)
        if self._faulty(lambda: self.store.runner.send([OutgoingBatch(PRICES, None, batch, None, timing)])):
            self.prices.sent.update(names)

    def _receive(self) -> None:
        """Take some, and acknowledge most of them."""
        self._take(5)

    def _take(self, count: int) -> bool:
        """As `_receive`; whether there were any."""
        before = self.clock.now_ms()
        runner, group, came = self.store.runner, self.group, False

        def take() -> None:
            nonlocal came
            deliveries = runner.receive(group, count, 1 << 20, None)
            came = deliveries is None or bool(deliveries)
            for delivery in deliveries or ():
                records = decode(delivery.data)[2]
                for place in range(delivery.first, delivery.last):
                    name = records[place].data.decode()
                    self.prices.received(name, before)
                    if self.random.random() < 0.8:
                        runner.ack(group.id, delivery.lease_id, [delivery.base_offset + place])
                        self.prices.acknowledged(name)
            runner.flush()

        if self._faulty(take):
            self.prices.flushed()
        return came

    # ---- schedules -------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """A new schedule."""
        name = self._name("s")
        count = self.random.choice((0, 0, 3))
        beat = Beat(self.random.choice((5_000, 30_000, 60_000)), None, count, self.random.choice((1, 3, 10_000)))
        if beat.every_ms == 60_000:
            when: dict[str, Any] = {"cron": "* * * * *", "zone": "Europe/Berlin"}
        else:
            beat.first_ms = self.clock.now_ms() + 1_000 + int(self.random.choice(_DELAYS[:6]) * 1000)
            when = {"every_ms": beat.every_ms, "start_ms": beat.first_ms}
        spec = ScheduleSpec(name, TICKS, Record(b"tick"), count=count, catch_up=beat.catch_up, **when)
        self.beats.by_name[name] = beat
        if self._faulty(lambda: self.admin.create_schedule(spec, False)):
            beat.made = True

    def _change_schedule(self) -> None:
        """Delete a schedule, or pause it and let it go on."""
        there = [name for name, beat in self.beats.by_name.items() if beat.made and beat.deleted is False]
        if not there:
            return
        name = self.random.choice(there)
        beat = self.beats.by_name[name]
        if self.random.random() < 0.5:
            beat.paused = True
            self._faulty(lambda: self.admin.pause_schedule(name, self.random.random() < 0.5))
        elif self._faulty(lambda: self.admin.delete_schedule(name)):
            beat.deleted = True
            self._look()
            beat.last_allowed = len(self.beats.found.get(name, []))
        else:
            beat.deleted = None

    # ---- time and crashes ------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self.clock.advance(self.random.choice((0.01, 0.5, 3.0, 3.0, 20.0, 60.0)))

    def _jump(self) -> None:
        """The clock on the wall is set."""
        self.clock.jump(self.random.choice(_JUMPS))

    def _fire(self) -> None:
        with self.store.runner.lock:
            self.store.runner.tick_locked()

    def _tick(self) -> None:
        """What is due is put into the log; nothing waits for a sync."""
        self._faulty(self._fire)

    def _upkeep(self) -> None:
        if self.random.random() < 0.4:
            self._faulty(self.store.maintenance.snapshot)
        now = self.clock.now_ms()
        if self._faulty(self._work):
            self._look()
            self.appointments.check_due(now)
            self.beats.check_due(now)

    def _work(self) -> None:
        """Upkeep, until nothing is due."""
        for _ in range(100):
            self.store.maintenance.work(full_round=True)
            due = self.store.runner.engine.next_due()
            if due is None or due > self.clock.now_ms():
                break
            self.clock.advance(0.01)  # a try that failed is made again in a moment
        self.store.runner.flush()

    def _faulty(self, call: Callable[[], object]) -> bool:
        """Make a call that may meet a crash; whether it returned."""
        kind = self.random.random()
        if kind < 0.12:
            self.disk.fail_write_in = self.random.randrange(1, 4)
        elif kind < 0.2:
            self.disk.fail_sync_in = self.random.randrange(1, 3)
        returned = True
        try:
            call()
        except OMSRuntimeException as failure:
            if failure.code != 1501:
                raise
            returned = False
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        if not returned or self.store.runner.committer.failure is not None or 0.2 <= kind < 0.27:
            self._crash()
        return returned

    def _crash(self) -> None:
        """The power goes, or only the process, and the store is opened again, after a while."""
        self.crashes += 1
        if self.random.random() < 0.8:
            self.disk.crash()
        else:
            self.disk.kill()
        if self.random.random() < 0.3:
            self.random.choice((self._wait, self._jump))()
        self._open()
        self._look()

    def _open(self) -> None:
        self.store = open_store(ROOT, OPTIONS, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        self.admin = Admin(self.store.runner)
        self.group = self.admin.join(SubscriptionSpec(PRICES, "board", CONFIG))
        self.prices.reopened()

    # ---- verdicts --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Everything that lies in the queues and is durable is as it may be."""
        self.appointments.check(Fired(record.data.decode().rstrip(), at_ms) for record, at_ms in self._stored(LATER))
        ticks = [(record.properties or {}, at_ms) for record, at_ms in self._stored(TICKS)]
        self.beats.check(Occurrence(facts["schedule.name"], facts["schedule.time"], at_ms) for facts, at_ms in ticks)
        self.prices.check([(record.data.decode(), at_ms) for record, at_ms in self._stored(OLD)])

    def _stored(self, queue: str) -> Iterator[tuple[Record, int]]:
        lanes = len(self.admin.describe_queue(queue).offsets) if queue in self.store.runner.engine.queues else 0
        for number in range(lanes):
            offset = 0
            while deliveries := self.admin.browse(queue, number, offset, 1_000, None):
                for delivery in deliveries:
                    offset = delivery.base_offset + delivery.last
                    header, _, records = decode(delivery.data)
                    # What the broker sends is born when it decides so; the time of storing never goes back.
                    yield from ((records[at], header.born_ms) for at in range(delivery.first, delivery.last))

    def _finish(self) -> None:
        """No more faults, and all times have come: what was to happen has happened, once."""
        self._crash()
        self._faulty = self._calmly  # type: ignore[method-assign]
        self.clock.jump(max(0, self._latest_ms - self.clock.now_ms()) / 1000 + 1_000)
        now = self.clock.now_ms()
        self._work()
        self._look()
        self.appointments.check_due(now)
        self.beats.check_due(now)
        for queue in (LATER, PRICES):
            assert not self.admin.list_delayed(queue, 10), f"{queue} still has delayed messages"
        for _ in range(200):
            if not self._take(100) and not self.admin.describe_group(PRICES, "board").lag:
                break
            self.clock.advance(25)
        else:
            raise AssertionError("the group does not come to an end")
        self._look()
        self.prices.check_complete()

    def _calmly(self, call: Callable[[], object]) -> bool:
        call()
        return True

    def _name(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}-{self._numbers}"


@contextmanager
def _small_runs(far_ms: int) -> Iterator[None]:
    """Let the timer index write files for a few timers already, raw ones from so far away on."""
    before = timer_index.LIMIT, timer_index.MERGE_ABOVE, timer_index.FAR_MS
    timer_index.LIMIT, timer_index.MERGE_ABOVE, timer_index.FAR_MS = 16, 4, far_ms
    try:
        yield
    finally:
        timer_index.LIMIT, timer_index.MERGE_ABOVE, timer_index.FAR_MS = before


def run_seed(seed: int) -> tuple[str, TimeRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    return crashes.run_seed(TimeRun, seed)


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when something came twice, too early, or never."""
    return crashes.run_seeds(TimeRun, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
