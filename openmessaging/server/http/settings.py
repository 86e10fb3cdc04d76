"""Limits of the HTTP server: what one request or client may make it hold."""

from __future__ import annotations

import msgspec


class HttpLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes and seconds."""

    max_connections: int = 10_000
    max_body_bytes: int = 32 << 20
    """Largest body of a request, packed and unpacked."""
    max_bodies_bytes: int = 256 << 20
    """Bodies that are on their way in, of all connections: beyond it more is refused with 1502."""
    max_head_bytes: int = 64 << 10
    """Largest request line and headers together."""
    max_streams: int = 100
    """Requests at once on a connection of HTTP/2."""
    head: float = 10.0
    """Until the head of a request must have come, from its first byte."""
    idle: float = 75.0
    """A connection without a request is hung up on after this."""
    stalled: float = 30.0
    """A body of which nothing comes for so long is given up, and a client that does not read for so long too."""
    max_wait: float = 60.0
    """Longest wait of a long poll, whatever it asks for: less than a proxy in between allows."""
    trusted_hosts: list[str] = []
    """Names, each with or without a port, by which a server without users may be asked besides `localhost` and the
    addresses of this machine, and whose pages may use it: of a proxy before it."""
    subscription_idle: float = 60.0
    """What is held for consumers of a group is let go when nobody has asked for so long."""
