"""One process per store: a lock file that the system releases when its holder dies, and that names the holder."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.system.clock import Clock, SystemClock
from openmessaging.system.fork import keep_private

LOCK = "LOCK"
_FAR = 1 << 30
"""Windows locks bytes, and locked bytes cannot be read: one far behind the text is locked."""

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class StoreLock:
    """The lock of a store's directory, held until `release` or the end of the process."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self.path = path
        keep_private(self)

    def fileno(self) -> int:
        """Its descriptor, -1 once it is given back."""
        return self._descriptor

    @classmethod
    def acquire(cls, directory: str, clock: Clock | None = None) -> StoreLock:
        """Take the lock of `directory`, which is created if missing. Does not wait.

        A file that a dead process left behind does not matter: only the system's lock counts.

        Raises:
            OMSRuntimeException: 1503 when another process, or this one, holds it; the error names pid, host and start.
                1501 when the directory cannot be written.
        """
        path = os.path.join(directory, LOCK)
        try:
            os.makedirs(directory, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as failure:
            raise error(
                1501,
                f"cannot open a store in {directory}: {failure.strerror or failure}",
                next_step="Choose a directory that this user can write, or change its permissions",
            ) from failure
        try:
            _try_lock(descriptor)
        except OSError as failure:
            os.close(descriptor)
            raise _held(directory, path) from failure
        try:
            _write_holder(descriptor, (clock or SystemClock()).now_ms())
        except OSError as failure:
            os.close(descriptor)
            raise error(1501, f"cannot write {path}: {failure.strerror or failure}") from failure
        return cls(descriptor, path)

    def release(self) -> None:
        """Give the lock back. Safe to call twice. The file stays: removing it would let two processes in."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def holder(directory: str) -> dict[str, Any] | None:
    """What the lock file says (pid, host, started_ms), None when it says nothing. Not whether it is held."""
    try:
        with open(os.path.join(directory, LOCK), "rb") as file:
            said = json.loads(file.read(4096))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _write_holder(descriptor: int, now_ms: int) -> None:
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started_ms": now_ms}).encode()
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _held(directory: str, path: str) -> OMSRuntimeException:
    said = holder(directory)
    if said is None:
        who = f"another process (see {path})"
    else:
        own = said.get("pid") == os.getpid() and said.get("host") == socket.gethostname()
        who = f"process {said.get('pid')} on host {said.get('host')}" + (" (this process)" if own else "")
    next_step = "Stop that process, or choose another directory; a lock of a dead process frees itself"
    return error(1503, f"the store {directory} is in use by {who}", next_step=next_step)
