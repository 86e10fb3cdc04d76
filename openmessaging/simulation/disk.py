"""A disk in memory that crashes as real ones may, from a seed.

What was written and not synced is kept by sectors of 512 bytes; a crash keeps any subset of them, of the sizes that
changed and of the names that were made, replaced or removed. A failed sync leaves what the system shows apart from what
is on the disk, as Linux does: the pages look clean and are not written by the next sync either.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import os
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

SECTOR_BYTES = 512
_LINE_COUNT = 60


class _Inode:
    """A file's content as the system shows it, as it is on the disk, and the sectors that a sync would write."""

    def __init__(self) -> None:
        self.shown = bytearray()
        self.durable = bytearray()
        self.dirty: set[int] = set()

    def resize(self, size: int) -> None:
        old = len(self.shown)
        if size < old:
            del self.shown[size:]
            self.dirty |= set(range(size // SECTOR_BYTES, (old - 1) // SECTOR_BYTES + 1))
        else:
            self.shown += bytes(size - old)

    def write(self, position: int, data: bytes) -> None:
        end = position + len(data)
        if end > len(self.shown):
            self.resize(end)
        self.shown[position:end] = data
        if data:
            self.dirty |= set(range(position // SECTOR_BYTES, (end - 1) // SECTOR_BYTES + 1))

    def sync(self, sectors: set[int] | None = None) -> None:
        """Make all of it durable, or only some sectors."""
        self._settle(self.dirty if sectors is None else sectors, len(self.shown))
        self.dirty = set() if sectors is None else self.dirty - sectors

    def forget(self, sectors: set[int], chance: random.Random) -> None:
        """After a failed sync: some of the sectors are taken for clean and will never be written."""
        self.dirty -= {sector for sector in sorted(sectors) if chance.random() < 0.5}

    def crash(self, chance: random.Random) -> None:
        """Keep a random part of what was not synced; the system shows what is on the disk from here on."""
        keep = chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        kept = {sector for sector in sorted(self.dirty) if chance.random() < keep}
        size = len(self.shown) if chance.random() < 0.5 or kept else len(self.durable)
        self._settle(kept, size)
        self.shown = bytearray(self.durable)
        self.dirty.clear()

    def _settle(self, sectors: set[int], size: int) -> None:
        if size < len(self.durable):
            del self.durable[size:]
        else:
            self.durable += bytes(size - len(self.durable))
        for sector in sectors:
            start = sector * SECTOR_BYTES
            end = min(start + SECTOR_BYTES, len(self.shown), size)
            if start < end:
                self.durable[start:end] = self.shown[start:end]


class SimulatedFile:
    """An open file of a `SimulatedDisk`; useless after a crash."""

    def __init__(self, disk: SimulatedDisk, path: str, inode: _Inode, *, read_only: bool) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._read_only = read_only
        self._generation = disk.generation
        self._closed = False

    def read_at(self, position: int, size: int) -> bytes:
        """At most `size` bytes from `position`."""
        with self._disk.lock:
            self._check(write=False)
            return bytes(self._inode.shown[position : position + size])

    def write_at(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts; on an injected failure some sectors of them are written."""
        with self._disk.lock:
            self._check()
            data = b"".join(parts)
            grow = max(0, position + len(data) - len(self._inode.shown))
            written = self._disk.before_write(self._path, position, data, grow)
            self._inode.write(position, data[:written] if written < len(data) else data)
            if written < len(data):
                raise self._disk.failure(self._path)

    def sync(self) -> None:
        """Make it durable; on an injected failure a part of it never will be."""
        with self._disk.lock:
            self._check()
            if self._disk.sync_fails(self._path):
                self._inode.forget(set(self._inode.dirty), self._disk.random)
                raise self._disk.failure(self._path)
            self._inode.sync()

    def write_durable(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts and make their sectors durable, no others."""
        with self._disk.lock:
            self.write_at(position, parts)
            end = position + sum(map(len, parts))
            sectors = set(range(position // SECTOR_BYTES, (end - 1) // SECTOR_BYTES + 1)) if end > position else set()
            if self._disk.sync_fails(self._path):
                self._inode.forget(sectors, self._disk.random)
                raise self._disk.failure(self._path)
            self._inode.sync(sectors)

    def allocate(self, size: int) -> None:
        """Reserve the space up to `size`."""
        with self._disk.lock:
            self._check()
            grow = size - len(self._inode.shown)
            if grow > 0:
                self._disk.take(self._path, grow)
                self._inode.resize(size)

    def truncate(self, size: int) -> None:
        """Cut or extend."""
        with self._disk.lock:
            self._check()
            self._disk.note(f"truncate {self._path} {size}")
            self._inode.resize(size)

    def size(self) -> int:
        """Bytes in the file."""
        with self._disk.lock:
            self._check(write=False)
            return len(self._inode.shown)

    def close(self) -> None:
        """Close."""
        self._closed = True

    def _check(self, *, write: bool = True) -> None:
        if self._closed or self._generation != self._disk.generation or (write and self._read_only):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)


class SimulatedDisk:
    """A `Disk` in memory with faults.

    Args:
        chance: where the faults of a crash or a failure come from; the same seed and calls give the same run.
        capacity_bytes: space of the disk.
        delay: called with the seconds that a call takes: to move a simulated clock.
    """

    def __init__(
        self, chance: random.Random, *, capacity_bytes: int = 1 << 40, delay: Callable[[float], None] | None = None
    ) -> None:
        self.random = chance
        self.capacity_bytes = capacity_bytes
        """May be changed at any time."""
        self.fail_write_in = 0
        """The n-th write from now fails with EIO; 0: none."""
        self.fail_sync_in = 0
        """The n-th sync (of a file or directory) from now fails with EIO; 0: none."""
        self.generation = 0
        self.lines: deque[str] = deque(maxlen=_LINE_COUNT)
        """The last calls, for whoever reads a failure."""
        self.lock = threading.RLock()
        self._delay = delay
        self._hash = hashlib.sha256()
        self._directories = {"/"}
        self._names: dict[str, _Inode] = {}
        self._durable_names: dict[str, _Inode] = {}
        self._pending: list[tuple[str, str | None, _Inode | None]] = []
        self._error = errno.EIO

    def make_directory(self, path: str) -> None:
        """Create a directory with its parents, durably."""
        with self.lock:
            self.note(f"mkdir {path}")
            while path not in self._directories:
                self._directories.add(path)
                path = os.path.dirname(path) or "/"

    def list(self, path: str) -> list[str]:
        """Names in a directory, sorted."""
        with self.lock:
            return sorted(os.path.basename(name) for name in self._names if os.path.dirname(name) == path)

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        with self.lock:
            return path in self._names or path in self._directories

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> SimulatedFile:
        """Open a file."""
        with self.lock:
            inode = self._names.get(path)
            if inode is None:
                if not create or os.path.dirname(path) not in self._directories:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                self.note(f"create {path}")
                inode = self._names[path] = _Inode()
                self._pending.append((path, None, inode))
            return SimulatedFile(self, path, inode, read_only=read_only)

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`."""
        with self.lock:
            self.note(f"rename {source} {target}")
            inode = self._names.pop(source, None)
            if inode is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
            self._names[target] = inode
            self._pending.append((target, source, inode))

    def remove(self, path: str) -> None:
        """Delete a file."""
        with self.lock:
            self.note(f"remove {path}")
            if self._names.pop(path, None) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            self._pending.append((path, None, None))

    def sync_directory(self, path: str) -> None:
        """Make the names of a directory durable."""
        with self.lock:
            if self.sync_fails(path):
                raise self.failure(path)
            for change in self._pending:
                if os.path.dirname(change[0]) == path:
                    self._settle(change)
            self._pending = [change for change in self._pending if os.path.dirname(change[0]) != path]

    def free_bytes(self, path: str) -> int:  # noqa: ARG002 - one file system
        """Bytes left."""
        with self.lock:
            return max(0, self.capacity_bytes - sum(len(inode.shown) for inode in self._names.values()))

    def kill(self) -> None:
        """The process dies: open files are gone, what was written stays with the system."""
        with self.lock:
            self.note("kill")
            self.generation += 1
            self.fail_write_in = self.fail_sync_in = 0

    def crash(self) -> None:
        """The machine loses power: a random part of what was not synced is kept."""
        with self.lock:
            self.note("crash")
            self.generation += 1
            self.fail_write_in = self.fail_sync_in = 0
            for change in self._pending:
                if self.random.random() < 0.5:
                    self._settle(change)
            self._pending = []
            self._names = dict(self._durable_names)
            for name in sorted(self._names):
                self._names[name].crash(self.random)

    def flip_bit(self, path: str, position: int, bit: int) -> None:
        """Change one bit of a file, on the disk and as shown."""
        with self.lock:
            self.note(f"flip {path} {position} {bit}")
            inode = self._names[path]
            for content in (inode.shown, inode.durable):
                if position < len(content):
                    content[position] ^= 1 << bit

    def fork(self) -> SimulatedDisk:
        """A copy that goes its own way, with its own trace; open files stay with the original."""
        with self.lock:
            twin = SimulatedDisk(copy.deepcopy(self.random), capacity_bytes=self.capacity_bytes)
            twin._directories = set(self._directories)
            twin._names, twin._durable_names, twin._pending = copy.deepcopy(
                (self._names, self._durable_names, self._pending)
            )
            return twin

    def trace_hash(self) -> str:
        """A hash of every change made so far: equal runs have equal hashes."""
        return self._hash.hexdigest()

    def note(self, line: str, data: bytes = b"") -> None:
        """Add a call to the trace."""
        self._hash.update(line.encode())
        self._hash.update(data)
        self.lines.append(line)
        if self._delay is not None:
            self._delay(0.00001 + len(data) / 1e9)

    def before_write(self, path: str, position: int, data: bytes, grow: int) -> int:
        """How many bytes of a write get through: all, or some sectors when it is to fail."""
        self.note(f"write {path} {position} {len(data)}", data)
        if self.fail_write_in:
            self.fail_write_in -= 1
            if self.fail_write_in == 0:
                self._error = errno.EIO
                return self._some(position, len(data))
        if grow > self.free_bytes(path):
            self._error = errno.ENOSPC
            return self._some(position, len(data) - grow)
        return len(data)

    def _some(self, position: int, size: int) -> int:
        sectors = self.random.randrange(max(size, 1) // SECTOR_BYTES + 1)
        return min(max(size, 0), max(0, sectors * SECTOR_BYTES - position % SECTOR_BYTES))

    def sync_fails(self, path: str) -> bool:
        """Whether this sync is the one that is to fail."""
        self.note(f"sync {path}")
        if self._delay is not None:
            self._delay(0.0001)
        if self.fail_sync_in:
            self.fail_sync_in -= 1
            self._error = errno.EIO
            return self.fail_sync_in == 0
        return False

    def take(self, path: str, grow: int) -> None:
        """Reserve space. Raises OSError ENOSPC."""
        self.note(f"allocate {path} {grow}")
        if grow > self.free_bytes(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def failure(self, path: str) -> OSError:
        """The error of a failed write or sync."""
        self.note(f"fails {path} {self._error}")
        return OSError(self._error, os.strerror(self._error), path)

    def _settle(self, change: tuple[str, str | None, _Inode | None]) -> None:
        target, source, inode = change
        if source is not None:
            self._durable_names.pop(source, None)
        if inode is None:
            self._durable_names.pop(target, None)
        else:
            self._durable_names[target] = inode
