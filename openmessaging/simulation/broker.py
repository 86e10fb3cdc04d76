"""The production broker and storage on a simulated disk, from a seed, against a model of what was promised.

    python -m openmessaging.simulation.broker --seeds 1000
    python -m openmessaging.simulation.broker --seed 17      (one seed, with its faults and the last calls to the disk)

Two verdicts. Safety, at every step: what is received was sent, with the same bytes and id; nothing whose settlement was
flushed comes again; the messages of a key come in order, one at a time. Liveness, at the end, on a healed disk:
everything whose send returned has been received by each group or lies in its dead-letter queue.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from openmessaging.broker.admin import Admin
from openmessaging.broker.group import Group
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import decode, encode, encode_shared, make_id
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, Delivery, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.simulation.promises import Held, Promises

ROOT = "/store"
CAPACITY = 1 << 40
QUEUE = "default://queue"
OPTIONS = StoreOptions(segment_bytes=64 * 1024)
CONFIGS = {
    "plain": GroupConfig(invisible_time=20, backoff=Backoff(initial=1, maximum=5, max_delivery=4)),
    "keyed": GroupConfig(invisible_time=20, order="key", backoff=Backoff(initial=1, maximum=5, max_delivery=4)),
}
_SHARED = encode_shared({"bornHost": "simulation"})
_SIZES = (0, 10, 60, 200, 900, 6_000)


class BrokerRun:
    """One seed: a store on its disk, what clients hold, and what they were promised."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.clock = SimulatedClock()
        self.disk = SimulatedDisk(self.random, capacity_bytes=CAPACITY, delay=self.clock.advance)
        self.promises = Promises(CONFIGS)
        self.faults: list[str] = []
        self.sequence = 0
        self.store: Store
        self.groups: dict[str, Group] = {}
        self._open()

    def run(self, steps: int = 150) -> str:
        """Random steps, then heal and drain; returns the hash of the disk's trace."""
        actions: list[Callable[[], None]] = (
            [self._send] * 30 + [self._receive] * 30 + [self._settle] * 30 + [self._flush] * 8 + [self._wait] * 8
            + [self._upkeep] * 8 + [self._crash] * 3 + [self._kill] * 2 + [self._close] * 2
            + [self._fill, self._fail_write, self._fail_sync]
        )  # fmt: skip
        for _ in range(steps):
            self.random.choice(actions)()
        self._heal_and_drain()
        return self.disk.trace_hash()

    def _open(self) -> None:
        self.store = open_store(ROOT, OPTIONS, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        admin = Admin(self.store.runner)
        for name, config in CONFIGS.items():
            self.groups[name] = admin.join(SubscriptionSpec(QUEUE, name, config))
        self.promises.reopened()

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
            batch = encode(records, shared=_SHARED, born_ms=now_ms, producer_id=1, first_sequence=self.sequence)
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
        name = self.random.choice(list(self.groups))
        self._try(lambda: self._fetch(name, self.random.choice((1, 5, 50))))

    def _fetch(self, name: str, count: int) -> list[Held]:
        deliveries = self.store.runner.receive(self.groups[name], count, 1 << 20, None)
        return [held for delivery in deliveries for held in self._taken(name, delivery)]

    def _taken(self, name: str, delivery: Delivery) -> list[Held]:
        header, _, records = decode(delivery.data)
        found: list[Held] = []
        for place in range(delivery.first, delivery.last):
            record = records[place]
            message_id = (record.headers or {}).get("messageId") or header.message_id(place)
            held = Held(message_id, delivery.lease_id, delivery.base_offset + place, delivery.deadline_ms)
            self.promises.received(name, held, record.data, delivery.attempt)
            found.append(held)
        return found

    def _settle(self) -> None:
        name = self.random.choice(list(self.groups))
        held = self.promises.pick(name, self.random)
        if held is None:
            return None
        group, runner = self.groups[name], self.store.runner
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

    def _heal_and_drain(self) -> None:
        """No more faults: everything that was promised must come."""
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        self._crash()
        for name in CONFIGS:
            for _ in range(10_000):
                found = self._fetch(name, 100)
                for held in found:
                    self.store.runner.ack(self.groups[name].id, held.lease_id, [held.offset])
                    self.promises.settling(name, held)
                lag = Admin(self.store.runner).describe_group(QUEUE, name).lag
                if not found and not lag:
                    break
                if not found:
                    self.clock.advance(5)
                    self.promises.expired(self.clock.now_ms())
            else:
                raise AssertionError(f"group {name} does not come to an end")
            self._read_dead_letters(name)
            self.promises.check_complete(name)

    def _read_dead_letters(self, name: str) -> None:
        admin = Admin(self.store.runner)
        queue = self.groups[name].dead_letter_queue
        if queue not in self.store.runner.engine.queues:
            return
        offset = 0
        while found := admin.browse(queue, 0, offset, 1000, None):
            for delivery in found:
                header, _, records = decode(delivery.data)
                for place in range(delivery.first, delivery.last):
                    record = records[place]
                    message_id = (record.headers or {}).get("messageId") or header.message_id(place)
                    self.promises.dead(name, message_id, record.data)
                offset = delivery.base_offset + delivery.last


def run_seed(seed: int) -> tuple[str, BrokerRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    run = None
    try:
        run = BrokerRun(seed)
        return run.run(), run, None
    except Exception as failure:
        return "", run, failure


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="only this one, told in detail")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    failed = 0
    for seed in seeds:
        trace, run, failure = run_seed(seed)
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
