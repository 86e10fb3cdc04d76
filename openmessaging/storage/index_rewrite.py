"""A partition's index in the making, beside the one that is in force: what a compaction keeps."""

from __future__ import annotations

import contextlib

from openmessaging.storage.index_file import (
    ENTRY_BYTES,
    HEADER_BYTES,
    IndexEntry,
    encode_entry,
    encode_header,
    entry_seed,
)
from openmessaging.system.disk import Disk, File

_BUFFERED = 4_096


class IndexRewrite:
    """Entries in order of offset, on disk but for the last few thousand.

    Args:
        partition_id: whose index it is.
        disk: where it lies, None to keep it in memory.
        path: of the index that it shall replace.
    """

    def __init__(self, partition_id: int, disk: Disk | None, path: str) -> None:
        self.partition_id = partition_id
        self.total = 0
        self.entries: list[IndexEntry] = []
        """All of them in memory, those not written yet on disk."""
        self._disk = disk
        self._path = path
        self._file: File | None = None
        self._end = HEADER_BYTES
        self._seed = entry_seed(partition_id)

    def add(self, entry: IndexEntry) -> None:
        """Add the next entry. Raises OSError."""
        self.entries.append(entry)
        self.total += 1
        if self._disk is not None and len(self.entries) >= _BUFFERED:
            self._spill(self._disk)

    def copy(self, data: bytes) -> None:
        """Add whole entries as they are stored. Raises OSError."""
        assert self._disk is not None
        self._write(self._spill(self._disk), data)
        self.total += len(data) // ENTRY_BYTES

    def finish(self) -> None:
        """Take the place of the old file; durable but for the name. Raises OSError."""
        assert self._disk is not None
        file = self._spill(self._disk)
        file.sync()
        file.close()
        self._file = None
        self._disk.rename(self._temporary, self._path)

    def discard(self) -> None:
        """Leave no file behind."""
        file, self._file = self._file, None
        if file is not None and self._disk is not None:
            with contextlib.suppress(OSError):  # the next one begins with an empty file
                file.close()
                self._disk.remove(self._temporary)

    @property
    def _temporary(self) -> str:
        return self._path + ".new"

    def _spill(self, disk: Disk) -> File:
        if self._file is None:
            self._file = disk.open(self._temporary, create=True)
            self._file.truncate(0)
            self._file.write_at(0, [encode_header(self.partition_id)])
        if self.entries:
            entries, self.entries = self.entries, []
            self._write(self._file, b"".join([encode_entry(entry, self._seed) for entry in entries]))
        return self._file

    def _write(self, file: File, data: bytes) -> None:
        file.write_at(self._end, [data])
        self._end += len(data)
