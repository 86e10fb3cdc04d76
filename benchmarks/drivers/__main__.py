"""What a driver costs: `python -m benchmarks.drivers redis [MESSAGES]` starts the system and prints, for its bare
client and for this library in turns on the same server, messages a second sent and consumed, and how long one send
takes."""

from __future__ import annotations

import asyncio
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.drivers.adapter import Adapter, Ours

ROUNDS = 3
SINGLE = 300
BODY = b"x" * 256


async def measure(make: Callable[[], Adapter], queue: str, messages: int) -> dict[str, float]:
    """One round on a queue of its own: messages a second, and ms."""
    adapter = make()
    await adapter.open(queue)
    found: dict[str, float] = {}
    begin = time.perf_counter()
    await adapter.produce([BODY] * messages)
    found["produce /s"] = messages / (time.perf_counter() - begin)
    begin = time.perf_counter()
    await adapter.consume(messages)
    found["consume /s"] = messages / (time.perf_counter() - begin)
    took = []
    for _ in range(SINGLE):
        begin = time.perf_counter()
        await adapter.send(BODY)
        took.append((time.perf_counter() - begin) * 1000)
    quantiles = statistics.quantiles(took, n=100)
    found["send p50 ms"], found["send p99 ms"] = quantiles[49], quantiles[98]
    await adapter.close()
    return found


async def run(module: Any, messages: int) -> None:
    with module.SERVER() as server:
        ways: dict[str, Callable[[], Adapter]] = {"bare": lambda: module.bare(server), "ours": lambda: Ours(server)}
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, make in ways.items():
                found = await measure(make, f"bench-{name}-{number}", messages)
                if number:  # the first one warms up
                    rounds[name].append(found)
    print(f"{'':12} {'bare':>12} {'ours':>12} {'ratio':>7}")
    for fact in rounds["bare"][0]:
        bare, ours = (statistics.median(each[fact] for each in rounds[name]) for name in ("bare", "ours"))
        print(f"{fact:12} {bare:12,.2f} {ours:12,.2f} {ours / bare:7.2f}")


if __name__ == "__main__":
    chosen = importlib.import_module(f"benchmarks.drivers.{sys.argv[1]}")
    asyncio.run(run(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else 10_000))
