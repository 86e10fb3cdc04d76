"""Serving a store to other processes: one thread with an event loop, which sleeps until the first of them comes.

What serves is imported only then: the lone user of a store pays for a sleeping thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING

from openmessaging.broker.store import Store
from openmessaging.drivers.embedded.aio import EmbeddedDriver
from openmessaging.drivers.embedded.door import Door, own_name
from openmessaging.drivers.embedded.proof import prove_as_holder
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.system.fork import keep_private

if TYPE_CHECKING:
    from openmessaging.server.server import Server

logger = logging.getLogger("openmessaging.store")
SNAPSHOT_ENTRIES = 20_000
"""Entries of the log that the next holder has to read at most, about: a third of a second."""
GRACE = 0.5
"""Seconds for what is under way when the store is closed; what is not answered then goes again to the next holder."""
PROOF_TIMEOUT = 5.0
"""Seconds for a guest to prove that it knows the secret."""
_PAUSE = 0.1


class Host:
    """Serves a store behind a door until it is closed."""

    def __init__(self, store: Store, door: Door) -> None:
        self._store = store
        self._door = door
        self._server: Server | None = None
        self._loop = asyncio.new_event_loop()
        self._accepting = self._loop.create_task(self._accept())
        self._admitting: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._run, name="openmessaging-host", daemon=True).start()

    @property
    def guests(self) -> int:
        """How many connections there are."""
        return 0 if self._server is None else self._server.connections

    def close(self) -> None:
        """Shut the door, answer what is being stored, hang up. Guests look for the next holder."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(self._door.listener)
            except OSError as cause:
                logger.warning("no more connections for now: %s", cause)
                await asyncio.sleep(_PAUSE)
                continue
            keep_private(connection)
            task = self._loop.create_task(self._admit(connection))
            self._admitting.add(task)
            task.add_done_callback(self._admitting.discard)

    async def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            if self._door.address.secret:
                async with asyncio.timeout(PROOF_TIMEOUT):
                    await prove_as_holder(connection, self._door.address.secret)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._serving().take(connection)
        except OSError as cause:  # TimeoutError is one
            logger.info("a connection was refused: %s", cause)
            connection.close()

    def _serving(self) -> Server:
        if self._server is None:
            from openmessaging.server.server import Server

            self._store.maintenance.snapshot_entries = SNAPSHOT_ENTRIES
            driver = EmbeddedDriver(BlockingEmbeddedDriver(self._store, _nothing))
            self._server = Server(driver, lambda: time.time_ns() // 1_000_000, own=own_name())
        return self._server

    async def _end(self) -> None:
        self._accepting.cancel()
        for task in self._admitting:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting
        self._door.close()
        if self._server is not None:
            await self._server.close(GRACE)


def _nothing() -> None:
    """The store is closed by who opened it."""
