"""What the benchmarks share: repetition, medians, and the bare loops that show what the machine can do."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 1.5
"""How long a closed loop runs."""


@contextmanager
def folder(base: str | None) -> Iterator[str]:
    """A fresh directory, removed at the end."""
    with tempfile.TemporaryDirectory(dir=base, prefix="oms-bench-") as path:
        yield path


def closed_loop(work: Callable[[], object], seconds: float = SECONDS) -> float:
    """Calls per second of one caller."""
    clock = time.perf_counter
    for _ in range(20):
        work()
    count, start = 0, clock()
    end = start + seconds
    while clock() < end:
        for _ in range(16):
            work()
        count += 16
    return count / (clock() - start)


def bare_sync_loop(base: str | None, size: int) -> float:
    """pwrite + fdatasync per second on a preallocated, zeroed file: the machine's limit for one durable sender."""
    with folder(base) as path:
        handle = os.open(f"{path}/bare", os.O_CREAT | os.O_RDWR)
        span = 64 << 20
        for at in range(0, span, 1 << 20):
            os.pwrite(handle, bytes(1 << 20), at)
        os.fsync(handle)
        body, at = os.urandom(size), 0

        def work() -> None:
            nonlocal at
            os.pwrite(handle, body, at)
            os.fdatasync(handle)
            at = (at + size) % (span - size)

        try:
            return closed_loop(work)
        finally:
            os.close(handle)


def bare_write_bandwidth(base: str | None, total: int = 1 << 30) -> float:
    """Bytes per second of a sequential write of `total` bytes in 1 MiB pieces, one sync at the end."""
    with folder(base) as path:
        handle = os.open(f"{path}/bare", os.O_CREAT | os.O_RDWR)
        block = os.urandom(1 << 20)
        start = time.perf_counter()
        for at in range(0, total, 1 << 20):
            os.pwrite(handle, block, at)
        os.fsync(handle)
        took = time.perf_counter() - start
        os.close(handle)
        return total / took


def median(work: Callable[[], float], times: int) -> tuple[float, list[float]]:
    """The median of several runs, and all of them."""
    runs = [work() for _ in range(times)]
    return statistics.median(runs), runs
