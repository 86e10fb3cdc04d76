"""The production broker and storage on a simulated disk, from a seed, against a model of what was promised.

    python -m openmessaging.simulation.broker --seeds 1000
    python -m openmessaging.simulation.broker --seed 17      (one seed, with its faults and the last calls to the disk)

Two verdicts. Safety, at every step: what is received was sent, with the same bytes and id; nothing whose settlement was
flushed comes again; the messages of a key come in order, one at a time. Liveness, at the end, on a healed disk:
everything whose send returned has been received by each group or lies in its dead-letter queue. Where bits flipped
while the store was closed, all of that holds too, or the damage is told with its place (`rot.py`).
"""

from __future__ import annotations

import argparse
import copy
import logging
import random
import sys
from collections.abc import Callable
from typing import ClassVar

from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import encode, encode_shared, make_id
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import GroupConfig, OutgoingBatch
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.consumers import CONFIGS, QUEUE, Consumers
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.simulation.promises import Promises
from openmessaging.simulation.rot import rot

ROOT = "/store"
CAPACITY = 1 << 40
OPTIONS = StoreOptions(segment_bytes=64 * 1024)
SHARED = encode_shared({"bornHost": "simulation"})
_SIZES = (0, 10, 60, 200, 900, 6_000)


class BrokerRun:
    """One seed: a store on its disk, what clients hold, and what they were promised."""

    configs: ClassVar[dict[str, GroupConfig]] = CONFIGS
    options: ClassVar[StoreOptions] = OPTIONS

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.clock = SimulatedClock()
        self.disk = SimulatedDisk(self.random, capacity_bytes=CAPACITY, delay=self.clock.advance)
        self.promises = self._make_promises()
        self.faults: list[str] = []
        self.sequence = 0
        self.store: Store
        self.consumers: Consumers
        self._open()

    def _make_promises(self) -> Promises:
        return Promises(self.configs)

    def run(self, steps: int = 150) -> str:
        """Random steps, then heal and drain; returns the hash of the disk's trace."""
        actions = self._actions()
        for _ in range(steps):
            self.random.choice(actions)()
        self._heal_and_drain()
        return self.disk.trace_hash()

    def _actions(self) -> list[Callable[[], None]]:
        """What happens, as often as it stands here."""
        return (
            [self._send] * 30 + [self._receive] * 30 + [self._settle] * 30 + [self._flush] * 8 + [self._wait] * 8
            + [self._upkeep] * 8 + [self._crash] * 3 + [self._kill] * 2 + [self._close] * 2
            + [self._fill, self._fail_write, self._fail_sync, self._rot, self._rot]
        )  # fmt: skip

    def _open(self) -> None:
        self.store = _open(self.disk, self.clock, self.options)
        self.consumers = Consumers(self.store, self.clock, self.promises, self.configs)

    def _send(self) -> None:
        batches: list[OutgoingBatch] = []
        sent: list[tuple[str, str | None, bytes]] = []
        for _ in range(self.random.choice((1, 1, 2))):
            count = self.random.choice((1, 1, 1, 3, 10))
            records = [
                Record(self.random.randbytes(self.random.choice(_SIZES)), self.random.choice((None, "a", "b", "c")))
                for _ in range(count)
            ]
            now_ms = self.clock.now_ms()
            batch = encode(records, shared=SHARED, born_ms=now_ms, producer_id=1, first_sequence=self.sequence)
            batches.append(OutgoingBatch(QUEUE, None, batch))
            sent += [
                (make_id(now_ms, 1, self.sequence + place), record.message_key, record.data)
                for place, record in enumerate(records)
            ]
            self.sequence += count
        self.promises.sending(sent)
        if self._try(lambda: self.store.runner.send(batches)):
            self.promises.sent(sent)

    def _receive(self) -> None:
        name = self.random.choice(list(self.configs))
        self._try(lambda: self.consumers.fetch(name, self.random.choice((1, 5, 50))))

    def _settle(self) -> None:
        name = self.random.choice(list(self.configs))
        held = self.promises.pick(name, self.random)
        if held is None:
            return None
        group, runner = self.consumers.groups[name], self.store.runner
        offsets = [held.offset]
        if held.deadline_ms <= self.clock.now_ms():
            return self.promises.lapsed(name, held)
        kind = self.random.random()
        if kind < 0.75:
            if self._try(lambda: runner.ack(group.id, held.lease_id, offsets)):
                self.promises.settling(name, held)
            return None
        self._try(
            lambda: runner.give_back(
                lambda engine, now_ms: (
                    engine.decide_nack(now_ms, group.id, held.lease_id, offsets, None, "simulated")
                    if kind < 0.9
                    else engine.decide_release(now_ms, group.id, held.lease_id, offsets)
                )
            )
        )
        return self.promises.lapsed(name, held)

    def _flush(self) -> None:
        if self._try(self.store.runner.flush):
            self.promises.flushed()

    def _wait(self) -> None:
        self.clock.advance(self.random.choice((0.5, 2.0, 10.0, 40.0)))
        self.promises.expired(self.clock.now_ms())

    def _upkeep(self) -> None:
        maintenance = self.store.maintenance
        if self.random.random() < 0.5:
            self._try(maintenance.snapshot)
        self._try(lambda: maintenance.work(full_round=True))

    def _crash(self) -> None:
        self.faults.append("power cut")
        self.disk.capacity_bytes = CAPACITY  # a store cannot be opened on a full disk
        self.disk.crash()
        self._open()

    def _kill(self) -> None:
        self.faults.append("kill")
        self.disk.kill()
        self._open()

    def _close(self) -> None:
        if self._try(self.store.close):
            self.promises.flushed()
        self._crash()

    def _fill(self) -> None:
        """The disk is full for a while: sends may fail, the rest goes on."""
        self.faults.append("disk full")
        self.disk.capacity_bytes = 0
        for _ in range(self.random.choice((3, 10, 30))):
            self.random.choice((self._send, self._receive, self._settle, self._flush))()
        self.disk.capacity_bytes = CAPACITY
        self._send()

    def _fail_write(self) -> None:
        self.faults.append("write fails")
        self.disk.fail_write_in = self.random.randrange(1, 12)

    def _fail_sync(self) -> None:
        self.faults.append("sync fails")
        self.disk.fail_sync_in = self.random.randrange(1, 8)

    def _try(self, call: Callable[[], object]) -> bool:
        """Make a call that the disk may fail; nothing else may. A poisoned store is opened again."""
        try:
            call()
        except OMSRuntimeException as failure:
            if failure.code != 1501:
                raise
            if "read-only" in failure.reason:
                self._crash()
            return False
        return True

    def _rot(self) -> None:
        """On a copy of the disk, which goes its own way, bits flip while the store is closed."""
        self.faults.append("bits flip")
        twin = self.disk.fork()
        rot(twin, ROOT, copy.copy(self.clock), copy.deepcopy(self.promises), _open)
        self.disk.note(f"copied and damaged: {twin.trace_hash()}")

    def _heal_and_drain(self) -> None:
        """No more faults: everything that was promised must come."""
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        self._crash()
        for name in self.configs:
            self.consumers.drain(name)


