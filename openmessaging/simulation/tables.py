"""Compacted queues and copies of them on a simulated disk, from a seed, against what was promised.

    python -m openmessaging.simulation.tables --seeds 1000

Safety, after every opening and at the end: what is read was sent, at the offset and with the bytes it had; of every
message whose send returned, it or a later one of its key is there, or it was a tombstone that has gone, and then
nothing older of its key is left.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from openmessaging.broker.admin import Admin
from openmessaging.broker.store import Store, StoreOptions, open_store
from openmessaging.model.batch import HOLE, decode, encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.simulation.clock import SimulatedClock
from openmessaging.simulation.disk import SimulatedDisk

TABLE = "default://table"
_SHARED = encode_shared({"bornHost": "simulation"})
_KEYS = "abcdefgh"
_TOMBSTONE_AGE = 20.0


class TableRun:
    """One seed: a store with a compacted queue, and what its senders were promised."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.clock = SimulatedClock()
        self.disk = SimulatedDisk(self.random, capacity_bytes=1 << 40, delay=self.clock.advance)
        self.faults: list[str] = []
        self.bodies: dict[bytes, str] = {}
        """Key of each body that a send may have stored; every body is sent once."""
        self.promised: dict[int, tuple[str, bytes]] = {}
        """By offset: sends that returned."""
        self.tombstones: set[bytes] = set()
        self.sequence = 0
        self.passes = 0
        self.store: Store
        self._open()

    def run(self, steps: int = 120) -> str:
        """Random steps, then a last look; returns the hash of the disk's trace."""
        actions: list[Callable[[], None]] = (
            [self._send] * 30 + [self._upkeep] * 12 + [self._compact] * 12 + [self._receive] * 6 + [self._wait] * 4
            + [self._crash] * 4 + [self._kill] * 2 + [self._close] * 2 + [self._fail_write, self._fail_sync]
        )  # fmt: skip
        for _ in range(steps):
            self.random.choice(actions)()
        self.disk.fail_write_in = self.disk.fail_sync_in = 0
        self._crash()
        for _ in range(60):
            self.store.maintenance.work(full_round=True)
        self._check()
        self._crash()
        return self.disk.trace_hash()

    def _open(self) -> None:
        options = StoreOptions(segment_bytes=32 * 1024)
        self.store = open_store("/store", options, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        self.store.maintenance.compactor.min_dirty = 6
        self.store.maintenance.compactor.max_keys = 5
        admin = Admin(self.store.runner)
        if TABLE not in self.store.runner.engine.queues:
            admin.create_queue(TABLE, 1, {"compact": True, "tombstone_age": _TOMBSTONE_AGE})
        self.group = admin.join(SubscriptionSpec(TABLE, "g", GroupConfig()))
        self._check()

    def _send(self) -> None:
        records = []
        for _ in range(self.random.choice((1, 1, 3, 8))):
            self.sequence += 1
            empty = self.random.random() < 0.15
            body = b"" if empty else b"%d " % self.sequence + bytes(self.random.choice((0, 50, 900)))
            if empty:
                self.tombstones.add(b"%d" % self.sequence)
            record = Record(body, self.random.choice(_KEYS), {"n": self.sequence})
            self.bodies[b"%d" % self.sequence] = str(record.message_key)
            records.append(record)
        batch = encode(
            records, shared=_SHARED, born_ms=self.clock.now_ms(), producer_id=1, first_sequence=self.sequence
        )
        base: list[int] = []
        if self._try(lambda: base.append(self.store.runner.send([OutgoingBatch(TABLE, None, batch)])[0].base_offset)):
            for offset, record in enumerate(records, base[0]):
                self.promised[offset] = str(record.message_key), _name(record)

    def _upkeep(self) -> None:
        if self.random.random() < 0.3:
            self._try(lambda: self.store.maintenance.snapshot(again=True))
        self._try(lambda: self.store.maintenance.work(full_round=True))

    def _compact(self) -> None:
        """Some steps of a pass: it may be cut off anywhere."""
        compactor = self.store.maintenance.compactor
        self._try(compactor.begin)
        for _ in range(self.random.choice((1, 2, 20))):
            self._try(compactor.step)
        self.passes = max(self.passes, self.store.runner.engine.queue(TABLE).partitions[0].generation)

    def _receive(self) -> None:
        def take() -> None:
            for delivery in self.store.runner.receive(self.group, 5, 1 << 20, None) or ():
                offsets = range(delivery.base_offset + delivery.first, delivery.base_offset + delivery.last)
                self.store.runner.ack(self.group.id, delivery.lease_id, offsets)

        self._try(take)

    def _wait(self) -> None:
        self.clock.advance(self.random.choice((1.0, 10.0, 40.0)))

    def _crash(self) -> None:
        self.faults.append("power cut")
        self.disk.crash()
        self._open()

    def _kill(self) -> None:
        self.faults.append("kill")
        self.disk.kill()
        self._open()

    def _close(self) -> None:
        self._try(self.store.close)
        self._crash()

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

    def _check(self) -> None:
        """Read all of the table and compare."""
        found: dict[int, tuple[str, bytes, bytes]] = {}
        admin = Admin(self.store.runner)
        offset = 0
        while deliveries := admin.browse(TABLE, 0, offset, 100, None):
            for delivery in deliveries:
                records = decode(delivery.data)[2]
                for place in range(delivery.first, delivery.last):
                    record = records[place]
                    assert record is not HOLE
                    found[delivery.base_offset + place] = str(record.message_key), _name(record), record.data
                offset = delivery.base_offset + delivery.last
        for key, name, _ in found.values():
            assert self.bodies[name] == key, f"{name!r} came with the key {key}"
        newest = {key: offset for offset, (key, _, _) in found.items()}
        for offset, (key, name) in self.promised.items():
            if offset in found:
                assert found[offset][1] == name, f"offset {offset} changed"
            elif newest.get(key, -1) < offset:
                assert key not in newest, f"offset {offset} went before what is older of {key}"
                later = [each for each in self.tombstones if self.bodies[each] == key and int(each) >= int(name)]
                assert later, f"offset {offset}, the newest of {key}, is gone"
        info = admin.describe_queue(TABLE)
        assert info.messages == len(found), f"{info.messages} messages are told, {len(found)} are there"


def _name(record: Record) -> bytes:
    return b"%d" % (record.properties or {})["n"]


def run_seed(seed: int) -> tuple[str, TableRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    run = None
    try:
        run = TableRun(seed)
        return run.run(), run, None
    except Exception as failure:
        return "", run, failure


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    failed = 0
    for seed in range(options.first, options.first + options.seeds):
        _, run, failure = run_seed(seed)
        if failure is not None:
            failed += 1
            print(f"seed {seed}: {failure!r}; faults: {run.faults if run else 'at the first opening'}")
    print(f"{options.seeds} seeds, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
