"""Frames: how the bytes of a connection fall into pieces.

    0        4      5       6          8          12
    | length | kind | flags | reserved | request  | body: MessagePack array
    | u32    | u8   | u8    | u16      | u32      | length - 8 bytes

Integers are big-endian. `length` counts the bytes after itself. `request` ties an answer to what was asked; 0 where
nothing is answered. Flags and reserved are 0 in version 1, and ignored when they are not.
"""

from __future__ import annotations

import struct
from enum import IntEnum

import msgspec

HEAD = struct.Struct(">IBBHI")
_LENGTH = struct.Struct(">I")
_AFTER_LENGTH = HEAD.size - 4
MAX_REQUEST = 0xFFFF_FFFF
_LARGE_BYTES = 16 << 10


class Kind(IntEnum):
    """What a frame is; `spec/protocol.md` says who sends it and what stands in its body."""

    HELLO = 1
    WELCOME = 2
    SEND = 3
    PLACED = 4
    FETCH = 5
    DELIVERED = 6
    SETTLE = 7
    SETTLED = 8
    CALL = 9
    RESULT = 10
    ERROR = 11
    CANCEL = 12
    PING = 13
    PONG = 14
    GOAWAY = 15
    MAIL = 16
    GOT = 17


class ProtocolError(Exception):
    """The peer sent what the protocol does not allow; the connection is of no more use."""


class Frame(msgspec.Struct, gc=False):
    """One frame."""

    kind: int
    """A `Kind`, or a number that a newer version knows."""
    request: int
    body: bytes | memoryview
    """A view where it is large, of bytes that nobody changes."""


def encode_frame(kind: int, request: int, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return HEAD.pack(_AFTER_LENGTH + len(body), kind, 0, 0, request) + body


def encode_head(kind: int, request: int, size: int) -> bytes:
    """What stands before a body of `size` bytes."""
    return HEAD.pack(_AFTER_LENGTH + size, kind, 0, 0, request)


class FrameReader:
    """Cuts a stream of bytes into frames, however it arrives.

    `max_bytes` bounds a frame's length, and so the memory that a peer can make this end use: nothing is kept for a
    frame whose length is over it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._kept: list[bytes] = []
        self._size = 0
        self._wanted = 4

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises ProtocolError for a length that cannot be."""
        if self._size:
            self._kept.append(data)
            self._size += len(data)
            if self._size < self._wanted:  # a large frame in many pieces is put together once
                return []
            data = b"".join(self._kept)
        frames: list[Frame] = []
        at, end = 0, len(data)
        wanted = 4
        while end - at >= 4:
            (length,) = _LENGTH.unpack_from(data, at)
            if not _AFTER_LENGTH <= length <= self.max_bytes:
                raise ProtocolError(
                    f"a frame of {length:,} bytes, the limits are {_AFTER_LENGTH} and {self.max_bytes:,}"
                )
            wanted = 4 + length
            if end - at < wanted:
                break
            _, kind, _, _, request = HEAD.unpack_from(data, at)
            body = data if length < _LARGE_BYTES else memoryview(data)
            frames.append(Frame(kind, request, body[at + HEAD.size : at + wanted]))
            at += wanted
            wanted = 4
        rest = data[at:] if at else data
        self._kept = [rest] if rest else []
        self._size = len(rest)
        self._wanted = wanted
        return frames
