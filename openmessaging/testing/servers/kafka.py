"""Kafka: one node that is broker and controller (KRaft), every batch synced before it is answered."""

from __future__ import annotations

import base64
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.java import JavaServer
from openmessaging.testing.servers.server import free_port

CONFIGURATION = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{through}
auto.create.topics.enable=false
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/logs
log.flush.interval.messages=1
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
VERSIONS_ASKED = b"\x00\x00\x00\x0a" + b"\x00\x12\x00\x00" + b"\x00\x00\x00\x07" + b"\xff\xff"
"""ApiVersions, version 0, number 7, from nobody."""


class Kafka(JavaServer):
    """One node; what a topic is created with decides over its partitions. `through`: the port at which clients shall
    find it, where that is another (of something between). `settings`: more of server.properties."""

    name: ClassVar[str] = "kafka"
    artifacts: ClassVar[tuple[str, ...]] = (
        "org.apache.kafka:kafka_2.13:4.3.1",
        "org.slf4j:slf4j-api:2.0.17",
        "org.slf4j:slf4j-simple:2.0.17",
    )
    memory: ClassVar[tuple[str, ...]] = ("-Xms128m", "-Xmx384m")

    def __init__(
        self, folder: Path | None = None, through: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder)
        self.controller_port = free_port()
        self.through = through or self.port
        self._settings = settings or {}

    @property
    def url(self) -> str:
        """The access point's URL."""
        return f"oms:kafka://127.0.0.1:{self.through}/local"

    def launch(self) -> None:
        """Start it; the first time, format its directory."""
        configuration = self.folder / "server.properties"
        more = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        configuration.write_text(CONFIGURATION.format(**vars(self)) + more)
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        if not (self.folder / "logs" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")
            options = ["format", "-t", cluster, "-c", str(configuration), "--standalone"]
            command = self.java("kafka.tools.StorageTool", *options, options=quiet)
            with (self.folder / "log").open("ab") as log:
                subprocess.run(command, check=False, stdout=log, stderr=log, timeout=60)  # noqa: S603 - ours
        self.spawn(self.java("kafka.Kafka", str(configuration), options=quiet))

    def answers(self) -> bool:
        """Whether it says which requests it knows; it does when it serves clients."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(VERSIONS_ASKED)
            return connection.recv(10)[4:] == b"\x00\x00\x00\x07\x00\x00"
