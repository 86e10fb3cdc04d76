"""An outbox in a table of SQLAlchemy 2: rows go in with the session or connection that does the work.

outbox = SqlOutbox(engine, metadata)
...
with Session(engine) as session, session.begin():
    session.add(order)
    session.execute(outbox.message("orders", order_placed, key=order.customer))
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)

from openmessaging.app.codec import Codec, JsonCodec, encode
from openmessaging.app.outbox.relay import OutboxRow
from openmessaging.model.key_value import KeyValue, PropertyValue

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class SqlOutbox:
    """Keeps messages in a table until a relay has sent them.

    Args:
        engine: whose database is read; asynchronous or not.
        metadata: where the table is declared, so that it is created and migrated with the others.
        table: its name.
        codec: how bodies are written; JSON when None.
    """

    def __init__(
        self,
        engine: Engine | AsyncEngine,
        metadata: MetaData,
        *,
        table: str = "openmessaging_outbox",
        codec: Codec | None = None,
    ) -> None:
        self._engine = engine
        self._codec = codec or JsonCodec()
        self.table = Table(
            table,
            metadata,
            Column("number", Integer, primary_key=True, autoincrement=True),
            Column("id", String(32), nullable=False, unique=True),
            Column("queue", String(255), nullable=False),
            Column("key", String(255)),
            Column("properties", Text, nullable=False),
            Column("body", LargeBinary, nullable=False),
        )

    def message(
        self, queue: str, value: Any, *, key: str | None = None, properties: dict[str, PropertyValue] | None = None
    ) -> Insert:
        """The statement that puts a message into the outbox: execute it where the transaction is.

        Properties are str, bool, int or float here. Raises OMSMessageFormatException 1400 for a bad property, and
        TypeError for a value that the codec cannot write.
        """
        return insert(self.table).values(
            id=uuid.uuid4().hex,
            queue=queue,
            key=key,
            properties=json.dumps(dict(KeyValue(properties or {}))),
            body=encode(self._codec, value),
        )

    async def pending(self, limit: int) -> list[OutboxRow]:
        """See `Outbox`."""
        table = self.table
        wanted = select(table).order_by(table.c.number).limit(limit)
        rows = await self._do(lambda connection: connection.execute(wanted).all())
        return [OutboxRow(row.id, row.queue, row.body, row.key, json.loads(row.properties)) for row in rows]

    async def delete(self, ids: Sequence[str]) -> None:
        """See `Outbox`."""
        gone = delete(self.table).where(self.table.c.id.in_(ids))
        await self._do(lambda connection: connection.execute(gone))

    async def _do(self, work: Callable[[Connection], Any]) -> Any:
        if not isinstance(self._engine, Engine):
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        return await asyncio.to_thread(self._blocking, self._engine, work)

    @staticmethod
    def _blocking(engine: Engine, work: Callable[[Connection], Any]) -> Any:
        with engine.begin() as connection:
            return work(connection)
