"""Pulsar standalone: broker, bookie and metadata in one process, every entry synced before it is answered."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.java import JavaServer
from openmessaging.testing.servers.server import free_port, listens

VERSION = "4.0.8"
CONFIGURATION = """
brokerServicePort={port}
webServicePort={web_port}
bindAddress=127.0.0.1
advertisedListeners=all:pulsar://127.0.0.1:{through}
journalSyncData=true
journalMaxGroupWaitMSec=1
webSocketServiceEnabled=false
managedLedgerCacheSizeMB=32
dbStorage_writeCacheMaxSizeMb=32
dbStorage_readAheadCacheMaxSizeMb=16
dbStorage_rocksDB_blockCacheSize=8388608
numIOThreads=2
numHttpServerThreads=4
delayedDeliveryTickTimeMillis=100
acknowledgmentAtBatchIndexLevelEnabled=true
"""
"""What differs from the settings that come with it; the last one counts."""
WEB_ABOVE = 8080 - 6650
"""As far as its usual ports lie apart, so that who knows one knows the other."""
LAST_PORT = 65_535
LOGGING = """<Configuration status="ERROR">
  <Appenders><Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""
OPENED = (
    "java.base/java.io",
    "java.base/java.util.zip",
    "java.base/java.nio",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.platform",
    "java.base/sun.net",
    "java.management/sun.management",
    "jdk.management/com.sun.management.internal",
)


class Pulsar(JavaServer):
    """One node; its administration answers at `web_port`. `through`: the port at which clients shall find it, where
    that is another (of something between)."""

    name: ClassVar[str] = "pulsar"
    artifacts: ClassVar[tuple[str, ...]] = (f"org.apache.pulsar:pulsar-server-distribution:{VERSION}:tar.gz:bin",)
    memory: ClassVar[tuple[str, ...]] = ("-Xms200m", "-Xmx400m", "-XX:MaxDirectMemorySize=256m")

    def __init__(self, folder: Path | None = None, through: int | None = None) -> None:
        super().__init__(folder)
        self._through = through
        while self.port + WEB_ABOVE > LAST_PORT or listens(self.port + WEB_ABOVE):
            self.port = free_port()
        self.web_port = self.port + WEB_ABOVE
        self._bookie_port = free_port()

    @classmethod
    def class_path(cls) -> list[str]:
        """Its jars."""
        return [f"{cls.fetched()}/apache-pulsar-{VERSION}/lib/*"]

    def launch(self) -> None:
        """Start it."""
        given = (self.fetched() / f"apache-pulsar-{VERSION}" / "conf" / "standalone.conf").read_text()
        (self.folder / "standalone.conf").write_text(
            given + CONFIGURATION.format(**vars(self), through=self._through or self.port)
        )
        (self.folder / "log4j2.xml").write_text(LOGGING)
        options = [
            "-Dio.netty.tryReflectionSetAccessible=true",
            f"-Dlog4j2.configurationFile={self.folder}/log4j2.xml",
            "-Dlog4j.shutdownHookEnabled=false",
            *(f"--add-opens={opened}=ALL-UNNAMED" for opened in OPENED),
        ]
        arguments = {
            "-c": f"{self.folder}/standalone.conf",
            "--metadata-dir": f"{self.folder}/metadata",
            "--bookkeeper-dir": f"{self.folder}/bookie",
            "--bookkeeper-port": str(self._bookie_port),
        }
        without = ["--no-functions-worker", "--no-stream-storage"]
        pairs = [part for pair in arguments.items() for part in pair]
        self.spawn(self.java("org.apache.pulsar.PulsarStandaloneStarter", *pairs, *without, options=options))

    def answers(self) -> bool:
        """Whether its broker is ready, and the namespace that everybody uses is there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/admin/v2/brokers/ready", timeout=2) as ready:
            if ready.read() != b"ok":
                return False
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.web_port}/admin/v2/namespaces/public", timeout=2
        ) as all_of:
            return b"public/default" in all_of.read()
