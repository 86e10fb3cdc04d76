"""Write a store with something of everything that the version at hand can store, for later versions to open.

    PYTHONPATH=checkout-of-that-version python write.py DIRECTORY

DIRECTORY gets the store as `store/` and, as `expected.json`, what has to be found in it. The store is closed once, so
that it has a snapshot; what is written after that lies in the log alone, and the process ends without closing, with
messages in its consumers' hands.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

socket.gethostname = lambda: "fixture"  # stands in the stored messages

import openmessaging.blocking as oms  # noqa: E402
from openmessaging.broker.store import StoreOptions, open_store  # noqa: E402

OPTIONS = {"segment_bytes": 65536}
FAR_MS = 4_000_000_000_000
"""In the year 2096."""
YEAR = 365 * 86_400.0


class Writer:
    """Does things to a store and notes what they come to."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "store")
        self.queues: dict[str, list[list[Any]]] = {}
        """By queue: key and body of each message that can be read."""
        self.groups: dict[str, list[str]] = {}
        """By `queue group`: the bodies that are not settled."""
        self.redelivered: dict[str, list[str]] = {}
        """By `queue group`: the bodies among them that had been handed out."""
        self.features: list[str] = []
        self.access_point: Any
        self.producer: Any

    @contextmanager
    def open(self, close: bool) -> Iterator[None]:
        self.access_point = oms.connect(f"oms:embedded://{self.path}", OPTIONS)
        self.access_point.startup()
        self.producer = self.access_point.create_producer()
        self.producer.start()
        yield
        self.producer.flush()
        if close:
            self.producer.stop()
            self.access_point.shutdown()

    def manager(self) -> Any:
        return self.access_point.resource_manager()

    def make(self, queue: str, partitions: int = 1, **settings: Any) -> None:
        if not settings.get("compact"):
            settings["retention"] = "keep"
        self.manager().create_queue(queue, partitions=partitions, **settings)
        self.queues[queue] = []

    def message(self, queue: str, body: str, key: str | None = None, **more: Any) -> Any:
        """A message that will be there to be read."""
        self.queues[queue].append([key, body])
        return self.producer.create_message(queue, body.encode(), message_key=key, **more)

    def send(self, queue: str, *bodies: str, key: str | None = None, **more: Any) -> None:
        self.producer.send([self.message(queue, body, key, **more) for body in bodies])

    @contextmanager
    def group(self, queue: str, group: str, bodies: list[str], **settings: Any) -> Iterator[Any]:
        """A consumer; `bodies` are those that will be unsettled."""
        consumer = self.access_point.create_pull_consumer(queue, group=group, prefetch=1, **settings)
        consumer.start()
        self.groups[f"{queue} {group}"] = bodies
        yield consumer
        consumer.flush()

    # ---- what every version can do ------------------------------------------------------------------------------

    def plain(self) -> None:
        """Compressions, kinds of properties, header fields, partitions; a group that took some out of order."""
        self.make("plain", partitions=2)
        for compression in ("none", "zstd", "lz4"):
            with self.access_point.create_producer(compression=compression) as producer:
                messages = [self.message("plain", f"{compression} {number} " + "a" * 200) for number in range(8)]
                producer.send(messages)
        properties = {"text": "é", "flag": True, "small": -5, "large": 1 << 60, "float": 0.5, "bytes": b"\x00\xff"}
        self.send("plain", "rich", key="k", properties=properties, correlation_id="c-1", trace_id="t-1")
        self.send("plain", "large " + "x" * 20_000)

    def taken(self) -> None:
        """A group with messages settled, given back, in flight and never seen; dead letters."""
        self.make("work")
        names = [f"job {number}" for number in range(20)]
        self.send("work", *names)
        backoff = oms.Backoff(initial=0.0, max_delivery=2)
        with self.group("work", "crew", names[:4] + names[10:], backoff=backoff) as consumer:
            first = consumer.batch_receive(14, timeout=5)
            for message in first[4:8]:
                message.ack()
            for message in first[8:10]:
                message.nack(delay=0, reason="first")
            for message in consumer.batch_receive(2, timeout=5):
                message.nack(delay=0, reason="second")  # dead now
            first[0].nack(delay=YEAR / 2, reason="later")
        self.groups["work crew"].remove("job 0")  # is due in half a year
        self.redelivered["work crew"] = names[1:4] + names[10:14]
        self.queues["work.crew.dead-letter"] = [[None, "job 8"], [None, "job 9"]]
        self.groups["work.crew.dead-letter operator"] = names[8:10]

    def keyed(self) -> None:
        """A group in the order of keys: heads in flight, the others behind them."""
        self.make("keyed", partitions=2)
        for round_ in range(3):
            for key in "abc":
                self.send("keyed", f"{key}{round_}", key=key)
        left = [f"{key}{round_}" for round_ in range(3) for key in "abc" if f"{key}{round_}" != "a0"]
        with self.group("keyed", "ordered", left, order="key") as consumer:
            heads = consumer.batch_receive(3, timeout=5)
            next(head for head in heads if head.data == b"a0").ack()
        self.redelivered["keyed ordered"] = ["b0", "c0"]

    def rest(self) -> None:
        """A namespace, a queue that is deleted, one that is emptied, a group that was moved."""
        manager = self.manager()
        manager.create_namespace("other")
        self.make("other://elsewhere")
        self.send("other://elsewhere", "there")
        self.make("gone")
        self.send("gone", "never seen again")
        manager.delete_queue("gone")
        del self.queues["gone"]
        self.make("emptied")
        self.send("emptied", "never seen again")
        manager.purge_queue("emptied")
        self.queues["emptied"] = []
        self.send("emptied", "after")
        self.make("moved")
        self.send("moved", *"01234")
        with self.group("moved", "seeker", ["3", "4"]) as consumer:
            for message in consumer.batch_receive(5, timeout=5):
                message.ack()
        manager.seek_group("moved", "seeker", "offset:3")

    # ---- what later versions can do -----------------------------------------------------------------------------

    def priorities(self) -> None:
        self.make("lanes")
        self.send("lanes", "usual")
        self.send("lanes", "urgent", priority=9)
        self.send("lanes", "idle", priority=1)
        with self.group("lanes", "sorter", ["usual", "idle"]) as consumer:
            (urgent,) = consumer.batch_receive(1, timeout=5)
            assert urgent.data == b"urgent"
            urgent.ack()

    def transactions(self) -> None:
        self.make("source")
        self.make("left")
        self.make("right")
        self.send("source", "taken", "waiting")
        with self.group("source", "transformer", ["waiting"]) as consumer:
            (taken,) = consumer.batch_receive(1, timeout=5)
            with self.producer.transaction() as transaction:
                transaction.send(self.message("left", "both"))
                transaction.send(self.message("right", "both"))
                transaction.ack(taken)

    def prepared(self) -> None:
        self.make("prepared")
        check = oms.TransactionCheck(first=YEAR / 2, expire=YEAR)
        producer = self.access_point.create_producer(
            producer_id="fixture", transaction_state_check_listener=_never, transaction_check=check
        )
        producer.start()
        for body in ("committed", "dropped", "open"):
            prepared = producer.prepare(producer.create_message("prepared", body.encode()))
            if body == "committed":
                prepared.commit()
                self.queues["prepared"].append([None, body])
            if body == "dropped":
                prepared.rollback()

    def once(self) -> None:
        self.make("once", deduplication_window=YEAR)
        with self.access_point.create_producer(name="loader") as named:
            for number in range(3):
                named.send_once(self.message("once", f"line {number}"), sequence=number)
        self.producer.send_once(self.message("once", "by key"), key="order-1")

    def delays(self) -> None:
        self.make("later")
        self.send("later", "now")
        self.producer.send(self.producer.create_message("later", b"far", deliver_at=FAR_MS / 1000))
        self.producer.send(self.message("later", "soon", delay=0.001))
        self.groups["later reader"] = ["now", "soon"]

    def expiry(self) -> None:
        self.make("brief")
        self.send("brief", "stays")
        self.send("brief", "expires", ttl=0.001)
        self.groups["brief reader"] = ["stays"]

    def table(self) -> None:
        self.make("table", compact=True)
        for round_ in range(4):
            for key in "xyz":
                self.send("table", f"{key}{round_}", key=key)
        self.queues["table"] = [["x", "x3"], ["y", "y3"], ["z", "z3"]]

    def copies(self) -> None:
        self.make("copied")
        self.manager().copy_queue("plain", "copied", name="remembered")
        self.queues["copied"] = list(self.queues["plain"])

    def filters(self) -> None:
        self.make("sieved")
        for number in range(6):
            self.send("sieved", str(number), properties={"n": number})
        with self.group("sieved", "even", ["4"], filter="n IN (0, 2, 4)") as consumer:
            for message in consumer.batch_receive(2, timeout=5):
                message.ack()
        self.manager().filter("sieved", "n > 1")
        self.groups["sieved others"] = ["2", "3", "4", "5"]

    def schedules(self) -> None:
        self.make("chimes")
        self.manager().create_schedule("millennial", "chimes", b"ding", every=YEAR, start=FAR_MS / 1000)

    def routes(self) -> None:
        self.make("mirrored")
        self.make("mirror")
        manager = self.manager()
        manager.create_routing("looking-glass", "mirrored", ["mirror"], [f"deduplicate by key within {YEAR:.0f}s"])
        for key, body in (("a", "first"), ("b", "second"), ("a", "again")):
            self.send("mirrored", body, key=key)
        while manager.describe_routing("looking-glass").lag:
            time.sleep(0.01)
        self.queues["mirror"] = [["a", "first"], ["b", "second"]]

    def can(self, feature: str) -> bool:
        """Whether this version has a feature."""
        try:
            match feature:
                case "priorities":
                    self.producer.send(self.producer.create_message("try", b"", priority=9))
                case "delays":
                    self.producer.create_message("try", b"", delay=1.0)
                case "expiry":
                    self.producer.create_message("try", b"", ttl=1.0)
                case "transactions":
                    return hasattr(self.producer, "transaction")
                case "prepared":
                    return hasattr(oms, "TransactionCheck")
                case "once":
                    return hasattr(self.producer, "send_once")
                case "table":
                    self.manager().create_queue("try-table", compact=True)
                case "copies":
                    return hasattr(self.manager(), "copy_queue")
                case "filters":
                    self.manager().create_queue("try-filter", filter="n > 1")
                case "schedules":
                    return hasattr(self.manager(), "create_schedule")
                case "routes":
                    return hasattr(self.manager(), "create_routing")
        except Exception:
            return False
        return True


