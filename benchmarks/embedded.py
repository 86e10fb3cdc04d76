"""The embedded store beside what the machine can do and what else one would use, in one run.

    python benchmarks/embedded.py [--peers DIR] [--times 5] [--only NAME,…] [--json FILE] [--folder DIR]

Rows are interleaved: in each round the store and what it is compared with run one after the other, so that a slow
moment of the machine hits both. `--peers` names a directory with `trial.py` and `peer_embedded.py`, scripts that
measure a bare Python broker and other embedded queues; without it only the bare loops are compared. Durability is in
each row's name: "synced" = a sync before each acknowledgement, "interval" = synced once a second.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import openmessaging as oms
from benchmarks.common import SECONDS, bare_sync_loop, bare_write_bandwidth, closed_loop, folder, run
from openmessaging import blocking

KB = os.urandom(1024)
SMALL = os.urandom(100)


def url(path: str) -> str:
    return f"oms:embedded://{path}"


def one_blocking(base: str | None) -> float:
    with folder(base) as path, blocking.connect(url(path)) as access_point, access_point.create_producer() as producer:
        return closed_loop(lambda: producer.send(producer.create_message("queue", KB)))


def threads_64(base: str | None, senders: int = 64) -> float:
    with folder(base) as path, blocking.connect(url(path)) as access_point, access_point.create_producer() as producer:
        counts = [0] * senders
        stop = threading.Event()
        go = threading.Barrier(senders + 1)

        def send(number: int) -> None:
            go.wait()
            while not stop.is_set():
                producer.send(producer.create_message("queue", SMALL))
                counts[number] += 1

        threads = [threading.Thread(target=send, args=(number,)) for number in range(senders)]
        for thread in threads:
            thread.start()
        go.wait()
        start, before = time.perf_counter(), sum(counts)
        time.sleep(SECONDS)
        rate = (sum(counts) - before) / (time.perf_counter() - start)
        stop.set()
        for thread in threads:
            thread.join()
        return rate


async def _asyncio_senders(base: str | None, senders: int, body: bytes) -> float:
    with folder(base) as path:
        async with oms.connect(url(path)) as access_point, access_point.create_producer() as producer:
            await producer.send(producer.create_message("queue", body))
            count = 0
            clock = time.perf_counter
            end = clock() + SECONDS

            async def sender() -> None:
                nonlocal count
                while clock() < end:
                    await producer.send(producer.create_message("queue", body))
                    count += 1

            start = clock()
            await asyncio.gather(*(sender() for _ in range(senders)))
            return count / (clock() - start)


def asyncio_1(base: str | None) -> float:
    return run(_asyncio_senders(base, 1, KB))


def asyncio_64(base: str | None) -> float:
    return run(_asyncio_senders(base, 64, SMALL))


def batches(base: str | None, flush: str, body: bytes, total: int, size: int = 500) -> float:
    """Messages per second, their creation included."""
    with (
        folder(base) as path,
        blocking.connect(url(path), {"flush": flush}) as access_point,
        access_point.create_producer() as producer,
    ):
        create = producer.create_message
        producer.send([create("queue", body) for _ in range(size)])
        start = time.perf_counter()
        for _ in range(total // size):
            producer.send([create("queue", body) for _ in range(size)])
        return total / (time.perf_counter() - start)


def receive_batches(base: str | None, total: int = 500_000, size: int = 500) -> float:
    with (
        folder(base) as path,
        blocking.connect(url(path), {"flush": "interval"}) as access_point,
        access_point.create_producer() as producer,
    ):
        for _ in range(total // size):
            producer.send([producer.create_message("queue", SMALL) for _ in range(size)])
        with access_point.create_pull_consumer("queue", group="group", prefetch=size) as consumer:
            received, start = 0, time.perf_counter()
            while received < total:
                messages = consumer.batch_receive(size, timeout=1)
                consumer.ack(messages)
                received += len(messages)
            return received / (time.perf_counter() - start)


def receive_single(base: str | None, total: int = 200_000) -> float:
    with (
        folder(base) as path,
        blocking.connect(url(path), {"flush": "interval"}) as access_point,
        access_point.create_producer() as producer,
    ):
        for _ in range(total // 500):
            producer.send([producer.create_message("queue", SMALL) for _ in range(500)])
        with access_point.create_pull_consumer("queue", group="group") as consumer:
            start = time.perf_counter()
            for _ in range(total):
                consumer.receive(timeout=1).ack()
            return total / (time.perf_counter() - start)


def receive_single_asyncio(base: str | None, total: int = 200_000) -> float:
    async def work(path: str) -> float:
        async with (
            oms.connect(url(path), {"flush": "interval"}) as access_point,
            access_point.create_producer() as producer,
        ):
            for _ in range(total // 500):
                await producer.send([producer.create_message("queue", SMALL) for _ in range(500)])
            async with access_point.create_pull_consumer("queue", group="group") as consumer:
                start = time.perf_counter()
                for _ in range(total):
                    message = await consumer.receive(timeout=1)
                    await message.ack()
                return total / (time.perf_counter() - start)

    with folder(base) as path:
        return run(work(path))


class Peers:
    """The peers' scripts, when their directory is given."""

    def __init__(self, directory: str) -> None:
        sys.path.insert(0, directory)
        self.trial = importlib.import_module("trial")
        self.embedded = importlib.import_module("peer_embedded")

    def trial_embedded(self, base: str | None, senders: int, total: int, body: bytes) -> float:
        """W1 or W2 of the bare broker in process."""
        trial = self.trial
        rates: list[float] = []

        async def measure(send: Any, count: int, _total: int, data: bytes) -> float:
            if count == senders:
                rates.append(await original(send, senders, total, data))
                return rates[-1]
            return 0.0

        original, trial.send_single = trial.send_single, measure
        try:
            with folder(base) as path, open(os.devnull, "w") as sink:
                stdout, sys.stdout = sys.stdout, sink
                try:
                    run(trial.embedded(path, body))
                finally:
                    sys.stdout = stdout
        finally:
            trial.send_single = original
        return rates[0]

    def queue(self, opener: str, size: int, together: int = 1) -> float:
        """Durable puts per second of an embedded queue library."""
        return float(self.embedded.send_durable(getattr(self.embedded, opener), size, together)["msgs_per_s"])


