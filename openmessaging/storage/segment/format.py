"""The bytes of a segment file, pure: encode, decode, no I/O.

Segment header, 4096 bytes so that entries never share a sector or page with it; integers are big-endian:

    0         8         10         12      16           24              32         40     48      52         4096
    | magic   | version | ~version | zeros | base index | base position | capacity | salt | CRC   | zeros …  |
    | OMS-LOG | u16     | u16      | 4     | u64        | u64           | u64      | u64  | u32   |          |

Entry, aligned to 8 bytes, never across two segments; file offset = position - base position + 4096:

    0     4      8       10          12     13     16      24     32       size         multiple of 8
    | CRC | size | magic | size check| kind | lag  | index | term | body … | pad 1 to 8 |
    | u32 | u32  | u16   | u16       | u8   | u24  | u64   | u64  |        | 0xA5 …     |

- `size` counts header and body. Its check makes a damaged size known without trusting it.
- The CRC-32C covers everything after itself, pad included, and starts from the CRC of the segment header, which holds
  a salt: bytes of another segment, or a body made to look like entries, do not pass.
- `lag` counts the entries before this one that were not yet durable when this one was staged: a valid entry proves that
  all up to index - 1 - lag had been synced. All ones prove nothing.
- The pad is never empty and never zero, so an entry whose last byte is zero was not written whole.
"""

from __future__ import annotations

import struct

import google_crc32c
import msgspec

from openmessaging.model.errors import OMSRuntimeException, error

FORMAT = 1
SEGMENT_HEADER_BYTES = 4096
ENTRY_HEADER_BYTES = 32
MAX_ENTRY_BYTES = 64 << 20
"""Largest body of an entry."""
ENTRY_MAGIC = 0x4F4D
ENTRY_MARK = b"OM"
KIND = 1 << 24
LAG_UNKNOWN = 0xFFFFFF
SUFFIX = ".seg"
PADS = tuple(b"\xa5" * length for length in range(9))

ENTRY = struct.Struct(">IIHHIQQ")
ENTRY_REST = struct.Struct(">IHHIQQ")
"""The entry header without its CRC."""
_MAGIC = b"OMS-LOG\0"
_HEADER = struct.Struct(">8sHH4xQQQQ")
_CRC = struct.Struct(">I")

crc_extend = google_crc32c.extend


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment says of itself. `capacity` is the planned size of the file in bytes, `seed` starts entry CRCs."""

    base_index: int
    base_position: int
    capacity: int
    salt: int
    seed: int


class EntryHeader(msgspec.Struct, frozen=True, gc=False):
    """A decoded entry header whose fields agree with one another; the CRC is not yet checked."""

    crc: int
    size: int
    lag: int
    index: int
    term: int


def encode_segment_header(base_index: int, base_position: int, capacity: int, salt: int) -> tuple[bytes, int]:
    """The first bytes of a segment file, and the seed of its entries' CRCs."""
    fields = _HEADER.pack(_MAGIC, FORMAT, FORMAT ^ 0xFFFF, base_index, base_position, capacity, salt)
    seed = int(google_crc32c.value(fields))
    return (fields + _CRC.pack(seed)).ljust(SEGMENT_HEADER_BYTES, b"\0"), seed


def decode_segment_header(data: bytes, path: str) -> SegmentHeader:
    """Check and decode. Raises OMSRuntimeException 1101 for a newer format, 1501 for damage."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise damaged(path, "the segment header is cut short")
    magic, version, complement, base_index, base_position, capacity, salt = _HEADER.unpack_from(data)
    if magic != _MAGIC or version ^ complement != 0xFFFF:
        raise damaged(path, "this is not a segment header")
    if version != FORMAT:
        raise newer_format(path, version, FORMAT)
    (seed,) = _CRC.unpack_from(data, _HEADER.size)
    if seed != google_crc32c.value(data[: _HEADER.size]):
        raise damaged(path, "the CRC of the segment header does not match")
    return SegmentHeader(base_index, base_position, capacity, salt, seed)


def occupied(size: int) -> int:
    """Bytes that an entry of `size` (header and body) takes with its pad."""
    return (size + 8) & ~7


def size_check(size: int) -> int:
    """The 16 bits that must accompany a size: its halves folded, inverted."""
    return ((size ^ (size >> 16)) & 0xFFFF) ^ 0xFFFF


def decode_entry_header(data: bytes, at: int = 0) -> EntryHeader | None:
    """The header at `at`, or None when its fields cannot belong to an entry."""
    if len(data) - at < ENTRY_HEADER_BYTES:
        return None
    crc, size, magic, check, kind_lag, index, term = ENTRY.unpack_from(data, at)
    if magic != ENTRY_MAGIC or size < ENTRY_HEADER_BYTES or check != size_check(size) or kind_lag >> 24 != 1:
        return None
    return EntryHeader(crc, size, kind_lag & LAG_UNKNOWN, index, term)


def segment_name(base_position: int) -> str:
    """File name of the segment that starts at a position."""
    return f"{base_position:020d}{SUFFIX}"


def segment_base(name: str) -> int | None:
    """The base position in a file name, None when it is no segment's."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and len(stem) == 20 and stem.isdigit() else None


def damaged(path: str, what: str, *, position: int | None = None, index: int | None = None) -> OMSRuntimeException:
    """The error for damage, with the place."""
    place = "" if position is None else f" at position {position}"
    place += "" if index is None else f", index {index}"
    return error(
        1501,
        f"the store is damaged: {path}{place}: {what}",
        next_step="Run `oms store verify` to see what is affected, then restore the file from a backup",
    )


def newer_format(path: str, version: int, known: int) -> OMSRuntimeException:
    """The error for a file that a newer release wrote."""
    return error(
        1101,
        f"{path} has format {version}, this release reads format {known}",
        next_step="Open the store with the release that wrote it, or a newer one",
    )
