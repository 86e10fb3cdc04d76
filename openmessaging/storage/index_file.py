"""One partition's index: where in the log each of its batches lies. A cache of the log, checked entry by entry.

index/<partition id>.idx, integers big-endian

0         8         10         12      16             24       512
| magic   | version | ~version | zeros | partition id | CRC    |
| OMS-IDX | u16     | u16      | 4     | u64          | u32    |

entry n at 512 + 32 n, so that it never crosses a sector and can be replaced in place
| base offset 48 bits, time high 16 | position u64 | time low 32, count 32 | size u32 | CRC-32C u32 |
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import google_crc32c
import msgspec

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.cache import BlockCache, OpenFiles
from openmessaging.storage.segment.format import newer_format
from openmessaging.system.disk import File

FORMAT = 1
HEADER_BYTES = 512
ENTRY_BYTES = 32
BLOCK_ENTRIES = 128
_HEADER = struct.Struct(">8sHH4xQ")
_ENTRY = struct.Struct(">QQQII")
_FIELDS = struct.Struct(">QQQI")
_CRC = struct.Struct(">I")
_MAGIC = b"OMS-IDX\0"
_HINTS = 64
_extend = google_crc32c.extend


class IndexEntry(msgspec.Struct, frozen=True, gc=False):
    """Where a batch lies: `count` messages from `base_offset` on, `size` bytes at `position` of the log."""

    base_offset: int
    count: int
    position: int
    size: int
    timestamp_ms: int


class IndexDamaged(OMSRuntimeException):
    """The index of a partition is missing, incomplete or damaged (1501): build it again from the log."""

    def __init__(self, partition_id: int, reason: str) -> None:
        super().__init__(
            1501,
            f"the index of partition {partition_id} cannot be used: {reason}",
            next_step="Open the store again: the index is built anew from the log",
        )
        self.partition_id = partition_id


def encode_header(partition_id: int) -> bytes:
    """The first sector of an index file."""
    fields = _HEADER.pack(_MAGIC, FORMAT, FORMAT ^ 0xFFFF, partition_id)
    return (fields + _CRC.pack(google_crc32c.value(fields))).ljust(HEADER_BYTES, b"\0")


def check_header(data: bytes, partition_id: int, path: str) -> str | None:
    """What is wrong with a header, None when nothing is. Raises OMSRuntimeException 1101 for a newer format."""
    if len(data) < HEADER_BYTES:
        return "it is missing or cut short"
    magic, version, complement, _ = _HEADER.unpack_from(data)
    if magic == _MAGIC and version ^ complement == 0xFFFF and version != FORMAT:
        raise newer_format(path, version, FORMAT)
    return None if data[:HEADER_BYTES] == encode_header(partition_id) else "its header is damaged"


def entry_is_whole(data: bytes, at: int, seed: int) -> bool:
    """Whether an encoded entry is there and its CRC matches."""
    end = at + ENTRY_BYTES
    return len(data) >= end and bool(_extend(seed, data[at : end - 4]) == int.from_bytes(data[end - 4 : end], "big"))


def entry_seed(partition_id: int) -> int:
    """What the CRCs of a partition's entries start from."""
    return int(google_crc32c.value(partition_id.to_bytes(8, "big")))


def encode_entry(entry: IndexEntry, seed: int) -> bytes:
    """The bytes of an entry, its CRC included."""
    fields = _FIELDS.pack(
        entry.base_offset << 16 | entry.timestamp_ms >> 32,
        entry.position,
        (entry.timestamp_ms & 0xFFFFFFFF) << 32 | entry.count,
        entry.size,
    )
    return fields + _CRC.pack(_extend(seed, fields))


