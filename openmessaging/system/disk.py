"""The disk as the log needs it: a few calls, each with what is durable when it returns.

Positions and sizes are bytes. All errors are `OSError`, as the operating system raised them.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """An open file. `read_at` may overlap with every other call, `sync` with writes, which it need not cover then; the
    others are made by one thread at a time."""

    def read_at(self, position: int, size: int) -> bytes:
        """At most `size` bytes from `position`; shorter only at the end of the file."""
        ...

    def write_at(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts one after the other from `position`. Nothing is durable before `sync`; a crash may keep any
        subset of the sectors written since."""
        ...

    def write_durable(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts, durable when it returns; what was written before is not made durable with them."""
        ...

    def sync(self) -> None:
        """When it returns, all that was written is durable. After an error nothing is known about what was."""
        ...

    def allocate(self, size: int) -> None:
        """Reserve the space up to `size` bytes, reading as zeros where not yet written; grows the file, not durable."""
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend to `size` bytes."""
        ...

    def size(self) -> int:
        """Bytes in the file."""
        ...

    def close(self) -> None:
        """Close; what was not synced may be lost. Safe to call twice. Dropping the last reference closes as well."""
        ...


class Disk(Protocol):
    """A directory tree. Paths are strings as `os.path` joins them."""

    def make_directory(self, path: str) -> None:
        """Create it with its parents, durably; no error when it exists."""
        ...

    def list(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty when it does not exist."""
        ...

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        ...

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        """Open a file for reading and writing; `create` makes it when missing, `read_only` refuses writes."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source` atomically; durable after `sync_directory` of their directory."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file; durable after `sync_directory`."""
        ...

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in the directory durable."""
        ...

    def free_bytes(self, path: str) -> int:
        """Bytes that an ordinary user can still write on the file system of `path`."""
        ...


_BUFFERS_PER_CALL = 1024
"""IOV_MAX of Linux and macOS."""
_DSYNC: int | None = getattr(os, "RWF_DSYNC", None)
_JOIN_BYTES = 64 * 1024
"""Parts that sum up to less than this, or average less than 4 KiB, are joined: copying beats a long vector."""
_ZEROS = bytes(1024 * 1024)
_NO_ALLOCATE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_FLAG = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


class SystemFile:
    """A file of the operating system, by positioned reads and writes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def read_at(self, position: int, size: int) -> bytes:
        """At most `size` bytes from `position`; shorter only at the end of the file."""
        data = _pread(self, position, size)
        if len(data) == size or not data:
            return data
        pieces = [data]
        missing = size - len(data)
        while missing:
            data = _pread(self, position + size - missing, missing)
            if not data:
                break
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def write_at(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts one after the other from `position`."""
        total = sum(map(len, parts))
        if len(parts) == 1:
            self._write(position, parts[0])
        elif total < _JOIN_BYTES or total < 4096 * len(parts) or not hasattr(os, "pwritev"):
            self._write(position, b"".join(parts))
        else:
            for first in range(0, len(parts), _BUFFERS_PER_CALL):
                position = self._write_vector(position, parts[first : first + _BUFFERS_PER_CALL])

    def write_durable(self, position: int, parts: Sequence[bytes]) -> None:
        """Write and sync the parts; where the system can, in one call instead of two (RWF_DSYNC)."""
        if _DSYNC is not None and len(parts) <= _BUFFERS_PER_CALL:
            total = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
            if _JOIN_BYTES <= total < 4096 * len(parts):
                parts = [b"".join(parts)]
            try:
                if os.pwritev(self._descriptor, parts, position, _DSYNC) == total:
                    return
            except OSError as error:
                if error.errno not in _NO_FLAG:
                    raise
        self.write_at(position, parts)  # no such flag here, too many parts, or cut short by a signal: all of it again
        self.sync()

    def _write_vector(self, position: int, parts: Sequence[bytes]) -> int:
        total = sum(map(len, parts))
        written = os.pwritev(self._descriptor, parts, position)
        if written < total:  # a signal, or a limit of the system: the rest in one piece
            self._write(position + written, b"".join(parts)[written:])
        return position + total

    def _write(self, position: int, data: bytes) -> None:
        written = _pwrite(self, position, data)
        if written == len(data):
            return
        view = memoryview(data)
        while written < len(data):
            written += _pwrite(self, position + written, view[written:])

    def sync(self) -> None:
        """Make everything written durable."""
        _sync(self._descriptor)

    def allocate(self, size: int) -> None:
        """Reserve the space up to `size` bytes; writes zeros where the system cannot reserve."""
        start = self.size()
        if size <= start:
            return
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._descriptor, start, size - start)
            except OSError as error:
                if error.errno not in _NO_ALLOCATE:
                    raise
            else:
                return
        while start < size:
            step = min(size - start, len(_ZEROS))
            self._write(start, _ZEROS[:step])
            start += step

    def truncate(self, size: int) -> None:
        """Cut or extend to `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


def _seek_read(file: SystemFile, position: int, size: int) -> bytes:
    """Windows: the position belongs to the descriptor, so moving and using it must be one step."""
    with file._lock:
        os.lseek(file._descriptor, position, os.SEEK_SET)
        return os.read(file._descriptor, size)


def _seek_write(file: SystemFile, position: int, data: bytes | memoryview) -> int:
    with file._lock:
        os.lseek(file._descriptor, position, os.SEEK_SET)
        return os.write(file._descriptor, data)


def _pread(file: SystemFile, position: int, size: int) -> bytes:
    return os.pread(file._descriptor, size, position)


def _pwrite(file: SystemFile, position: int, data: bytes | memoryview) -> int:
    return os.pwrite(file._descriptor, data, position)


if not hasattr(os, "pread"):
    _pread, _pwrite = _seek_read, _seek_write


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":  # fsync stops at the drive's own cache there
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


class SystemDisk:
    """The machine's file systems."""

    def make_directory(self, path: str) -> None:
        """Create a directory with its parents, durably; no error when it exists."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(os.path.abspath(path))
        self.make_directory(parent)
        os.makedirs(path, exist_ok=True)
        self.sync_directory(parent)

    def list(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty when it does not exist."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        return os.path.exists(path)

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> SystemFile:
        """Open a file; `create` makes it when missing, `read_only` refuses writes."""
        flags = os.O_RDONLY if read_only else os.O_RDWR
        if create:
            flags |= os.O_CREAT
        return SystemFile(os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o644))

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source` atomically."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """Delete a file."""
        os.remove(path)

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in the directory durable. Windows journals them by itself."""
        if sys.platform == "win32":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, path: str) -> int:
        """Bytes that an ordinary user can still write on the file system of `path`."""
        return shutil.disk_usage(path).free
