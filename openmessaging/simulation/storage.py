"""The production storage on a simulated disk, from a seed, against a model that remembers what was promised.

    python -m openmessaging.simulation.storage --seeds 1000
    python -m openmessaging.simulation.storage --seed 17        (one seed, with the last calls to the disk)

Promises checked: what a `flush(sync=True)` covered is there with the same bytes after any crash; indexes have no gaps;
damage is reported with its position or does not matter; a full or failing disk never changes what is read; partition
indexes and snapshots agree with the log; one seed gives one run.
"""

from __future__ import annotations

import argparse
import random
import sys

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.index import PartitionIndexes
from openmessaging.storage.inspect import verify
from openmessaging.storage.log import Log
from openmessaging.storage.snapshot import SnapshotStore, snapshot_name

ROOT = "/store"
PARTITIONS = 3
SEGMENT_BYTES = 64 * 1024
_SIZES = (0, 1, 7, 30, 100, 480, 512, 1000, 5_000, 20_000, 90_000)


def _storage_error(failure: OMSRuntimeException) -> None:
    """The only error that a disk may cause."""
    if failure.code != 1501:
        raise AssertionError(f"not a storage error: {failure}") from failure


class StorageRun:
    """One seed: a store, its disk, and what must be true of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.disk = SimulatedDisk(self.random)
        self.zero_fill = self.random.random() < 0.5
        self.zeros = self.random.random() < 0.3
        """Whether bodies may be zeros: then a flipped bit can look like a torn write, so none is flipped."""
        self.bodies: list[bytes] = []
        self.synced = -1
        self.dropped = 0
        self.faults: list[str] = []
        self.ends: list[int] = []
        self._open()

    def run(self, steps: int = 120) -> str:
        """Do random steps, crash and check at the end; returns the hash of the disk's trace."""
        actions = (
            [self._append] * 40 + [self._flush] * 14 + [self._write] * 4 + [self._write_back] * 2 + [self._prepare] * 4
            + [self._read] * 8 + [self._snapshot] * 3 + [self._drop] * 2 + [self._crash] * 4 + [self._close] * 2
            + [self._fill] * 2 + [self._fail_write, self._fail_sync, self._flip, self._flip]
        )  # fmt: skip
        for _ in range(steps):
            self.random.choice(actions)()
        self._crash()
        self._check()
        return self.disk.trace_hash()

    def _open(self) -> None:
        """Open the store as its owner does: log, snapshot, indexes, replay; and check it against the model."""
        snapshots = SnapshotStore(self.disk, ROOT + "/snapshots")
        found = snapshots.newest()
        assert not snapshots.problems, snapshots.problems
        self.log = Log.open(
            self.disk,
            ROOT,
            zero_fill=self.zero_fill,
            segment_bytes=SEGMENT_BYTES,
            scan_from=found[0] + 1 if found else 0,
            salt=self.random.getrandbits(64),
        )
        self.snapshots = snapshots
        cut = self.log.recovery.cut
        assert cut is None or cut.index > self.synced, f"cut {cut}, but {self.synced} had been synced"
        assert self.log.max_index() >= self.synced, f"ends at {self.log.max_index()}, {self.synced} had been synced"
        assert self.log.max_index() < len(self.bodies), "the log has entries that were never appended"
        del self.bodies[self.log.max_index() + 1 :]
        self.synced = self.log.durable_index()
        self._open_indexes(found)
        self._check()

    def _open_indexes(self, found: tuple[int, bytes] | None) -> None:
        self.indexes = PartitionIndexes(self.disk, ROOT + "/index")
        self.ends = [0] * PARTITIONS
        index = -1
        if found is not None:
            index = found[0]
            self.ends = [int(end) for end in found[1].split()]
            for partition, end in enumerate(self.ends):
                self.indexes.restore(partition, end)
        for entry in self.log.entries(max(index + 1, self.log.min_index())):
            self._place(entry.index, entry.body_position, entry.size)

    def _place(self, index: int, position: int, size: int) -> None:
        partition = index % PARTITIONS
        self.indexes.add(partition, self.ends[partition], 1, position, size, index)
        self.ends[partition] += 1

    def _body(self) -> list[bytes]:
        chance = self.random
        size = chance.choice(_SIZES[:7] if chance.random() < 0.8 else _SIZES)
        body = bytes(size) if self.zeros and chance.random() < 0.5 else chance.randbytes(size)
        cut = chance.randrange(size + 1)
        return [body[:cut], body[cut:]]

    def _append(self) -> None:
        for _ in range(self.random.choice((1, 1, 1, 2, 5, 20))):
            parts = self._body()
            try:
                result = self.log.append(parts, reserved=self.random.random() < 0.1)
            except OMSRuntimeException as failure:
                _storage_error(failure)
                break
            assert result.index == len(self.bodies), f"index {result.index}, wanted {len(self.bodies)}"
            self.bodies.append(b"".join(parts))
            self._place(result.index, result.body_position, result.size)
        assert self.log.max_index() == len(self.bodies) - 1, "a refused entry was staged"

    def _flush(self, *, sync: bool = True) -> None:
        try:
            last = self.log.flush(sync=sync)
        except OMSRuntimeException as failure:
            _storage_error(failure)
            self._poisoned()
            return
        assert last == len(self.bodies) - 1
        if sync:
            self.synced = last

    def _write(self) -> None:
        self._flush(sync=False)

    def _poisoned(self) -> None:
        """After a failed write the log reads and refuses; the process is started again, or the machine is."""
        try:
            self.log.append([b"refused"], reserved=True)
        except OMSRuntimeException as refusal:
            _storage_error(refusal)
        else:
            raise AssertionError("a poisoned log took an entry")
        self._check()
        if self.random.random() < 0.5:
            self.disk.kill()
            self._open()
        else:
            self._crash()

    def _write_back(self) -> None:
        """A failure is told to whoever comes next."""
        self.log.write_back()

    def _prepare(self) -> None:
        self.log.prepare()

    def _read(self) -> None:
        if len(self.bodies) <= self.log.min_index():
            return
        index = self.random.randrange(self.log.min_index(), len(self.bodies))
        entry = self.log.get(index)
        assert entry.body == self.bodies[index], f"wrong bytes at index {index}"
        start = self.random.randrange(len(entry.body) + 1)
        assert self.log.read(entry.body_position + start, len(entry.body) - start) == entry.body[start:]
        found = self.indexes.find(index % PARTITIONS, index // PARTITIONS)
        assert found is not None, f"the index misses {index}"
        assert found.position == entry.body_position, f"the index leads {index} to {found.position}"

    def _snapshot(self) -> None:
        try:
            self.synced = self.log.flush()
            self.indexes.sync()
            if self.bodies:
                self.snapshots.save(len(self.bodies) - 1, " ".join(map(str, self.ends)).encode())
        except OMSRuntimeException as failure:
            _storage_error(failure)
            self._crash()

    def _drop(self) -> None:
        covered = self.snapshots.covered_index()
        if covered < 0:
            return
        self.dropped = max(self.dropped, self.random.randrange(covered + 1))
        try:
            self.log.drop_before(self.dropped)
        except OMSRuntimeException as failure:
            _storage_error(failure)
        assert self.log.min_index() <= self.dropped

    def _crash(self) -> None:
        self.faults.append("crash")
        self.disk.crash()
        self.disk.capacity_bytes = 1 << 40
        self._open()

    def _close(self) -> None:
        try:
            self.log.close()
            self.synced = len(self.bodies) - 1
            clean = True
        except OMSRuntimeException as failure:
            _storage_error(failure)
            clean = False
        if self.random.random() < 0.5:
            self.disk.crash()
        else:
            self.disk.kill()
        self.disk.capacity_bytes = 1 << 40
        self._open()
        assert self.log.recovery.clean or not clean, "closed in order, but not seen so"

    def _fill(self) -> None:
        """The disk is full: appends are refused in time, what is there can be read; space comes back."""
        self.faults.append("full")
        used = (1 << 40) - self.disk.free_bytes(ROOT) if self.disk.capacity_bytes == 1 << 40 else 0
        self.disk.capacity_bytes = used + self.random.choice((0, 20_000, 150_000))
        for _ in range(self.random.randrange(8)):
            self._append()
            self.random.choice((self._flush, self._flush, self._prepare, self._read))()
        self.disk.capacity_bytes = 1 << 40

    def _fail_write(self) -> None:
        self.faults.append("write fails")
        self.disk.fail_write_in = self.random.randrange(1, 12)

    def _fail_sync(self) -> None:
        self.faults.append("sync fails")
        self.disk.fail_sync_in = self.random.randrange(1, 12)

    def _flip(self) -> None:
        """On a copy of the disk, flip a bit of a segment: every entry is read right, or the damage is reported."""
        if self.zeros:
            return
        self.faults.append("flip")
        twin = self.disk.fork()
        if self.random.random() < 0.5:
            twin.crash()
        else:
            twin.kill()
        names = [name for name in twin.list(ROOT + "/log") if name.endswith(".seg")]
        path = f"{ROOT}/log/{self.random.choice(names)}"
        used = 4096 + max(1, self.log.max_position() - int(path[-24:-4]))
        size = min(used, twin.open(path).size())
        position = self.random.randrange(size) if self.random.random() < 0.9 else self.random.randrange(60)
        twin.flip_bit(path, position, self.random.randrange(8))
        self._check_damaged(twin)
        self._flip_snapshot()

    def _flip_snapshot(self) -> None:
        """On a copy of the disk, damage the newest snapshot: the older one and the log after it are there."""
        kept = self.snapshots.indexes()
        if len(kept) < 2:
            return
        twin = self.disk.fork()
        path = f"{ROOT}/snapshots/{snapshot_name(kept[-1])}"
        twin.flip_bit(path, self.random.randrange(twin.open(path).size()), self.random.randrange(8))
        found = SnapshotStore(twin, ROOT + "/snapshots").newest()
        assert found is not None, "the older snapshot was not found"
        assert found[0] == kept[-2], f"fell back to {found[0]}, wanted {kept[-2]}"
        assert self.log.min_index() <= found[0] + 1, "the log after the older snapshot is gone"

    def _check_damaged(self, twin: SimulatedDisk) -> None:
        whole = verify(ROOT, twin).whole
        failed = True
        try:
            log = Log.open(twin, ROOT, zero_fill=self.zero_fill, segment_bytes=SEGMENT_BYTES, scan_from=0)
            cut = log.recovery.cut
            assert cut is None or cut.index > self.synced, f"a flipped bit was taken for a torn write: {cut}"
            assert log.max_index() >= self.synced, "entries are missing and nothing was said"
            for index in range(log.min_index(), log.max_index() + 1):
                assert log.get(index).body == self.bodies[index], f"wrong bytes at index {index}"
            failed = False
        except OMSRuntimeException as failure:
            _storage_error(failure)
        assert not (failed and whole), "reading found damage, verify did not"

    def _check(self) -> None:
        index = self.log.min_index()
        assert index <= self.dropped or index == 0, f"starts at {index}, dropped before {self.dropped}"
        for entry in self.log.entries(index):
            assert entry.index == index, f"index {entry.index} after {index - 1}"
            assert entry.body == self.bodies[index], f"wrong bytes at index {index}"
            index += 1
        assert index == len(self.bodies), f"ends at {index}, wanted {len(self.bodies)}"


def run_seed(seed: int) -> tuple[str, StorageRun | None, BaseException | None]:
    """Run one seed: the trace's hash, the run as far as it came, and what went wrong, if anything did."""
    run: StorageRun | None = None
    try:
        run = StorageRun(seed)
        return run.run(), run, None
    except (AssertionError, OMSRuntimeException, OSError, LookupError, ValueError) as failure:
        return "", run, failure


def main(arguments: list[str] | None = None) -> int:
    """Run seeds and say which failed; the exit code is 1 when one did."""
    parser = argparse.ArgumentParser(prog="openmessaging.simulation.storage", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one and show the last calls to the disk")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    failed = 0
    for seed in seeds:
        trace, run, failure = run_seed(seed)
        if failure is not None:
            failed += 1
            print(f"seed {seed}: {type(failure).__name__}: {failure}; faults: {', '.join(run.faults) if run else '-'}")
            if options.seed is not None and run is not None:
                print("\n".join(run.disk.lines))
        elif options.seed is not None:
            print(f"seed {seed}: right; trace {trace}")
    print(f"{len(seeds)} seeds, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
