"""Compression of the records of a batch: zstd and lz4, from packages that are imported when first used.

Reading trusts no size that the bytes claim: output is taken in pieces and stops at the caller's limit.
"""

from __future__ import annotations

from typing import Any

from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException, error

NONE, ZSTD, LZ4 = 0, 1, 2
KINDS: dict[str, int] = {"none": NONE, "zstd": ZSTD, "lz4": LZ4}
"""Compression bits of a batch by the name used in settings and in the header field `compression`."""
NAMES: dict[int, str] = {bits: name for name, bits in KINDS.items()}
"""Names by compression bits."""

ZSTD_WINDOW_BYTES = 8 << 20
"""Largest zstd window that readers accept; what every level up to 19 stays within."""
_PIECE_BYTES = 256 << 10


def kind_of(name: str) -> int:
    """The compression bits of a name (`none`, `zstd`, `lz4`); raises OMSRuntimeException 1418 for any other."""
    if name not in KINDS:
        raise error(1418, f"no compression {name!r}", next_step=f"Known are {', '.join(KINDS)}", field="compression")
    return KINDS[name]


def compress(kind: int, data: bytes) -> bytes:
    """Compress as one frame that states its content size.

    Raises OMSUnsupportException 1400 for a missing package or an unknown kind.
    """
    if kind == ZSTD:
        result: bytes = _zstandard().ZstdCompressor().compress(data)
    elif kind == LZ4:
        result = _lz4().compress(data)
    else:
        raise _unknown(kind)
    return result


def decompress(kind: int, data: bytes, limit: int) -> bytes:
    """Decompress one frame to at most `limit` bytes, allocating little more than what comes out.

    Raises OMSRuntimeException 1501 for damaged data, a frame that ends early, or one that exceeds the limit;
    OMSUnsupportException 1400 for a missing package or an unknown kind.
    """
    if kind == ZSTD:
        return _decompress_zstd(data, limit)
    if kind == LZ4:
        return _decompress_lz4(data, limit)
    raise _unknown(kind)


def _decompress_zstd(data: bytes, limit: int) -> bytes:
    zstandard = _zstandard()
    pieces, size = [], 0
    try:
        claimed = zstandard.frame_content_size(data)
        if claimed < 0:
            raise _damaged("its zstd frame does not state its size")
        if claimed > limit:
            raise _too_long(limit)
        reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).stream_reader(data)
        while piece := reader.read(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > claimed:
                break
    except zstandard.ZstdError as cause:
        raise _damaged(str(cause)) from cause
    if size != claimed:
        raise _damaged("its zstd frame does not have the size it states")
    return b"".join(pieces)


def _decompress_lz4(data: bytes, limit: int) -> bytes:
    decompressor = _lz4().LZ4FrameDecompressor()
    pieces, size = [], 0
    try:
        while not decompressor.eof:
            piece = decompressor.decompress(data, max_length=_PIECE_BYTES)
            data = b""
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise _too_long(limit)
            if not piece and not decompressor.eof and decompressor.needs_input:
                raise _damaged("its lz4 frame ends early")
    except (RuntimeError, EOFError) as cause:
        raise _damaged(str(cause)) from cause
    return b"".join(pieces)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as cause:
        raise _missing("zstd") from cause
    return zstandard


def _lz4() -> Any:
    try:
        import lz4.frame
    except ImportError as cause:
        raise _missing("lz4") from cause
    return lz4.frame


def _missing(name: str) -> OMSUnsupportException:
    return OMSUnsupportException(
        1400,
        f"the package for {name} compression is not installed",
        next_step="Run `pip install openmessaging[compression]`",
        field="compression",
    )


def _unknown(kind: int) -> OMSUnsupportException:
    return OMSUnsupportException(
        1400, f"compression {kind} is not known here", next_step="Upgrade openmessaging", field="compression"
    )


def _too_long(limit: int) -> OMSRuntimeException:
    return _damaged(f"it decompresses to more than {limit:,} bytes")


def _damaged(what: str) -> OMSRuntimeException:
    return OMSRuntimeException(1501, f"damaged batch: {what}", next_step="Run `oms store verify`")
