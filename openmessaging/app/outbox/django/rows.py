"""Writing into the outbox, and reading it for the relay."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.db import close_old_connections

from openmessaging.app.codec import Codec, JsonCodec, encode
from openmessaging.app.outbox.django.models import OutboxMessage
from openmessaging.app.outbox.relay import OutboxRow
from openmessaging.model.key_value import KeyValue, PropertyValue

JSON = JsonCodec()


def send(
    queue: str,
    value: Any,
    *,
    key: str | None = None,
    properties: dict[str, PropertyValue] | None = None,
    codec: Codec = JSON,
    using: str | None = None,
) -> None:
    """Put a message into the outbox, as part of the transaction that is open, of the database `using`.

    Properties are str, bool, int or float here. Raises OMSMessageFormatException 1400 for a bad property, and TypeError
    for a value that the codec cannot write.
    """
    OutboxMessage.objects.using(using).create(
        id=uuid.uuid4().hex,
        queue=queue,
        key=key,
        properties=dict(KeyValue(properties or {})),
        body=encode(codec, value),
    )


class DjangoOutbox:
    """What a relay reads. `using`: the database, None: the default one."""

    def __init__(self, using: str | None = None) -> None:
        self._using = using

    async def pending(self, limit: int) -> list[OutboxRow]:
        """See `Outbox`."""
        rows = await self._do(lambda: list(OutboxMessage.objects.using(self._using).order_by("number")[:limit]))
        return [OutboxRow(row.id, row.queue, bytes(row.body), row.key, row.properties) for row in rows]

    async def delete(self, ids: Sequence[str]) -> None:
        """See `Outbox`."""
        await self._do(lambda: OutboxMessage.objects.using(self._using).filter(id__in=ids).delete())

    @staticmethod
    async def _do(work: Callable[[], Any]) -> Any:
        def blocking() -> Any:
            close_old_connections()
            try:
                return work()
            finally:
                close_old_connections()

        return await asyncio.to_thread(blocking)
