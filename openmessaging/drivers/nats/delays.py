"""Messages that are not due yet: each waits under a subject of its own until the server moves it (2.12 and newer).

What is due within a moment is left alone: between the server's move and its deletion of what waited, a message that is
taken back would be delivered all the same.
"""

from __future__ import annotations

import base64
import time
from typing import Any

from openmessaging.drivers.nats.codec import Place, to_record
from openmessaging.drivers.nats.connection import NO_MESSAGE, Connection, Refusal, answered
from openmessaging.drivers.nats.reading import Reader, milliseconds
from openmessaging.drivers.nats.sending import at_time
from openmessaging.drivers.nats.streams import NAMES, Stream
from openmessaging.model.errors import error
from openmessaging.model.headers import shown
from openmessaging.model.timing import DelayedInfo

TOO_LATE_MS = 100
"""What is due sooner is neither cancelled nor moved."""
_SCHEDULE = "Nats-Schedule"


class Delays:
    """The delayed messages of all queues."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self._connection = connection
        self._reader = reader

    async def _find(self, stream: Stream, message_id: str) -> dict[str, Any] | None:
        """A message that waits; None when there is none, or it is too late for it."""
        if not message_id.isprintable() or not message_id:
            raise error(1418, f"{shown(message_id)} is no message id", field="message_id")
        subject = f"{stream.native}.delayed.*.{NAMES.group(message_id)}"

        async def act() -> dict[str, Any]:
            try:
                return await self._connection.api(f"STREAM.MSG.GET.{stream.native}", {"last_by_subj": subject})
            except Refusal as refusal:
                if refusal.code == NO_MESSAGE:
                    return {}
                raise

        found: dict[str, Any] | None = (await self._connection.persist(stream.queue, act)).get("message")
        if found is None or due_of(_headers(found)) - time.time_ns() // 1_000_000 < TOO_LATE_MS:
            return None
        return found

    async def cancel(self, stream: Stream, message_id: str) -> bool:
        """Take a message back."""
        found = await self._find(stream, message_id)
        if found is None:
            return False
        purged = await self._connection.manage(
            stream.queue, f"STREAM.PURGE.{stream.native}", {"filter": found["subject"]}
        )
        return bool(purged.get("purged"))

    async def reschedule(self, stream: Stream, message_id: str, due_ms: int) -> bool:
        """Let a message be due at another time."""
        found = await self._find(stream, message_id)
        if found is None:
            return False
        headers = {name: text for name, text in _headers(found).items() if name not in ("Nats-Rollup", "Nats-Msg-Id")}
        born_ms = int(headers.get("oms-bornTimestamp", due_ms))
        headers |= {
            _SCHEDULE: at_time(max(due_ms, time.time_ns() // 1_000_000)),
            "oms-delayTime": str(max(due_ms - born_ms, 0)),
            "Nats-Expected-Last-Subject-Sequence": str(found["seq"]),
        }
        for name in ("Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"):
            headers.pop(name, None)
        body = base64.b64decode(found.get("data") or "")

        async def act() -> dict[str, Any]:
            try:
                return answered((await self._connection.ask(found["subject"], body, headers)).data)
            except Refusal as refusal:
                if refusal.code in (10071, 10164):  # another was there first
                    return {}
                raise

        return bool(await self._connection.persist(stream.queue, act))

    async def list(self, stream: Stream, maximum: int) -> list[DelayedInfo]:
        """At most so many messages that wait."""
        wanted = {"seq": 1, "next_by_subj": stream.delayed, "batch": maximum}
        found = []
        for message in await self._reader.get(stream, wanted):
            headers = message.headers or {}
            _, _, partition, name = headers["Nats-Subject"].rsplit(".", 3)
            record = to_record(headers, message.data, Place(stream.native, int(headers["Nats-Sequence"]), 0, 0))
            own = record.headers or {}
            found.append(
                DelayedInfo(
                    message_id=own.get("messageId", name),
                    queue=stream.queue,
                    partition=int(partition),
                    due_ms=due_of(headers),
                    message_key=record.message_key,
                    size_bytes=len(message.data),
                )
            )
        return found


def due_of(headers: dict[str, str]) -> int:
    """When a message is due, ms since the epoch."""
    return milliseconds(headers.get(_SCHEDULE, "@at 1970-01-01T00:00:00Z").removeprefix("@at "))


def _headers(message: dict[str, Any]) -> dict[str, str]:
    lines = base64.b64decode(message.get("hdrs") or "").decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: text.strip() for name, _, text in pairs}
