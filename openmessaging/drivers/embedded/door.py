"""The door of a store's directory: where the process that holds the store is reached by others.

It is a Unix socket in the directory; in a private temporary one where the path would be too long for a socket; loopback
TCP where there are no Unix sockets. The file DOOR says which. Only who has the store's lock opens or closes a door, so
what a killed holder left is never mistaken for somebody else's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
from typing import Any

import msgspec

from openmessaging.system.fork import keep_private

DOOR, SOCKET = "DOOR", "SOCKET"
LONGEST_PATH = 103
"""Bytes: the least that any system allows for the path of a socket."""
TRANSPORT = "unix" if hasattr(socket, "AF_UNIX") and sys.platform != "win32" else "tcp"
BACKLOG = 128
_TEMPORARY = "openmessaging-"


_TOKEN = secrets.token_hex(4)


def own_name() -> str:
    """What this process calls itself as a guest: a name of which there is one on earth."""
    return f"{socket.gethostname()}:{os.getpid()}:{_TOKEN}"


class Address(msgspec.Struct, frozen=True):
    """Where a holder listens, and with which options it has the store open."""

    options: dict[str, Any] = {}
    unix: str = ""
    """Path of the socket, from the directory; empty: TCP."""
    port: int = 0
    """On 127.0.0.1."""
    secret: str = ""
    """What both ends must know over TCP, for any user may connect there."""

    def socket_path(self, directory: str) -> str:
        """The path of the socket."""
        return os.path.join(directory, self.unix)


class Door:
    """An open door: its `listener` takes connections."""

    def __init__(self, directory: str, listener: socket.socket, address: Address) -> None:
        self._directory = directory
        self.listener = listener
        self.address = address
        listener.setblocking(False)
        keep_private(listener)

    def close(self) -> None:
        """Take no more connections, and leave nothing behind. Only with the store's lock."""
        self.listener.close()
        _clear(self._directory)


def open_door(directory: str, options: dict[str, Any]) -> Door:
    """Open the door of a directory, under the store's lock. Raises OSError."""
    _clear(directory)
    listener, address = _listen_unix(directory) if TRANSPORT == "unix" else _listen_tcp()
    address = msgspec.structs.replace(address, options=options)
    try:
        _write(os.path.join(directory, DOOR), msgspec.json.encode(address))
    except OSError:
        listener.close()
        raise
    return Door(directory, listener, address)


def read_door(directory: str) -> Address | None:
    """What DOOR says; None when there is none. Nobody may be behind it."""
    try:
        with open(os.path.join(directory, DOOR), "rb") as file:
            return msgspec.json.decode(file.read(), type=Address)
    except (OSError, msgspec.DecodeError):
        return None


def _listen_unix(directory: str) -> tuple[socket.socket, Address]:
    path = os.path.join(directory, SOCKET)
    if len(os.fsencode(path)) <= LONGEST_PATH:
        with contextlib.suppress(OSError):  # a file system without sockets
            return _bind(path), Address(unix=SOCKET)
    made = tempfile.mkdtemp(prefix=_TEMPORARY)
    path = os.path.join(made, SOCKET)
    try:
        return _bind(path), Address(unix=path)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _bind(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)  # before it listens: nobody came in meanwhile
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return listener


def _listen_tcp() -> tuple[socket.socket, Address]:
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener, Address(port=listener.getsockname()[1], secret=secrets.token_hex(32))


def _write(path: str, text: bytes) -> None:
    """In one piece, and only this user's."""
    fresh = f"{path}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(text)
    os.replace(fresh, path)


def _clear(directory: str) -> None:
    """Remove a door that nobody stands behind any more."""
    left = read_door(directory)
    for name in (DOOR, SOCKET):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(directory, name))
    if left is not None and os.path.isabs(left.unix):
        made, name = os.path.split(left.unix)
        if name == SOCKET and os.path.basename(made).startswith(_TEMPORARY):
            with contextlib.suppress(OSError):
                os.unlink(left.unix)
                os.rmdir(made)
