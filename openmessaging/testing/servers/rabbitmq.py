"""RabbitMQ: Debian's `rabbitmq-server` with streams, management, MQTT and AMQP 1.0, as a node of its own.

What is acknowledged by a quorum queue or a durable classic one is synced; streams sync by themselves, later.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.server import Server, free_port, listens

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
stream.listeners.tcp.1 = 127.0.0.1:{stream_port}
stream.advertised_host = 127.0.0.1
stream.advertised_port = {stream_port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt_port}
vm_memory_high_watermark.absolute = 400MiB
disk_free_limit.absolute = 50MB
"""
PLUGINS = (
    "[rabbitmq_management, rabbitmq_stream, rabbitmq_stream_management, rabbitmq_mqtt, rabbitmq_amqp1_0, "
    "rabbitmq_shovel, rabbitmq_consistent_hash_exchange]."
)
PROTOCOL = b"AMQP\x00\x00\x09\x01"
SCRIPTS = sorted(map(str, Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin")))
"""Before those in the path, which change the user and the directories."""
INSTALL = "apt-get install rabbitmq-server"

FORGETS = 4.0
"""Seconds after which a new quorum queue outlives a kill: RabbitMQ 3.10 writes the list of them up to three seconds
late, and one that is not in it has no leader after the restart, so that nothing sent to it is ever confirmed."""


class Rabbitmq(Server):
    """One node; the user is `guest`, the password the same."""

    name: ClassVar[str] = "rabbitmq"
    ready_within: ClassVar[float] = 60.0
    programs: ClassVar[Mapping[str, str]] = {"rabbitmq-server": INSTALL, "epmd": INSTALL, "erl": INSTALL}
    places: ClassVar[list[str]] = SCRIPTS

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.stream_port = free_port()
        self.management_port = free_port()
        self.mqtt_port = free_port()
        self._names_port = free_port()
        self._nodes_port = free_port()

    def launch(self) -> None:
        """Start it, with a name server of Erlang that ends with it."""
        for part in ("home", "mnesia", "logs"):
            (self.folder / part).mkdir(exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(**vars(self)))
        (self.folder / "advanced.config").write_text("[].\n")
        (self.folder / "enabled_plugins").write_text(PLUGINS + "\n")
        self.spawn([self.program("epmd"), "-port", str(self._names_port), "-address", "127.0.0.1"])
        deadline = time.monotonic() + 10
        while not listens(self._names_port) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.spawn([self.program("rabbitmq-server")], self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """What makes the commands of RabbitMQ (`rabbitmqctl`…) talk to this node."""
        quiet = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +S 2:2"
        return {
            "HOME": f"{self.folder}/home",
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": "oms@localhost",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}/logs",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{self.folder}/advanced.config",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid",
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": quiet,
            "RUNNING_UNDER_SYSTEMD": "true",  # no shell between us and the node
        }

    def kill(self) -> None:
        """End it at once, as a crash would, once its queues outlive that (`FORGETS`)."""
        if any(process.poll() is None for process in self.processes):
            time.sleep(FORGETS)
        super().kill()

    def answers(self) -> bool:
        """Whether it begins a connection; it does so when all its parts are there."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(PROTOCOL)
            return connection.recv(1) == b"\x01"
