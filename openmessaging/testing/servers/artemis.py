"""ActiveMQ Artemis: AMQP 1.0, MQTT and STOMP at one port; what is durable is synced before it is answered."""

from __future__ import annotations

import socket
import subprocess
from typing import ClassVar

from openmessaging.testing.servers.java import JavaServer

VERSION = "2.40.0"
OPEN = ("--silent", "--user", "a", "--password", "a", "--allow-anonymous", "--no-web", "--nio")
ONE_PORT = ("--no-amqp-acceptor", "--no-mqtt-acceptor", "--no-stomp-acceptor", "--no-hornetq-acceptor")
PROTOCOL = b"AMQP\x00\x01\x00\x00"
PROTOCOL_SASL = b"AMQP\x03\x01\x00\x00"


class Artemis(JavaServer):
    """One node; anybody may do anything, the user `a` with the password `a` too."""

    name: ClassVar[str] = "artemis"
    driver: ClassVar[str] = "amqp"
    artifacts: ClassVar[tuple[str, ...]] = (f"org.apache.activemq:apache-artemis:{VERSION}:zip:bin",)
    memory: ClassVar[tuple[str, ...]] = ("-Xms64m", "-Xmx400m")

    @classmethod
    def class_path(cls) -> list[str]:
        """Its starter, which finds the rest."""
        return [f"{cls.fetched()}/apache-artemis-{VERSION}/lib/artemis-boot.jar"]

    def launch(self) -> None:
        """Start it; the first time, write its directory, for which it measures the disk."""
        instance = self.folder / "instance"
        home = f"-Dartemis.home={self.fetched()}/apache-artemis-{VERSION}"
        starter = "org.apache.activemq.artemis.boot.Artemis"
        if not (instance / "etc" / "broker.xml").exists():
            place = ["create", str(instance), "--host", "127.0.0.1", "--default-port", str(self.port)]
            with (self.folder / "log").open("ab") as log:
                command = self.java(starter, *place, *OPEN, *ONE_PORT, options=[home])
                subprocess.run(command, check=False, stdout=log, stderr=log, timeout=60)  # noqa: S603 - ours
        options = [
            home,
            f"-Dartemis.instance={instance}",
            f"-Dartemis.instance.etc={instance}/etc",
            f"-Ddata.dir={instance}/data",
            f"-Djava.io.tmpdir={instance / 'tmp'}",
            f"-Djava.security.auth.login.config={instance}/etc/login.config",
            "-Dlog4j2.disableJmx=true",
            "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
        ]
        self.spawn(self.java(starter, "run", options=options))

    def answers(self) -> bool:
        """Whether it offers AMQP 1.0."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(PROTOCOL_SASL)
            return connection.recv(8) in (PROTOCOL, PROTOCOL_SASL)
