"""Content codings, both ways: gzip and zstd. What comes in is never unpacked beyond a limit."""

from __future__ import annotations

import zlib
from typing import Any

from openmessaging.model.errors import OMSRuntimeException, error

MIN_BYTES = 1024
"""Answers below stay as they are."""
AT_ONCE = 128 << 10
"""Bytes below which packing and unpacking take no thread: it is done before the loop could be missed."""
_PIECE_BYTES = 256 << 10
_WINDOW_BYTES = 8 << 20


class UnsupportedMedia(OMSRuntimeException):
    """A content type or coding that a resource does not take (415); code 1400."""


def decoded(encoding: str, data: bytes, limit: int) -> bytes:
    """What was encoded. Raises OMSMessageFormatException 1413 when it has more than `limit` bytes, OMSRuntimeException
    1400 for damaged data, UnsupportedMedia for another coding."""
    names = [name.strip().lower() for name in encoding.split(",")]
    if names in (["identity"], [""]):
        return data
    if names in (["gzip"], ["x-gzip"]):
        return _gunzip(data, limit)
    if names == ["zstd"]:
        return _unzstd(data, limit)
    raise UnsupportedMedia(
        1400, f"content-encoding {encoding!r:.80}", next_step="Use gzip or zstd", field="content-encoding"
    )


def chosen(accept: str) -> str | None:
    """The coding for an answer, by the request's Accept-Encoding; None: as it is."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        key, _, value = parameters.partition("=")
        try:
            weights[name.strip()] = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    best = max(("zstd", "gzip") if _zstandard() is not None else ("gzip",), key=lambda name: weights.get(name, 0.0))
    return best if weights.get(best, 0.0) > 0 else None


def encoded(coding: str, data: bytes) -> bytes:
    """Data in a coding that `chosen` gave."""
    if coding == "zstd":
        result: bytes = _zstandard().ZstdCompressor(level=3).compress(data)
        return result
    packer = zlib.compressobj(4, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _gunzip(data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(data, limit + 1)
    except zlib.error as cause:
        raise _damaged(f"gzip: {cause}") from cause
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged("gzip: it is not one whole member")
    return unpacked


def _unzstd(data: bytes, limit: int) -> bytes:
    zstandard = _zstandard()
    if zstandard is None:
        step = "Use gzip, or install openmessaging[compression] at the server"
        raise UnsupportedMedia(1400, "zstd is not installed here", next_step=step, field="content-encoding")
    pieces: list[bytes] = []
    size = 0
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(data)
        while piece := reader.read(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
    except zstandard.ZstdError as cause:
        raise _damaged(f"zstd: {cause}") from cause
    return b"".join(pieces)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


def _too_large(limit: int) -> OMSRuntimeException:
    return error(1413, f"the body of the request unpacks to more than {limit:,} bytes", field="body")


def _damaged(what: str) -> OMSRuntimeException:
    return error(1400, f"the body cannot be unpacked: {what}", field="body")