FEATURES = ("priorities", "transactions", "prepared", "once", "delays", "expiry", "table", "copies", "filters")
FEATURES += ("schedules", "routes")


def _never(*_: object) -> None:
    """The state check listener: says nothing."""


def compact(path: str) -> None:
    """Upkeep as it comes by itself in time, for a table this small: older messages of a key go."""
    store = open_store(path, StoreOptions(**OPTIONS), upkeep=False)
    store.maintenance.compactor.min_dirty = 1
    for _ in range(8):
        store.maintenance.work(full_round=True)
    store.close()


def main() -> None:
    writer = Writer(sys.argv[1])
    with writer.open(close=True):
        writer.features = [feature for feature in FEATURES if writer.can(feature)]
        writer.plain()
        for feature in writer.features:
            getattr(writer, feature)()
    if "table" in writer.features:
        compact(writer.path)
    with writer.open(close=False):
        writer.taken()
        writer.keyed()
        writer.rest()
        writer.send("plain", "after the snapshot")
        writer.groups["plain newcomer"] = [body for _, body in writer.queues["plain"]]
        if "table" in writer.features:
            writer.send("table", "w0", key="w")
        if "prepared" in writer.features:
            with writer.producer.transaction() as transaction:
                transaction.send(writer.message("left", "after the snapshot"))
    expected = {
        "written_ms": int(time.time() * 1000),
        "features": writer.features,
        "queues": {name: sorted(map(list, found), key=str) for name, found in writer.queues.items()},
        "groups": {name: sorted(bodies) for name, bodies in writer.groups.items()},
        "redelivered": {name: sorted(bodies) for name, bodies in writer.redelivered.items()},
    }
    with open(os.path.join(sys.argv[1], "expected.json"), "w") as file:
        json.dump(expected, file, indent=1)
    os._exit(0)  # as a process that is killed: nothing is given back, nothing closed


if __name__ == "__main__":
    main()
