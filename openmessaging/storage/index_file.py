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
_CRC = struct.Struct(">I")
_MAGIC = b"OMS-IDX\0"
_CHECKED = ENTRY_BYTES - 4
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
    """Whether the CRC of an encoded entry matches."""
    return len(data) >= at + ENTRY_BYTES and bool(
        _extend(seed, bytes(data[at : at + _CHECKED])) == _CRC.unpack_from(data, at + _CHECKED)[0]
    )


def entry_seed(partition_id: int) -> int:
    """What the CRCs of a partition's entries start from."""
    return int(google_crc32c.value(partition_id.to_bytes(8, "big")))


def decode_entry(data: bytes | bytearray, at: int) -> IndexEntry:
    """The entry at `at`, unchecked."""
    offset_time, position, time_count, size, _ = _ENTRY.unpack_from(data, at)
    timestamp_ms = (offset_time & 0xFFFF) << 32 | time_count >> 32
    return IndexEntry(offset_time >> 16, time_count & 0xFFFFFFFF, position, size, timestamp_ms)


class IndexFile:
    """A partition's entries: numbered from 0, the first `stored` in the file, the rest in memory."""

    __slots__ = (
        "_blocks",
        "_cache_id",
        "_files",
        "_hints",
        "_recent",
        "_seed",
        "end_offset",
        "first",
        "last_ms",
        "partition_id",
        "path",
        "stored",
        "tail",
        "unsynced",
    )

    def __init__(
        self, partition_id: int, path: str, files: OpenFiles | None, blocks: BlockCache, cache_id: int
    ) -> None:
        self.partition_id = partition_id
        self.path = path
        self.stored = 0
        self.tail = bytearray()
        self.first = 0
        """Number of the first entry that was not trimmed."""
        self.end_offset = 0
        self.last_ms = 0
        self.unsynced = True
        self._seed = entry_seed(partition_id)
        self._files = files
        """None when everything stays in memory."""
        self._blocks = blocks
        self._cache_id = cache_id
        self._hints: dict[int, int] = {}
        self._recent: IndexEntry | None = None

    @property
    def total(self) -> int:
        """Entries there are, trimmed ones included."""
        return self.stored + len(self.tail) // ENTRY_BYTES

    def file(self) -> File:
        """The open file, created if missing. Raises OSError."""
        assert self._files is not None
        return self._files.get(self.path)

    def add(self, base_offset: int, count: int, position: int, size: int, timestamp_ms: int) -> None:
        """Add a batch in memory. Its time counts as at least that of the one before."""
        if base_offset < self.end_offset:
            raise IndexDamaged(self.partition_id, f"offset {base_offset} was added after {self.end_offset}")
        if timestamp_ms < self.last_ms:
            timestamp_ms = self.last_ms
        else:
            self.last_ms = timestamp_ms
        self.unsynced = True
        self.tail += _ENTRY.pack(
            base_offset << 16 | timestamp_ms >> 32, position, (timestamp_ms & 0xFFFFFFFF) << 32 | count, size, 0
        )
        self.end_offset = base_offset + count

    def encoded_tail(self) -> bytes:
        """The entries in memory as they go to the file."""
        for at in range(0, len(self.tail), ENTRY_BYTES):
            crc = _extend(self._seed, bytes(self.tail[at : at + _CHECKED]))
            _CRC.pack_into(self.tail, at + _CHECKED, crc)
        return bytes(self.tail)

    def spill(self) -> None:
        """Write the entries in memory to the file, not durable. Raises OSError; nothing is lost then."""
        if self.tail:
            data = self.encoded_tail()
            file = self.file()
            if self.stored == 0:  # a file of this name from an earlier life does not count
                file.truncate(0)
                file.write_at(0, [encode_header(self.partition_id), data])
            else:
                file.write_at(HEADER_BYTES + self.stored * ENTRY_BYTES, [data])
            self.stored += len(data) // ENTRY_BYTES
            self.tail.clear()
            self.unsynced = True

    def entry(self, number: int) -> IndexEntry:
        """An entry by number. Raises IndexDamaged when it is not whole."""
        if number >= self.stored:
            return decode_entry(self.tail, (number - self.stored) * ENTRY_BYTES)
        block_number, place = divmod(number, BLOCK_ENTRIES)
        at = place * ENTRY_BYTES
        key = (self._cache_id, block_number)
        block = self._blocks.get(key, at + ENTRY_BYTES)
        if block is None:
            size = min(self.stored - block_number * BLOCK_ENTRIES, BLOCK_ENTRIES) * ENTRY_BYTES
            block = self.read(block_number * BLOCK_ENTRIES, size)
            self._blocks.put(key, block)
        if not entry_is_whole(block, at, self._seed):
            raise IndexDamaged(self.partition_id, f"entry {number} of {self.path} is damaged")
        return decode_entry(block, at)

    def read(self, number: int, size: int) -> bytes:
        """Bytes of the file from an entry on."""
        try:
            return self.file().read_at(HEADER_BYTES + number * ENTRY_BYTES, size)
        except OSError as failure:
            raise IndexDamaged(
                self.partition_id, f"cannot read {self.path}: {failure.strerror or failure}"
            ) from failure

    def find(self, offset: int) -> IndexEntry | None:
        """The batch that holds an offset; one after the other costs no search, for several readers at once."""
        recent = self._recent
        if recent is not None and recent.base_offset <= offset < recent.base_offset + recent.count:
            return recent
        entry = self.from_offset(offset)
        return entry if entry is not None and entry.base_offset <= offset else None

    def from_offset(self, offset: int) -> IndexEntry | None:
        """The first batch that ends after an offset, None when none does."""
        if offset >= self.end_offset:
            return None
        number = self._hints.get(offset, -1)
        if not self.first <= number < self.total:
            number = self.search(lambda entry: entry.base_offset + entry.count > offset)
        if number >= self.total:
            return None
        entry = self.entry(number)
        hints = self._hints
        if len(hints) >= _HINTS:
            del hints[next(iter(hints))]
        hints[entry.base_offset + entry.count] = number + 1
        self._recent = entry
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
        if number >= self.total:
            return False
        entry = self.entry(number)
        if entry.base_offset != base_offset:
            return False
        self._recent = None
        if number >= self.stored:
            struct.pack_into(">Q", self.tail, (number - self.stored) * ENTRY_BYTES + 8, position)
            return True
        fields = _ENTRY.pack(
            base_offset << 16 | entry.timestamp_ms >> 32,
            position,
            (entry.timestamp_ms & 0xFFFFFFFF) << 32 | entry.count,
            entry.size,
            0,
        )[:_CHECKED]
        data = fields + _CRC.pack(_extend(self._seed, fields))
        self.file().write_at(HEADER_BYTES + number * ENTRY_BYTES, [data])
        self._blocks.forget((self._cache_id, number // BLOCK_ENTRIES))
        self.unsynced = True
        return True

    def renumber(self, stored: int, cache_id: int) -> None:
        """The entries before `first` are gone from the file or from memory."""
        self.first = 0
        self.stored = stored
        self._cache_id = cache_id
        self._hints.clear()