def _open(disk: SimulatedDisk, clock: SimulatedClock, options: StoreOptions = OPTIONS) -> Store:
    return open_store(ROOT, options, disk=disk, clock=clock, chance=disk.random, upkeep=False)


def run_seed(seed: int, kind: type[BrokerRun] = BrokerRun) -> tuple[str, BrokerRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    run = None
    try:
        run = kind(seed)
        return run.run(), run, None
    except Exception as failure:
        return "", run, failure


def main(arguments: list[str] | None = None, kind: type[BrokerRun] = BrokerRun, description: str | None = None) -> int:
    """Run seeds; returns the exit code: 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        description=description or __doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="only this one, told in detail")
    options = parser.parse_args(arguments)
    logging.getLogger("openmessaging.store").setLevel(logging.ERROR)  # damaged snapshots are what it is about
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    failed = 0
    for seed in seeds:
        trace, run, failure = run_seed(seed, kind)
        if failure is not None or options.seed is not None:
            faults = ", ".join(run.faults) if run is not None else "at the first opening"
            print(f"seed {seed}: {failure!r} {trace}\n  faults: {faults}")
        if failure is not None:
            failed += 1
            if options.seed is not None:
                if run is not None:
                    print("\n".join(run.disk.lines))
                raise failure
    print(f"{len(seeds)} seeds, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
