"""The outbox on SQLAlchemy: only what is committed leaves."""

from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

import openmessaging as oms
from openmessaging.app.outbox.sqlalchemy import SqlOutbox
from openmessaging.testing import TestApp


async def test_what_is_rolled_back_never_leaves(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    metadata = MetaData()
    orders = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("item", String(20)))
    outbox = SqlOutbox(engine, metadata)
    metadata.create_all(engine)
    app = oms.App("oms:memory:never-opened")
    relay = app.relay(outbox)
    seen: list[dict[str, int]] = []

    @app.listener("placed")
    async def ship(placed: dict[str, int]) -> None:
        seen.append(placed)

    async with TestApp(app) as test:
        for number, good in ((1, True), (2, False), (3, True)):
            try:
                with engine.begin() as connection:
                    connection.execute(orders.insert().values(id=number, item="pizza"))
                    connection.execute(outbox.message("placed", {"order": number}, properties={"colour": "red"}))
                    if not good:
                        raise ValueError
            except ValueError:
                pass
        relay.wake()
        while len(seen) < 2:
            await test.advance(1.0)
        assert test.sent("placed") == [{"order": 1}, {"order": 3}]
    assert await outbox.pending(10) == []
    engine.dispose()


async def test_an_asynchronous_engine(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    metadata = MetaData()
    outbox = SqlOutbox(engine, metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(outbox.message("placed", b"x", key="alice"))
    [row] = await outbox.pending(10)
    assert (row.queue, row.body, row.key, row.properties) == ("placed", b"x", "alice", {})
    await outbox.delete([row.id, "gone"])
    assert await outbox.pending(10) == []
    await engine.dispose()
