"""Clients of the native protocol, as an operator sees them."""

from __future__ import annotations

import msgspec


class ClientInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A client that is connected."""

    client: str
    """What it says it is; empty until it has introduced itself."""
    address: str
    """HOST:PORT; empty on a Unix socket."""
    user: str
    """By what name it is known; empty until it has introduced itself."""
    since_ms: int
    """When it connected, ms since the epoch."""
    groups: list[tuple[str, str]]
    """Queues (full names) and groups that it consumes."""
    storing_bytes: int
    """Bytes of sends that have no answer yet."""
    reads: bool
    """Whether it reads what it is sent: what is handed out waits for that."""


def as_address(peername: object) -> str:
    """HOST:PORT of what a transport calls `peername`; empty for a Unix socket."""
    if not isinstance(peername, tuple):
        return ""
    host, port = peername[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
