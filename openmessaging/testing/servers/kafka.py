"""Apache Kafka from Maven: one node, broker and controller in one process, every batch synced before it is answered."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.maven import jars, java
from openmessaging.testing.servers.server import Server, free_port

VERSION = "4.3.1"
_ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    "org.slf4j:slf4j-api:2.0.17",
    "org.slf4j:slf4j-simple:2.0.17",
)
_SMALL = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_ONES = (
    "offsets.topic.replication.factor",
    "offsets.topic.num.partitions",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "transaction.state.log.num.partitions",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.num.partitions",
)
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""The request that any Kafka answers."""


class Kafka(Server):
    """One node. `through`: the port at which clients shall find it, if that is another (of a proxy before it).
    `settings`: lines of server.properties that replace those here. `options`: of the Java machine."""

    name: ClassVar[str] = "kafka"
    ready_within: ClassVar[float] = 60.0

    def __init__(
        self,
        folder: Path | None = None,
        through: int | None = None,
        settings: dict[str, str] | None = None,
        options: tuple[str, ...] = _SMALL,
    ) -> None:
        super().__init__(folder)
        self._through = through or self.port
        self._settings = settings or {}
        self._options = options
        self._controller = free_port()

    @property
    def url(self) -> str:
        """The access point's URL."""
        return f"oms:kafka://127.0.0.1:{self._through}/local"

    def launch(self) -> None:
        """Format the directory the first time, then start it."""
        properties = self.folder / "server.properties"
        begin = [java(), *self._options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]
        begin.append(f"{jars(*_ARTIFACTS)}/*")
        if not properties.exists():
            properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
            cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
            tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties), "--standalone"]
            subprocess.run([*begin, *tool], check=True, capture_output=True, timeout=60)  # noqa: S603 - ours
        self.spawn([*begin, "kafka.Kafka", str(properties)])

    def _properties(self) -> dict[str, str]:
        own = f"127.0.0.1:{self._controller}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": own,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://{own}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._through},CONTROLLER://{own}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.folder / "logs"),
            **dict.fromkeys(_ONES, "1"),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.cleaner.dedupe.buffer.size": "4194304",
            "log.flush.interval.messages": "1",
            "auto.create.topics.enable": "false",
            **self._settings,
        }

    def answers(self) -> bool:
        """Whether it says which requests it knows."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(16)) > 8
