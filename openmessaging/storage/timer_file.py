"""The files of the timer index: sorted runs of timers, and the checkpoint that says which of them count.

timers/<number, 12 digits>.run, integers big-endian, written once

    0         8         10         12      16       20      24      28       32
    | magic   | version | ~version | shelves | timers | ids   | zeros | CRC-32C of the rest of the file |
    | shelves: u32 each | due ms: i64 each, sorted | shelf (place in the table) u16, offset u48: each | ids |

An id is 32 bytes: first message id of a batch u128, count u32, shelf u32, base offset u64; sorted.

timers/checkpoint is a CRC-32C and the MessagePack of a `Checkpoint`. What is not named there does not count: the replay
of the log adds it again.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence

import google_crc32c
import msgspec

from openmessaging.system.disk import Disk, File

MAGIC = b"OMS-TMR\0"
FORMAT = 1
HEADER = struct.Struct(">8sHHIII4xI")
ID = struct.Struct(">QQIIQ")
_CRC = struct.Struct(">I")
OFFSET_BITS = 48
OFFSET_MASK = (1 << OFFSET_BITS) - 1
RAW = -1
"""For the place of the next timer: the timers of this run are not sorted yet."""
BLOCK = 256
"""Timers that are read at once."""
CHECKPOINT = "checkpoint"
_SWAP = sys.byteorder == "little"

Timer = tuple[int, int, int]
"""Due ms, shelf, offset."""
BatchId = tuple[int, int, int, int]
"""Id of the first message of a batch, count, shelf, base offset."""


class Checkpoint(msgspec.Struct, array_like=True):
    """The timers after an entry of the log, but for those in the files of the runs."""

    version: int
    index: int
    """Of the entry; the checkpoint may hold younger timers too."""
    next_number: int
    runs: list[tuple[int, int]]
    """(number, timers at its beginning that are done with, or RAW)"""
    timers: list[Timer]
    ids: list[tuple[bytes, int, int, int]]


class Damaged(Exception):
    """A file of the index is not as it was written; the index is built anew from the messages."""


def run_name(number: int) -> str:
    """File name of a run."""
    return f"{number:012d}.run"


def encode_run(shelves: Sequence[int], dues: array[int], refs: array[int], ids: Sequence[BatchId]) -> bytes:
    """The bytes of a run, sorted by due time unless it is raw; a ref is the place of its shelf in `shelves`, and the
    offset."""
    if _SWAP:
        dues.byteswap()
        refs.byteswap()
    rest = b"".join(
        (
            struct.pack(f">{len(shelves)}I", *shelves),
            dues.tobytes(),
            refs.tobytes(),
            *(ID.pack(first >> 64, first & (1 << 64) - 1, count, shelf, base) for first, count, shelf, base in ids),
        )
    )
    crc = google_crc32c.value(rest)
    return HEADER.pack(MAGIC, FORMAT, FORMAT ^ 0xFFFF, len(shelves), len(dues), len(ids), crc) + rest


class RunFile:
    """A run in its file; `at` is the first timer that is not done with, or RAW. `data` are its bytes where they were
    just written, `first` the timer that is due first where that is known. Raises Damaged for a file that is not whole.
    """

    def __init__(
        self, number: int, opened: Callable[[], File], at: int = 0, data: bytes = b"", first: Timer | None = None
    ) -> None:
        self.number = number
        self.at = at
        self._opened = opened
        head = data[: HEADER.size] or opened().read_at(0, HEADER.size)
        if len(head) < HEADER.size:
            raise Damaged(f"run {number} is cut short")
        magic, version, complement, shelves, self.count, self._ids, crc = HEADER.unpack(head)
        if magic != MAGIC or version != FORMAT or version ^ complement != 0xFFFF:
            raise Damaged(f"run {number} has another format")
        size = shelves * 4 + self.count * 16 + self._ids * ID.size
        rest = memoryview(data)[HEADER.size :] if data else opened().read_at(HEADER.size, size)
        if not data and (len(rest) != size or google_crc32c.value(rest) != crc):
            raise Damaged(f"run {number} has a wrong checksum")
        self.shelves = struct.unpack_from(f">{shelves}I", rest)
        self._dues_at = HEADER.size + shelves * 4
        self._refs_at = self._dues_at + self.count * 8
        self._ids_at = self._refs_at + self.count * 8
        self._id_range = range(self._id(0)[0], sum(self._id(self._ids - 1)[:2])) if self._ids else range(0)
        self._block: list[Timer] = []
        self._block_at = 0
        self.first = first or (0, 0, 0)
        """The timer that is due first, of a raw run."""
        if at == RAW and first is None:
            dues = _array("q", bytes(rest[shelves * 4 : shelves * 4 + self.count * 8]))
            (self.first,) = self.read(dues.index(min(dues)), 1)

    @property
    def raw(self) -> bool:
        """Whether its timers are not sorted yet."""
        return self.at == RAW

    def timer(self) -> Timer | None:
        """The timer at `at`; None past the last. Of a raw run the one that is due first."""
        if self.at == RAW:
            return self.first
        if self.at >= self.count:
            self._block = []
            return None
        if not self._block_at <= self.at < self._block_at + len(self._block):
            self._block, self._block_at = self.read(self.at, BLOCK), self.at
        return self._block[self.at - self._block_at]

    def read(self, at: int, count: int) -> list[Timer]:
        """Timers from a place on."""
        dues, refs = self.columns(at, min(count, self.count - at))
        shelves = self.shelves
        return [(due, shelves[ref >> OFFSET_BITS], ref & OFFSET_MASK) for due, ref in zip(dues, refs, strict=True)]

    def columns(self, at: int = 0, count: int | None = None) -> tuple[array[int], array[int]]:
        """Due times and refs from a place on, all of them when not told how many."""
        size = 8 * (self.count if count is None else count)
        file = self._opened()
        return (
            _array("q", file.read_at(self._dues_at + at * 8, size)),
            _array("Q", file.read_at(self._refs_at + at * 8, size)),
        )

    def ids(self) -> list[BatchId]:
        """All ids."""
        return [self._id(at) for at in range(self._ids)]

    def find(self, message_id: int) -> BatchId | None:
        """The batch that holds a message."""
        if message_id not in self._id_range:
            return None
        low, high = 0, self._ids
        while low < high:
            middle = (low + high) // 2
            if self._id(middle)[0] <= message_id:
                low = middle + 1
            else:
                high = middle
        return _holder(self._id(low - 1), message_id) if low else None

    def _id(self, at: int) -> BatchId:
        high, low, count, shelf, base = ID.unpack(self._opened().read_at(self._ids_at + at * ID.size, ID.size))
        return (high << 64) | low, count, shelf, base


def find_in(ids: Sequence[BatchId], message_id: int) -> BatchId | None:
    """The last batch of a sorted list that holds a message."""
    at = bisect_right(ids, (message_id, 1 << 62, 0, 0))
    return _holder(ids[at - 1], message_id) if at else None


def _holder(found: BatchId, message_id: int) -> BatchId | None:
    return found if found[0] <= message_id < found[0] + found[1] else None


def _array(kind: str, data: bytes) -> array[int]:
    values: array[int] = array(kind)
    values.frombytes(data)
    if _SWAP:
        values.byteswap()
    return values


def in_order(dues: array[int], refs: array[int]) -> tuple[array[int], array[int]]:
    """Both sorted by the first."""
    order = sorted(range(len(dues)), key=list(map(float, dues)).__getitem__)  # floats compare fastest
    return array("q", [dues[place] for place in order]), array("Q", [refs[place] for place in order])


def save_checkpoint(disk: Disk, directory: str, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in place of the last one, durably. Raises OSError."""
    data = msgspec.msgpack.encode(checkpoint)
    path = os.path.join(directory, CHECKPOINT)
    file = disk.open(path + ".tmp", create=True)
    file.truncate(0)
    file.write_at(0, [_CRC.pack(google_crc32c.value(data)), data])
    file.sync()
    file.close()
    disk.rename(path + ".tmp", path)
    disk.sync_directory(directory)


def load_checkpoint(disk: Disk, directory: str) -> Checkpoint:
    """The last checkpoint. Raises Damaged without a whole one, OSError."""
    path = os.path.join(directory, CHECKPOINT)
    if not disk.exists(path):
        raise Damaged("there is no checkpoint")
    file = disk.open(path, read_only=True)
    try:
        data = file.read_at(0, file.size())
    finally:
        file.close()
    if len(data) < 4 or _CRC.unpack_from(data)[0] != google_crc32c.value(data[4:]):
        raise Damaged("the checkpoint has a wrong checksum")
    try:
        checkpoint = msgspec.msgpack.decode(data[4:], type=Checkpoint)
    except msgspec.DecodeError as cause:
        raise Damaged(str(cause)) from cause
    if checkpoint.version != FORMAT:
        raise Damaged(f"the checkpoint has the format {checkpoint.version}")
    return checkpoint
