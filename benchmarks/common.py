"""What the benchmarks share: repetition, medians, and the bare loops that show what the machine can do."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
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


@contextmanager
def bare_sync(base: str | None, size: int) -> Iterator[Callable[[], object]]:
    """One pwrite + fdatasync on a preallocated, zeroed file, as a step to repeat."""
    span, at, body = 64 << 20, 0, os.urandom(size)
    with folder(base) as path:
        handle = os.open(f"{path}/bare", os.O_CREAT | os.O_RDWR)
        for start in range(0, span, 1 << 20):
            os.pwrite(handle, bytes(1 << 20), start)
        os.fsync(handle)

        def step() -> None:
            nonlocal at
            os.pwrite(handle, body, at)
            os.fdatasync(handle)
            at = (at + size) % (span - size)

        try:
            yield step
        finally:
            os.close(handle)


def bare_sync_loop(base: str | None, size: int) -> float:
    """pwrite + fdatasync per second: the machine's limit for one durable sender."""
    with bare_sync(base, size) as step:
        return closed_loop(step)


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)
    return uvloop.run(coroutine)


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
