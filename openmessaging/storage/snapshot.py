"""Snapshots: the whole state of the owner after one entry of the log, so that older entries need not be replayed.

snapshots/<index, 20 digits>.snap, integers big-endian

0         8         10         12      16      24      32           36
| magic   | version | ~version | zeros | index | size  | CRC-32C    | state …
| OMS-SNP | u16     | u16      | 4     | u64   | u64   | of 0-32, state |
"""

from __future__ import annotations

import contextlib
import os
import struct

import google_crc32c

from openmessaging.model.errors import error
from openmessaging.storage.segment.format import newer_format
from openmessaging.system.disk import Disk

FORMAT = 1
KEPT = 2
SUFFIX = ".snap"
_HEADER = struct.Struct(">8sHH4xQQ")
_CRC = struct.Struct(">I")
_MAGIC = b"OMS-SNP\0"


class SnapshotStore:
    """The snapshots in a directory, the newest two kept. Calls are made by one thread at a time."""

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self.problems: list[str] = []
        """What `newest` found damaged and went past."""
        self._damaged: set[int] = set()

    def save(self, index: int, state: bytes) -> None:
        """Store the state after entry `index`, durable on return; the owner has synced log and indexes before.

        Raises OMSRuntimeException 1501 when it cannot be written; the earlier snapshots are then untouched.
        """
        path = os.path.join(self._directory, snapshot_name(index))
        temporary = path + ".tmp"
        try:
            self._disk.make_directory(self._directory)
            self._clear_temporary()
            file = self._disk.open(temporary, create=True)
            file.write_at(0, encode_snapshot(index, state))
            file.sync()
            file.close()
            self._disk.rename(temporary, path)
            self._disk.sync_directory(self._directory)
            self._damaged.discard(index)
            kept = self._whole()[-KEPT:]
            for old in self.indexes():
                if old not in kept:
                    self._disk.remove(os.path.join(self._directory, snapshot_name(old)))
        except OSError as failure:
            with contextlib.suppress(OSError):
                self._clear_temporary()
            raise error(
                1501,
                f"cannot save the snapshot {path}: {failure.strerror or failure}",
                next_step="Check the free space and the disk; the store goes on with its earlier snapshot",
            ) from failure

    def newest(self) -> tuple[int, bytes] | None:
        """The newest whole snapshot as (index, state), None when there is none.

        Goes past those that are damaged, and notes them in `problems`: the log after the one it falls back to, or the
        whole of it, is there as long as only one is. Raises OMSRuntimeException 1101 when a newer release wrote it.
        """
        self.problems = []
        self._damaged.clear()
        self._settle_names()
        for index in reversed(self.indexes()):
            path = os.path.join(self._directory, snapshot_name(index))
            try:
                data = self._read(path)
                problem = check_snapshot(data, index, path)
            except OSError as failure:
                problem = failure.strerror or str(failure)
            if problem is None:
                return index, data[_HEADER.size + _CRC.size :]
            self.problems.append(f"{path}: {problem}")
            self._damaged.add(index)
        return None

    def indexes(self) -> list[int]:
        """The indexes that have a snapshot, oldest first."""
        stems = [name.removesuffix(SUFFIX) for name in self._disk.list(self._directory) if name.endswith(SUFFIX)]
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def covered_index(self) -> int:
        """Entries up to here may leave the log, -1 when none may.

        It is the index of the older of the two: should the newest turn out to be damaged, the log after the older one
        is still needed. Those that are known to be damaged do not count.
        """
        indexes = self._whole()
        return indexes[-KEPT] if len(indexes) >= KEPT else -1

    def _whole(self) -> list[int]:
        return [index for index in self.indexes() if index not in self._damaged]

    def _settle_names(self) -> None:
        """Make durable what a process that died may have renamed only: the log before it may be dropped now."""
        if not self._disk.exists(self._directory):
            return
        try:
            self._disk.sync_directory(self._directory)
        except OSError as failure:
            reason = f"cannot open the snapshots in {self._directory}: {failure.strerror or failure}"
            raise error(1501, reason, next_step="Check the disk and the directory's permissions") from failure

    def _clear_temporary(self) -> None:
        for name in self._disk.list(self._directory):
            if name.endswith(".tmp"):
                self._disk.remove(os.path.join(self._directory, name))

    def _read(self, path: str) -> bytes:
        file = self._disk.open(path, read_only=True)
        try:
            return file.read_at(0, file.size())
        finally:
            file.close()


def snapshot_name(index: int) -> str:
    """File name of the snapshot after entry `index`."""
    return f"{index:020d}{SUFFIX}"


def encode_snapshot(index: int, state: bytes) -> list[bytes]:
    """The bytes of a snapshot, in pieces."""
    fields = _HEADER.pack(_MAGIC, FORMAT, FORMAT ^ 0xFFFF, index, len(state))
    return [fields, _CRC.pack(google_crc32c.extend(google_crc32c.value(fields), state)), state]


def check_snapshot(data: bytes, index: int, path: str) -> str | None:
    """What is wrong with the bytes of a snapshot, None when nothing is. Raises OMSRuntimeException 1101."""
    start = _HEADER.size + _CRC.size
    if len(data) < start:
        return "it is cut short"
    magic, version, complement, found, size = _HEADER.unpack_from(data)
    if magic != _MAGIC or version ^ complement != 0xFFFF:
        return "this is not a snapshot"
    if version != FORMAT:
        raise newer_format(path, version, FORMAT)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if found != index or len(data) != start + size:
        return "its size or index does not match"
    if google_crc32c.extend(google_crc32c.value(data[: _HEADER.size]), data[start:]) != crc:
        return "its CRC does not match"
    return None
