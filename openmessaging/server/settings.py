"""Limits of a server: what one client may make it hold."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one client may make the server hold, in bytes and seconds per connection."""

    max_connections: int = 10_000
    """Of all clients together."""
    max_frame_bytes: int = 32 << 20
    """Largest frame. A batch and its frame fit; nothing is kept for a frame that says it is larger."""
    window_bytes: int = 16 << 20
    """Sends without an answer: beyond it the connection is not read."""
    unread_bytes: int = 1 << 20
    """Answers that the client has not read: beyond it nothing is leased for it, and the connection is not read."""
    heartbeat: float = 10.0
    """Who was silent for so long sends PING; who was not heard of for three times that is hung up on."""
    handshake: float = 5.0
    """Until HELLO must have come."""
    stuck: float = 60.0
    """A client that does not read for so long is hung up on."""