class IndexFile:
    """A partition's entries: numbered from 0, the first `stored` in the file, the rest in memory."""

    __slots__ = (
        "_blocks",
        "_cache_id",
        "_files",
        "_hints",
        "_seed",
        "_window",
        "end_offset",
        "first",
        "last_ms",
        "partition_id",
        "path",
        "recent",
        "stored",
        "suspect",
        "tail",
        "total",
        "unsynced",
    )

    def __init__(
        self, partition_id: int, path: str, files: OpenFiles | None, blocks: BlockCache, cache_id: int
    ) -> None:
        self.partition_id = partition_id
        self.path = path
        self.stored = 0
        self.tail: list[IndexEntry] = []
        self.total = 0
        """Entries there are, trimmed ones included."""
        self.first = 0
        """Number of the first entry that was not trimmed."""
        self.end_offset = 0
        self.last_ms = 0
        self.recent = IndexEntry(0, 0, 0, 0, 0)
        """The entry found last."""
        self.unsynced = True
        self.suspect = False
        """A sync failed: the system may take for written what is not, so the file must be written anew."""
        self._seed = entry_seed(partition_id)
        self._files = files
        """None when everything stays in memory."""
        self._blocks = blocks
        self._cache_id = cache_id
        self._hints: dict[int, int] = {}
        self._window = (0, b"")

    def file(self) -> File:
        """The open file, created if missing. Raises OSError."""
        assert self._files is not None
        return self._files.get(self.path)

    def spill(self) -> None:
        """Write the entries in memory to the file, not durable. Raises OSError; nothing is lost then."""
        if not self.tail:
            return
        data = b"".join([encode_entry(entry, self._seed) for entry in self.tail])
        file = self.file()
        if self.stored == 0:  # a file of this name from an earlier life does not count
            file.truncate(0)
            file.write_at(0, [encode_header(self.partition_id), data])
        else:
            file.write_at(HEADER_BYTES + self.stored * ENTRY_BYTES, [data])
        self.stored = self.total
        self.tail = []
        self.unsynced = True

    def entry(self, number: int) -> IndexEntry:
        """An entry by number. Raises IndexDamaged when it is not whole."""
        if number >= self.stored:
            return self.tail[number - self.stored]
        first, block = self._window
        at = (number - first) * ENTRY_BYTES
        if at < 0 or at >= len(block):
            first = number & -BLOCK_ENTRIES
            at = (number - first) * ENTRY_BYTES
            block = self._block(first, at + ENTRY_BYTES)
            self._window = (first, block)
        offset_time, position, time_count, size, crc = _ENTRY.unpack_from(block, at)
        if _extend(self._seed, block[at : at + ENTRY_BYTES - 4]) != crc:
            raise IndexDamaged(self.partition_id, f"entry {number} of {self.path} is damaged")
        timestamp_ms = (offset_time & 0xFFFF) << 32 | time_count >> 32
        return IndexEntry(offset_time >> 16, time_count & 0xFFFFFFFF, position, size, timestamp_ms)

    def _block(self, first: int, size: int) -> bytes:
        key = (self._cache_id, first)
        block = self._blocks.get(key, size)
        if block is None:
            whole = min(self.stored - first, BLOCK_ENTRIES) * ENTRY_BYTES
            block = self.read(first, whole)
            if len(block) < whole:
                raise IndexDamaged(self.partition_id, f"{self.path} is cut short after entry {first}")
            self._blocks.put(key, block)
        return block

    def read(self, number: int, size: int) -> bytes:
        """Bytes of the file from an entry on."""
        try:
            return self.file().read_at(HEADER_BYTES + number * ENTRY_BYTES, size)
        except OSError as failure:
            reason = f"cannot read {self.path}: {failure.strerror or failure}"
            raise IndexDamaged(self.partition_id, reason) from failure

    def from_offset(self, offset: int) -> IndexEntry | None:
        """The first batch that ends after an offset, None when none does.

        One batch after the other costs no search, for several readers at once: each find leaves a hint for the next.
        """
        if offset >= self.end_offset:
            return None
        hints = self._hints
        number = hints.get(offset, -1)
        if number < self.first or number >= self.total:
            number = self.search(lambda entry: entry.base_offset + entry.count > offset)
            if number >= self.total:
                return None
        entry = self.recent = self.entry(number)
        if len(hints) >= _HINTS:
            del hints[next(iter(hints))]
        hints[entry.base_offset + entry.count] = number + 1
        return entry

    def search(self, holds: Callable[[IndexEntry], bool]) -> int:
        """The first number whose entry holds what all later ones hold too; `total` when none does."""
        low, high = self.first, self.total
        while low < high:
            middle = (low + high) // 2
            if holds(self.entry(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def relocate(self, base_offset: int, position: int) -> bool:
        """Change where a batch lies; False when it is not there. Raises OSError."""
        number = self.search(lambda entry: entry.base_offset >= base_offset)
        entry = self.entry(number) if number < self.total else None
        if entry is None or entry.base_offset != base_offset:
            return False
        entry = IndexEntry(base_offset, entry.count, position, entry.size, entry.timestamp_ms)
        if number >= self.stored:
            self.tail[number - self.stored] = entry
        else:
            self.file().write_at(HEADER_BYTES + number * ENTRY_BYTES, [encode_entry(entry, self._seed)])
            self._blocks.forget((self._cache_id, number & -BLOCK_ENTRIES))
            self._window = (0, b"")
            self.unsynced = True
        self.recent = entry
        return True

    def take_up(self, stored: int) -> None:
        """Use the first entries of the file that is there."""
        self.stored = self.total = stored

    def renumber(self, cache_id: int) -> None:
        """The entries before `first` are gone from the file, or from memory."""
        self.stored = max(self.stored - self.first, 0)
        self.total -= self.first
        self.first = 0
        self.suspect = False
        self._cache_id = cache_id
        self._hints.clear()
        self._window = (0, b"")
