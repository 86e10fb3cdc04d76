"""Two ends of a loopback connection prove that they know the secret of a door, without telling it.

The guest sends 32 random bytes; the holder answers with what only who knows the secret can make of them, and with 32 of
its own; the guest answers those. Whoever else listens on the port of a holder that died learns nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket

_BYTES = 32


async def prove_as_guest(connection: socket.socket, secret: str) -> None:
    """Show a holder that we know its secret, and see that it does. Raises ConnectionError."""
    loop = asyncio.get_running_loop()
    challenge = secrets.token_bytes(_BYTES)
    await loop.sock_sendall(connection, challenge)
    answer = await _read(loop, connection, 2 * _BYTES)
    if not hmac.compare_digest(answer[:_BYTES], _made(secret, b"holder", challenge)):
        raise ConnectionRefusedError("what listens there is not the holder of the store")
    await loop.sock_sendall(connection, _made(secret, b"guest", answer[_BYTES:]))


async def prove_as_holder(connection: socket.socket, secret: str) -> None:
    """The other end of it. Raises ConnectionError."""
    loop = asyncio.get_running_loop()
    challenge = secrets.token_bytes(_BYTES)
    theirs = await _read(loop, connection, _BYTES)
    await loop.sock_sendall(connection, _made(secret, b"holder", theirs) + challenge)
    if not hmac.compare_digest(await _read(loop, connection, _BYTES), _made(secret, b"guest", challenge)):
        raise ConnectionRefusedError("somebody does not know the secret of the store")


def _made(secret: str, role: bytes, challenge: bytes) -> bytes:
    return hmac.digest(secret.encode(), role + challenge, "sha256")


async def _read(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(connection, size - len(data))
        if not more:
            raise ConnectionResetError("the other end hung up")
        data += more
    return data
