"""From a database's table to queues: each row that is committed becomes one message, once.

A batch of rows is sent in one transaction together with a note of their ids in a queue of the relay's own; then the
rows are deleted. What dies in between finds the note when it starts again, and deletes what was sent instead of sending
it twice. One relay per name may run at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from openmessaging.model.batch import decode
from openmessaging.model.errors import OMSDestinationException

if TYPE_CHECKING:
    from openmessaging.app.application import App

logger = logging.getLogger("openmessaging.app")
NOTES_BYTES = 1 << 20
"""Of the notes only the last one matters; older ones may go."""


class OutboxRow(msgspec.Struct, frozen=True):
    """A message that waits in a database."""

    id: str
    queue: str
    body: bytes
    key: str | None
    properties: dict[str, Any]


class Outbox(Protocol):
    """Where rows are kept."""

    async def pending(self, limit: int) -> list[OutboxRow]:
        """Committed rows, the oldest first."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete rows; those that are gone are no error."""
        ...


class Relay:
    """Sends what waits in an outbox. Made by `App.relay`, which starts and stops it with the app.

    Args:
        app: sends with its producer.
        outbox: where the rows are.
        name: of the relay; its notes lie in the queue `outbox.NAME`.
        interval: seconds between looks into the database when there was nothing; `wake` cuts one short.
        batch: most rows of one transaction.
    """

    def __init__(self, app: App, outbox: Outbox, name: str, interval: float, batch: int) -> None:
        self.queue = f"outbox.{name}"
        self._app = app
        self._outbox = outbox
        self._interval = interval
        self._batch = batch
        self._awake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def wake(self) -> None:
        """There is something to send: called after a commit, from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the next start finds it
                loop.call_soon_threadsafe(self._awake.set)

    async def start(self) -> None:
        """Delete what was sent before a crash, and begin."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        await self._recover()
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Finish the batch that is on its way, and send no more."""
        self._stopping = True
        self._awake.set()
        task, self._task = self._task, None
        if task is not None:
            await task

    async def send_pending(self) -> int:
        """Send one batch of what waits; how many rows that were."""
        rows = await self._outbox.pending(self._batch)
        if not rows:
            return 0
        producer = self._app.producer
        ids = [row.id for row in rows]
        async with producer.transaction() as transaction:
            for row in rows:
                message = producer.create_message(
                    row.queue, row.body, message_key=row.key, properties=row.properties or None
                )
                await transaction.send(message)
            await transaction.send(producer.create_message(self.queue, msgspec.json.encode(ids)))
        await self._outbox.delete(ids)
        return len(rows)

    async def _run(self) -> None:
        certain = True  # that what was sent is deleted
        while not self._stopping:
            self._awake.clear()
            try:
                if not certain:
                    await self._recover()
                    certain = True
                sent = await self.send_pending()
            except Exception as failure:
                logger.warning("the outbox could not be sent, trying again: %s", failure)
                sent, certain = 0, False  # it may have been stored all the same
            if sent < self._batch and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._awake.wait()

    async def _recover(self) -> None:
        """Delete the rows that the last note names."""
        access_point = self._app.access_point
        manager = access_point.resource_manager()
        try:
            info = await manager.describe_queue(self.queue)
        except OMSDestinationException:
            await manager.create_queue(self.queue, retention="keep", retention_bytes=NOTES_BYTES)
            return
        first, after = info.offsets[0]
        if after > first:
            driver = await access_point.get_driver()
            [delivery] = await driver.read(access_point.full(self.queue), 0, after - 1, 1)
            _, _, records = decode(delivery.data)
            await self._outbox.delete(msgspec.json.decode(records[delivery.last - 1].data))
