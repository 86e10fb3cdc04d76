"""Systems that the kit starts itself, by name, each on its own files and free ports."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openmessaging.conformance.system import Secured, System
from openmessaging.model.errors import error
from openmessaging.testing.servers import SYSTEMS, Server, free_port

READY = 30.0
"""Seconds until a node must answer."""
MINE = "mine"
"""Where the user of a secured node may do something."""


class Memory(System):
    """A store in the memory of this process."""

    def __init__(self, adapter: Sequence[str] | None = None) -> None:
        super().__init__(f"oms:memory:conformance-{secrets.token_hex(4)}", "memory", adapter=adapter)


class Embedded(System):
    """A store in a temporary directory."""

    def __init__(self, adapter: Sequence[str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="oms-conformance-")
        super().__init__(f"oms:embedded://{self._folder.name}/store", "embedded", adapter=adapter)

    async def stop(self) -> None:
        """Delete the store."""
        self._folder.cleanup()


class Node:
    """`oms serve` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = (free_port(), free_port())
        self._process: asyncio.subprocess.Process | None = None

    def url(self, driver: str) -> str:
        """Its URL for the driver `oms` or `http`."""
        return f"oms:{driver}://127.0.0.1:{self._ports[driver == 'http']}/local"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        package = str(Path(__file__).parent.parent.parent)
        tcp, http = self._ports
        with (self._folder / "serve.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(self._folder / "store")],
                *["--listen", f"127.0.0.1:{tcp}", "--http", f"127.0.0.1:{http}", "--json"],
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": package},
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), READY)
        if not line:
            raise TimeoutError(f"oms serve ended: {(self._folder / 'serve.log').read_text()[-2000:]}")
        json.loads(line)

    async def end(self, number: signal.Signals) -> None:
        """End it by a signal."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


class Served(System):
    """A node of `oms serve`, reached by the native protocol (`oms`) or through HTTP (`http`)."""

    restarts = True

    def __init__(self, driver: str, adapter: Sequence[str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="oms-conformance-")
        self._node = Node(Path(self._folder.name))
        self._secured: tuple[Node, Secured] | None = None
        self._driver = driver
        self._securing = asyncio.Lock()
        super().__init__(self._node.url(driver), driver, adapter=adapter)

    async def start(self) -> None:
        """Start the node."""
        await self._node.start()

    async def stop(self) -> None:
        """Stop the nodes, and delete their stores."""
        await self._node.end(signal.SIGTERM)
        if self._secured is not None:
            await self._secured[0].end(signal.SIGTERM)
        self._folder.cleanup()

    async def restart(self) -> None:
        """Kill the node (SIGKILL) and start it on the same store."""
        await self._node.end(signal.SIGKILL)
        await self._node.start()

    async def secured(self) -> Secured:
        """A second node, with a user `kit` who may use queues that begin with `mine`."""
        async with self._securing:
            if self._secured is None:
                folder = Path(self._folder.name) / "secured"
                folder.mkdir()
                key = await self._add_user(folder)
                node = Node(folder)
                await node.start()
                self._secured = (node, Secured(node.url(self._driver), key, MINE))
            return self._secured[1]

    async def _add_user(self, folder: Path) -> str:
        package = str(Path(__file__).parent.parent.parent)
        grant = f"send,receive,look default://{MINE}*"
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "openmessaging.cli", "user", "add", "kit", "--grant", grant],
            *["--store", str(folder / "store"), "--json"],
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": package},
        )
        printed, _ = await process.communicate()
        token: str = json.loads(printed)["token"]
        return token


class Real(System):
    """Another system's server, started by `openmessaging.testing.servers`."""

    restarts = True

    def __init__(self, server: Server, attributes: dict[str, Any] | None = None) -> None:
        self._server = server
        super().__init__("", server.name, attributes)

    @property
    def url(self) -> str:
        """Its URL, known once it runs."""
        return self._server.url

    async def start(self) -> None:
        """Start it. Raises Missing."""
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        """Stop it, and delete what it wrote."""
        await asyncio.to_thread(self._server.__exit__)

    async def restart(self) -> None:
        """Kill it, and start it on the same data."""
        await asyncio.to_thread(self._server.kill)
        await asyncio.to_thread(self._server.start)


OURS = ("embedded", "memory", "oms", "http")
"""Names of systems that are part of this library."""


def names() -> list[str]:
    """Every system that has a name."""
    return [*OURS, *SYSTEMS]


def find(name: str, attributes: dict[str, Any] | None = None, adapter: Sequence[str] | None = None) -> System:
    """The system of a name, or the one that a URL leads to; it is not started.

    Raises OMSRuntimeException 1418 for a name that is none.
    """
    if name.startswith("oms:"):
        return System(name, None, attributes, adapter)
    if name == "embedded":
        return Embedded(adapter)
    if name == "memory":
        return Memory(adapter)
    if name in OURS:
        return Served(name, adapter)
    if name not in SYSTEMS:
        step = f"Give a URL, or one of {', '.join(names())}"
        raise error(1418, f"there is no system {name!r}", next_step=step, field="name")
    return Real(SYSTEMS[name](), attributes)
