"""Redis: Debian's `redis-server`, every write synced before it is answered."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import ClassVar

from openmessaging.testing.servers.server import Server


class Redis(Server):
    """One node with an append-only file."""

    name: ClassVar[str] = "redis"
    programs: ClassVar[Mapping[str, str]] = {"redis-server": "apt-get install redis-server"}

    def launch(self) -> None:
        """Start it."""
        always = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        self.spawn([self.program("redis-server"), *place, *always])

    def answers(self) -> bool:
        """Whether it says PONG."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
