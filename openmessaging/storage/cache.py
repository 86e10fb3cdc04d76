"""What the log keeps in memory to read fast: open files and blocks, both bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict

from openmessaging.system.disk import Disk, File

BLOCK_BYTES = 128 * 1024
TAIL_BYTES = 8 * 1024
"""How much is read of the block that is still being written."""
BLOCKS = 64
OPEN_FILES = 64


class OpenFiles:
    """Open files, the longest unused forgotten first.

    A forgotten file is not closed here: it closes when the last reader drops it, so none can lose it in mid-read.
    With `writable`, files are opened for writing too and created when missing.
    """

    def __init__(self, disk: Disk, limit: int = OPEN_FILES, *, writable: bool = False) -> None:
        self._disk = disk
        self._limit = limit
        self._writable = writable
        self._files: OrderedDict[str, File] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> File:
        """The open file; opens it if need be. Raises OSError."""
        with self._lock:
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = self._disk.open(path, create=self._writable, read_only=not self._writable)
                if len(self._files) > self._limit:
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(path)
            return file

    def forget(self, path: str) -> None:
        """Drop a file that was replaced or removed."""
        with self._lock:
            self._files.pop(path, None)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._files.clear()


class BlockCache:
    """Recently read blocks by (segment's base position, number), the longest unused dropped first.

    A block that was read before its end was written is shorter than `BLOCK_BYTES`; whoever needs more reads it again.
    """

    def __init__(self, limit: int = BLOCKS) -> None:
        self._limit = limit
        self._blocks: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int], size: int) -> bytes | None:
        """The block if at least its first `size` bytes are here."""
        with self._lock:
            block = self._blocks.get(key)
            if block is None or len(block) < size:
                return None
            self._blocks.move_to_end(key)
            return block

    def put(self, key: tuple[int, int], block: bytes) -> None:
        """Keep a block."""
        with self._lock:
            self._blocks[key] = block
            self._blocks.move_to_end(key)
            if len(self._blocks) > self._limit:
                self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._blocks.clear()

    def forget(self, key: tuple[int, int]) -> None:
        """Drop a block that was changed in place."""
        with self._lock:
            self._blocks.pop(key, None)
