"""A whole driver: queues in an SQLite file, for any number of processes.

Everything above a driver comes with it: both faces, listeners, retries with back-off, dead letters, the command line.
`docs/how-to/write-a-driver.md` goes through it. `oms:sqlite://localhost/shop` is the file `shop.sqlite`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from openmessaging.drivers.consuming import ForeignSubscription, Received, check_spec
from openmessaging.drivers.mapping import from_fields, packed, to_fields, unpacked
from openmessaging.drivers.partial import PartialDriver
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.dead_letter import queue_of
from openmessaging.model.destination import split_name
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import (
    Capability,
    Delivery,
    Durability,
    GroupConfig,
    GroupInfo,
    OutgoingBatch,
    Placement,
    QueueInfo,
    SubscriptionSpec,
)

Result = TypeVar("Result")
SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS messages (
        queue TEXT, offset INTEGER, body BLOB, key TEXT, fields TEXT, stored_ms INTEGER, PRIMARY KEY (queue, offset)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS groups (queue TEXT, name TEXT, PRIMARY KEY (queue, name)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS waiting (
        queue TEXT, name TEXT, offset INTEGER, attempt INTEGER, visible_ms INTEGER,
        PRIMARY KEY (queue, name, offset)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS visible ON waiting (queue, name, visible_ms);
"""
POLL = 0.05
"""Seconds between looks for messages that another process may have stored."""


def now_ms() -> int:
    """The time, ms since the epoch."""
    return time.time_ns() // 1_000_000


