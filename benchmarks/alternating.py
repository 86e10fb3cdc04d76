"""One durable sender beside a bare `pwrite`+`fdatasync` loop and other queues, in slices of a tenth of a second.

    python -m benchmarks.alternating [--peers DIR] [--rounds 40] [--json FILE] [--folder DIR]

A disk that others use too changes its speed from one second to the next. So all contenders are open at once and take
turns in short slices; the ratio is taken within each round, and its median over all rounds is printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import openmessaging as oms
from benchmarks.common import bare_sync, folder, run
from openmessaging import blocking

SLICE = 0.1
BODY = os.urandom(1024)
Step = Callable[[], object]


@contextmanager
def ours(base: str | None) -> Iterator[Step]:
    """`producer.send` of one message, the message's creation included."""
    with (
        folder(base) as path,
        blocking.connect(f"oms:embedded://{path}") as access_point,
        access_point.create_producer() as producer,
    ):
        yield lambda: producer.send(producer.create_message("queue", BODY))


@contextmanager
def peer(directory: str, opener: str) -> Iterator[Step]:
    """A put of a peer's queue, with its strongest durability."""
    sys.path.insert(0, directory)
    embedded = importlib.import_module("peer_embedded")
    with folder(None) as path:
        queue = getattr(embedded, opener)(path, True)
        yield lambda: queue.put(BODY)
        queue.close()


def slice_of(step: Step) -> float:
    """Calls per second over one slice."""
    clock = time.perf_counter
    count, start = 0, clock()
    end = start + SLICE
    while clock() < end:
        step()
        count += 1
    return count / (clock() - start)


async def asyncio_slices(base: str | None, rounds: int, other: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Slices of one asyncio sender, each followed by one of another contender."""
    mine: list[float] = []
    others: list[float] = []
    clock = time.perf_counter
    with folder(base) as path:
        async with oms.connect(f"oms:embedded://{path}") as access_point, access_point.create_producer() as producer:
            for _ in range(rounds):
                count, start = 0, clock()
                end = start + SLICE
                while clock() < end:
                    await producer.send(producer.create_message("queue", BODY))
                    count += 1
                mine.append(count / (clock() - start))
                others.append(other())
    return mine, others


def report(title: str, runs: dict[str, list[float]]) -> None:
    """A line per contender: its median, and how ours compares within the rounds."""
    print(title)
    first = next(iter(runs))
    for name, rates in runs.items():
        line = f"  {name:34} {statistics.median(rates):>10,.0f}/s"
        if name != first:
            ratios = sorted(a / b for a, b in zip(runs[first], rates, strict=True))
            low, high = ratios[len(ratios) // 4], ratios[len(ratios) * 3 // 4]
            line += f"   ours is {statistics.median(ratios):.2f} of it (half of the rounds {low:.2f} to {high:.2f})"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--folder", metavar="DIR")
    options = parser.parse_args()
    with ExitStack() as stack:
        steps = {
            "openmessaging": stack.enter_context(ours(options.folder)),
            "bare pwrite+fdatasync": stack.enter_context(bare_sync(options.folder, len(BODY))),
        }
        if options.peers:
            steps["litequeue"] = stack.enter_context(peer(options.peers, "open_litequeue"))
            steps["persist-queue on SQLite"] = stack.enter_context(peer(options.peers, "open_persist_sqlite"))
        runs: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(options.rounds + 2):
            for name, step in steps.items():
                rate = slice_of(step)
                if number >= 2:  # the first rounds warm up
                    runs[name].append(rate)
        report("one blocking sender, 1 KB, a sync before each acknowledgement", runs)
        mine, others = run(
            asyncio_slices(options.folder, options.rounds, lambda: slice_of(steps["bare pwrite+fdatasync"]))
        )
        loop_runs = {"openmessaging, asyncio": mine, "bare pwrite+fdatasync": others}
        report("one asyncio sender, 1 KB, a sync before each acknowledgement", loop_runs)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"blocking": runs, "asyncio": loop_runs}, file, indent=1)


if __name__ == "__main__":
    main()