Work = Callable[[], float]


def rows(base: str | None, peers: Peers | None) -> dict[str, dict[str, Work]]:
    """Per row: what is measured, ours first."""
    table: dict[str, dict[str, Work]] = {
        "one blocking sender, 1 KB, synced": {
            "openmessaging": lambda: one_blocking(base),
            "bare pwrite+fdatasync": lambda: bare_sync_loop(base, 1024),
        },
        "one asyncio sender, 1 KB, synced": {
            "openmessaging": lambda: asyncio_1(base),
            "bare pwrite+fdatasync": lambda: bare_sync_loop(base, 1024),
        },
        "64 asyncio senders, 100 B, synced": {"openmessaging": lambda: asyncio_64(base)},
        "64 threads, 100 B, synced": {"openmessaging": lambda: threads_64(base)},
        "batches of 500 x 100 B, interval": {
            "openmessaging": lambda: batches(base, "interval", SMALL, 1_000_000),
        },
        "batches of 500 x 100 B, synced": {"openmessaging": lambda: batches(base, "always", SMALL, 500_000)},
        "batches of 500 x 1 KB, interval, bytes": {
            "openmessaging": lambda: batches(base, "interval", KB, 500_000) * 1024,
            "bare sequential write": lambda: bare_write_bandwidth(base),
        },
        "receive and ack, batches of 500 x 100 B": {"openmessaging": lambda: receive_batches(base)},
        "receive and ack, one at a time": {"openmessaging": lambda: receive_single(base)},
        "receive and ack, one at a time, asyncio": {"openmessaging": lambda: receive_single_asyncio(base)},
    }
    if peers is not None:
        one = table["one blocking sender, 1 KB, synced"]
        one["litequeue (SQLite WAL FULL)"] = lambda: peers.queue("open_litequeue", 1024)
        one["persist-queue (SQLite WAL FULL)"] = lambda: peers.queue("open_persist_sqlite", 1024)
        one["SQLite by hand (WAL FULL)"] = lambda: peers.queue("open_table", 1024)
        table["one asyncio sender, 1 KB, synced"]["trial"] = lambda: peers.trial_embedded(base, 1, 6000, KB)
        table["64 asyncio senders, 100 B, synced"]["trial"] = lambda: peers.trial_embedded(base, 64, 128_000, SMALL)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="DIR")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", help="rows whose names contain one of these, comma-separated")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--folder", metavar="DIR", help="where stores are made; on the disk to be measured")
    options = parser.parse_args()
    table = rows(options.folder, Peers(options.peers) if options.peers else None)
    if options.only:
        table = {name: works for name, works in table.items() if any(part in name for part in options.only.split(","))}
    results: dict[str, dict[str, list[float]]] = {}
    for name, works in table.items():
        runs: dict[str, list[float]] = {who: [] for who in works}
        for _ in range(options.times):
            for who, work in works.items():
                runs[who].append(work())
        results[name] = runs
        ours = statistics.median(runs["openmessaging"])
        print(f"{name}")
        for who, values in runs.items():
            middle = statistics.median(values)
            print(
                f"  {who:34} {middle:>15,.0f}/s  ({min(values):,.0f} to {max(values):,.0f})"
                + (f"  ours is {ours / middle:.2f} of it" if who != "openmessaging" else ""),
                flush=True,
            )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
