"""Round trips of a request to a service in the same process, beside the barest ping-pong, in one run.

    python -m benchmarks.rpc [--seconds 1.5] [--times 3] [--flush interval] [--loop asyncio|uvloop] [--folder DIR]

One requester, one request at a time; the bare rows are two tasks and two `asyncio.Queue`, two threads and two
`queue.SimpleQueue`. Rows are interleaved, medians are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import statistics
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import openmessaging as oms
from benchmarks.common import folder, run
from openmessaging import blocking

BODY = b"x" * 100
Figures = tuple[float, float, float]
"""Round trips a second; median and 99th percentile of one, in µs."""


def figures(times: list[float]) -> Figures:
    times.sort()
    return len(times) / sum(times), times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6


async def _repeat(step: Callable[[], Coroutine[Any, Any, object]], seconds: float) -> Figures:
    clock, times = time.perf_counter, []
    for _ in range(200):
        await step()
    end = clock() + seconds
    while (start := clock()) < end:
        await step()
        times.append(clock() - start)
    return figures(times)


def _repeat_blocking(step: Callable[[], object], seconds: float) -> Figures:
    clock, times = time.perf_counter, []
    for _ in range(200):
        step()
    end = clock() + seconds
    while (start := clock()) < end:
        step()
        times.append(clock() - start)
    return figures(times)


async def bare(seconds: float) -> Figures:
    there: asyncio.Queue[bytes] = asyncio.Queue()
    back: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve() -> None:
        while True:
            back.put_nowait(await there.get())

    async def step() -> None:
        there.put_nowait(BODY)
        await back.get()

    serving = asyncio.create_task(serve())
    try:
        return await _repeat(step, seconds)
    finally:
        serving.cancel()


async def embedded(base: str | None, flush: str, seconds: float) -> Figures:
    async def echo(request: oms.Request) -> bytes:
        return request.data

    with folder(base) as path:
        async with (
            oms.connect(f"oms:embedded://{path}", {"flush": flush}) as access_point,
            access_point.create_service("echo", echo),
            access_point.create_producer() as producer,
        ):
            return await _repeat(lambda: producer.request(producer.create_message("echo", BODY)), seconds)


def bare_blocking(seconds: float) -> Figures:
    there: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    back: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def serve() -> None:
        while (body := there.get()) is not None:
            back.put(body)

    def step() -> None:
        there.put(BODY)
        back.get()

    threading.Thread(target=serve, daemon=True).start()
    try:
        return _repeat_blocking(step, seconds)
    finally:
        there.put(None)


def embedded_blocking(base: str | None, flush: str, seconds: float) -> Figures:
    with (
        folder(base) as path,
        blocking.connect(f"oms:embedded://{path}", {"flush": flush}) as access_point,
        access_point.create_service("echo", lambda request: request.data, concurrency=1),
        access_point.create_producer() as producer,
    ):
        return _repeat_blocking(lambda: producer.request(producer.create_message("echo", BODY)), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--flush", default="interval", choices=["always", "interval", "never"])
    parser.add_argument("--loop", default="asyncio", choices=["asyncio", "uvloop"])
    parser.add_argument("--folder")
    asked = parser.parse_args()
    loop = run if asked.loop == "uvloop" else asyncio.run
    rows: dict[str, Callable[[], Figures]] = {
        "two asyncio queues": lambda: loop(bare(asked.seconds)),
        "request, asyncio": lambda: loop(embedded(asked.folder, asked.flush, asked.seconds)),
        "two thread queues": lambda: bare_blocking(asked.seconds),
        "request, blocking": lambda: embedded_blocking(asked.folder, asked.flush, asked.seconds),
    }
    found: dict[str, list[Figures]] = {name: [] for name in rows}
    for _ in range(asked.times):
        for name, row in rows.items():
            found[name].append(row())
    print(f"flush={asked.flush}, {asked.loop}, bodies of {len(BODY)} bytes")
    print(f"{'':20}{'round trips/s':>15}{'median µs':>12}{'p99 µs':>12}{'ratio':>8}")
    base = 0.0
    for name, each in found.items():
        rate, median, p99 = (statistics.median(column) for column in zip(*each, strict=True))
        base = rate if name.startswith("two") else base
        print(f"{name:20}{rate:15,.0f}{median:12,.1f}{p99:12,.1f}{base / rate:8.1f}")


if __name__ == "__main__":
    main()