class SQLiteDriver(PartialDriver):
    """One file, one thread that works on it."""

    capabilities = frozenset(
        {
            Capability.LEASE,
            Capability.EXTEND_LEASE,
            Capability.NACK_DELAY,
            Capability.DEAD_LETTER,
            Capability.BROWSE,
            Capability.ADMIN,
        }
    )
    max_body_bytes = 4 << 20

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._thread = ThreadPoolExecutor(1)
        self._database: sqlite3.Connection = None  # type: ignore[assignment] # there once opened

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something with the file, in one transaction that ends with a sync of the disk."""

        def whole() -> Result:
            if self._database is None:
                self._database = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
                self._database.executescript(SCHEMA)
            try:
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    return work(self._database)
            except sqlite3.OperationalError as cause:
                code = 1502 if "locked" in str(cause) else 1501
                raise error(code, f"{self._path}: {cause}", next_step="Try again, and look at the disk") from cause

        return await asyncio.get_running_loop().run_in_executor(self._thread, whole)

    # Sending: as many batches as have come together, in one transaction.

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Placement]:
        """Store batches."""
        rows = [
            (
                batch.destination,
                [(each.data, each.message_key, json.dumps(to_fields(each))) for each in unpacked(batch)],
            )
            for batch in batches
        ]
        return await self.run(lambda database: [_store(database, queue, messages) for queue, messages in rows])

    # Receiving: a source hands out single messages, ForeignSubscription does the rest.

    async def subscribe(self, spec: SubscriptionSpec) -> ForeignSubscription:
        """Join a group; a new one gets all messages that are there."""
        check_spec(spec)
        if spec.config.start != "earliest":
            raise error(1418, f"start: {spec.config.start!r}", next_step="Groups begin with `earliest`", field="start")

        def join(database: sqlite3.Connection) -> None:
            _require_queue(database, spec.destination)
            place = (spec.destination, spec.group)
            if database.execute("INSERT OR IGNORE INTO groups VALUES (?, ?)", place).rowcount:
                database.execute(
                    "INSERT INTO waiting SELECT queue, ?2, offset, 0, 0 FROM messages WHERE queue = ?1", place
                )

        await self.run(join)
        return ForeignSubscription(SQLiteSource(self, spec), spec, self._bury, redelivers=True)

    async def _bury(self, queue: str, records: list[Record]) -> None:
        rows = [(each.data, each.message_key, json.dumps(to_fields(each))) for each in records]
        await self.run(lambda database: _store(database, queue, rows))

    async def read(
        self, destination: str, partition: int, offset: int, max_messages: int, wait: float = 0.0
    ) -> list[Delivery]:
        """Messages from an offset, leaving groups alone."""
        deadline = time.monotonic() + wait
        sql = "SELECT * FROM messages WHERE queue = ? AND offset >= ? ORDER BY offset LIMIT ?"
        while True:
            rows = await self.run(
                lambda database: database.execute(sql, (destination, offset, max_messages)).fetchall()
            )
            if rows or time.monotonic() >= deadline:
                break
            await asyncio.sleep(POLL)
        return [packed(destination, [_record(row) for row in rows], now_ms(), base_offset=rows[0][1])] if rows else []

    # Queues and groups.

    async def partition_count(self, destination: str) -> int:
        """One; a queue is made when it is first used."""
        await self.run(lambda database: _require_queue(database, destination))
        return 1

    async def create_queue(self, name: str, partitions: int, config: dict[str, Any]) -> None:
        """Raises 1406 when it is there, 1418 for what a queue here cannot be."""
        if partitions != 1 or config:
            raise error(1418, "a queue here has one partition and no settings", field="partitions")
        insert = "INSERT OR IGNORE INTO queues VALUES (?, 0)"
        if not await self.run(lambda database: database.execute(insert, (name,)).rowcount):
            raise error(1406, f"there is a queue {name}", next_step="Use it, or delete it")

    async def delete_queue(self, name: str) -> None:
        """Raises 1404 when missing."""

        def delete(database: sqlite3.Connection) -> int:
            for table in ("messages", "groups", "waiting"):
                database.execute(f"DELETE FROM {table} WHERE queue = ?", (name,))
            return database.execute("DELETE FROM queues WHERE name = ?", (name,)).rowcount

        if not await self.run(delete):
            raise _missing(name)

    async def list_namespaces(self) -> list[str]:
        """Those of queues, and the default one."""
        rows = await self.run(lambda database: database.execute("SELECT name FROM queues").fetchall())
        return sorted({"default", *(split_name(name)[0] for (name,) in rows)})

    async def list_queues(self, namespace: str) -> list[str]:
        """Full names, sorted."""
        rows = await self.run(lambda database: database.execute("SELECT name FROM queues ORDER BY name").fetchall())
        return [name for (name,) in rows if split_name(name)[0] == namespace]

    async def describe_queue(self, name: str) -> QueueInfo:
        """Raises 1404 when missing."""

        def look(database: sqlite3.Connection) -> QueueInfo:
            row = database.execute("SELECT next FROM queues WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _missing(name)
            groups = database.execute("SELECT name FROM groups WHERE queue = ? ORDER BY name", (name,)).fetchall()
            return QueueInfo(name, 1, row[0], [(0, row[0])], [group for (group,) in groups], {})

        return await self.run(look)

    async def describe_group(self, queue: str, group: str) -> GroupInfo:
        """Raises 1404 when missing."""
        if group not in (await self.describe_queue(queue)).groups:
            raise _missing(f"{queue}, group {group}")
        sql = "SELECT count(*), count(*) FILTER (WHERE visible_ms > ?) FROM waiting WHERE queue = ? AND name = ?"
        lag, hidden = await self.run(lambda database: database.execute(sql, (now_ms(), queue, group)).fetchone())
        return GroupInfo(group, queue, lag, hidden, 0, [], queue_of(queue, group), None, GroupConfig())

    async def disconnect(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
        self._thread.shutdown(wait=False)


class SQLiteSource:
    """A member of a group: rows of `waiting` that are visible are taken by hiding them for the invisible time."""

    def __init__(self, driver: SQLiteDriver, spec: SubscriptionSpec) -> None:
        self._driver = driver
        self._spec = spec
        self._place = (spec.destination, spec.group)
        self._closed = asyncio.Event()

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        """The first visible messages."""
        deadline = time.monotonic() + wait
        while not (found := await self._driver.run(lambda database: self._take(database, maximum))):
            left = deadline - time.monotonic()
            if left <= 0 or self._closed.is_set():
                return []
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), min(POLL, left))
        return found

    def _take(self, database: sqlite3.Connection, maximum: int) -> list[Received]:
        rows = database.execute(
            "SELECT m.*, w.attempt + 1 FROM waiting w JOIN messages m USING (queue, offset)"
            " WHERE queue = ? AND name = ? AND visible_ms <= ? ORDER BY offset LIMIT ?",
            (*self._place, now_ms(), maximum),
        ).fetchall()
        found = [Received(_record(row[:-1]), row[1], row[-1]) for row in rows]
        until = now_ms() + round(self._spec.config.invisible_time * 1000)
        self._change(database, found, "visible_ms = ?, attempt = attempt + 1", until)
        return found

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        """They wait no more."""
        sql = "DELETE FROM waiting WHERE queue = ? AND name = ? AND offset = ?"
        rows = [(*self._place, each.receipt) for each in messages]
        await self._driver.run(lambda database: database.executemany(sql, rows))

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        """They are visible after `delay` seconds."""
        what = "visible_ms = ?" if counted else "visible_ms = ?, attempt = attempt - 1"
        at = now_ms() + round(delay * 1000)
        await self._driver.run(lambda database: self._change(database, messages, what, at))

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        """They stay hidden for that long."""
        at = now_ms() + round(seconds * 1000)
        await self._driver.run(lambda database: self._change(database, messages, "visible_ms = ?", at))

    def _change(self, database: sqlite3.Connection, messages: Sequence[Received], what: str, at: int) -> None:
        sql = f"UPDATE waiting SET {what} WHERE queue = ? AND name = ? AND offset = ?"
        database.executemany(sql, [(at, *self._place, each.receipt) for each in messages])

    async def close(self) -> None:
        """End a pull that waits."""
        self._closed.set()


def _store(database: sqlite3.Connection, queue: str, messages: Sequence[tuple[bytes, str | None, str]]) -> Placement:
    """Append messages to a queue, and to what each of its groups waits for."""
    first, stored_ms = _require_queue(database, queue), now_ms()
    rows = [(queue, offset, *message, stored_ms) for offset, message in enumerate(messages, first)]
    database.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.execute(
        "INSERT INTO waiting SELECT queue, name, offset, 0, 0 FROM groups JOIN messages USING (queue)"
        " WHERE queue = ? AND offset >= ?",
        (queue, first),
    )
    database.execute("UPDATE queues SET next = ? WHERE name = ?", (first + len(rows), queue))
    return Placement(0, first, stored_ms, Durability.FSYNC)


def _require_queue(database: sqlite3.Connection, name: str) -> int:
    """The next offset of a queue, which is made when missing."""
    database.execute("INSERT OR IGNORE INTO queues VALUES (?, 0)", (name,))
    found: int = database.execute("SELECT next FROM queues WHERE name = ?", (name,)).fetchone()[0]
    return found


def _record(row: Sequence[Any]) -> Record:
    """A message, and what is known of its place."""
    _, offset, body, key, fields, stored_ms = row
    record = from_fields(body, key, json.loads(fields))
    record.headers = {**(record.headers or {}), "offset": offset, "storeTimestamp": stored_ms}
    return record


def _missing(name: str) -> OMSRuntimeException:
    return error(1404, f"there is no {name}", next_step="Create it, or send to it")


class SQLiteFactory:
    """What the entry point, or the attribute DRIVER_IMPL, names."""

    async def open(self, access_point: AccessPoint, _: dict[str, Any]) -> SQLiteDriver:
        """Open the file that the region names."""
        driver = SQLiteDriver(f"{access_point.region}.sqlite")
        await driver.list_namespaces()
        return driver


driver = SQLiteFactory()


def main() -> None:
    """Three jobs, one of which fails twice."""
    import openmessaging.blocking as oms

    with oms.connect("oms:sqlite://localhost/shop", {"DRIVER_IMPL": "sqlite_driver:driver"}) as access_point:
        with access_point.create_producer() as producer:
            for number in range(3):
                producer.send(producer.create_message("jobs", b"job %d" % number, properties={"number": number}))
        backoff = oms.Backoff(initial=0.01, max_delivery=2)
        with access_point.create_pull_consumer("jobs", group="workers", backoff=backoff) as consumer:
            while message := consumer.receive(timeout=0.5):
                if message.properties["number"] == 1:
                    message.nack(reason="no paper")
                else:
                    message.ack()
                print(f"{message.data.decode()}, offset {message.offset}, delivery {message.delivery_count}")
        letters = "jobs.workers.dead-letter"
        with access_point.create_pull_consumer(letters, group="operator") as consumer:
            letter = consumer.receive(timeout=1)
            assert letter is not None
            print(f"{letter.data.decode()} failed: {letter.properties['dead-letter.reason']!s}")
            letter.ack()


if __name__ == "__main__":
    main()
