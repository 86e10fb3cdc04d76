"""The disk as the log needs it: a few calls, each with what is durable when it returns.

Positions and sizes are bytes. All errors are `OSError`, as the operating system raised them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """An open file. `read_at` may overlap with every other call; the others are made by one thread at a time."""

    def read_at(self, position: int, size: int) -> bytes:
        """At most `size` bytes from `position`; shorter at the end of the file."""
        ...

    def write_at(self, position: int, parts: Sequence[bytes]) -> None:
        """Write the parts one after the other from `position`. Nothing is durable before `sync`; a crash may keep any
        subset of the sectors written since."""
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
        """Close; what was not synced may be lost."""
        ...


class Disk(Protocol):
    """A directory tree. Paths are strings as `os.path` joins them."""

    def make_directory(self, path: str) -> None:
        """Create it with its parents; no error when it exists."""
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
