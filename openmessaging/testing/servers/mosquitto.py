"""MQTT: Debian's `mosquitto`. It knows no synced write: its file is rewritten at each change, apart from answers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import ClassVar

from openmessaging.testing.servers.server import Server

CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
user root
"""
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"


class Mosquitto(Server):
    """One node, for MQTT 3.1.1 and 5."""

    name: ClassVar[str] = "mosquitto"
    driver: ClassVar[str] = "mqtt"
    programs: ClassVar[Mapping[str, str]] = {"mosquitto": "apt-get install mosquitto"}

    def launch(self) -> None:
        """Start it."""
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(CONFIGURATION.format(**vars(self)))
        self.spawn([self.program("mosquitto"), "-c", str(configuration)])

    def answers(self) -> bool:
        """Whether it accepts a client."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(CONNECT)
            return connection.recv(4) == b"\x20\x02\x00\x00"
