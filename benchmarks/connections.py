"""Many connections, and clients that behave badly: what they cost the others.

    python -m benchmarks.connections [--idle 1000] [--busy 200] [--rate 1000] [--seconds 5] [--json FILE]

`--rate` sends a second are spread over the busy connections, each timed from when it was meant to go until it was
acknowledged (synced first: `flush=always`). They are measured with one connection, then with all of them beside the
idle ones, then while others beside them do what they should not. A row's `p99` is to be compared with that of the first
row, `longest` of the bad clients with that of the row before; `rss_mb` is the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

import openmessaging as oms
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.wire import MAGIC, VERSION, Fetch, FrameReader, Hello, Kind, encode_frame

QUEUE = "busy"
HELLO = encode_frame(Kind.HELLO, 1, Hello(MAGIC, [VERSION], "bench", "bad").encoded())


async def connected(url: str, count: int) -> list[oms.AccessPoint]:
    """So many connections."""
    found = [oms.connect(url) for _ in range(count)]
    for start in range(0, count, 50):
        await asyncio.gather(*(each.startup() for each in found[start : start + 50]))
    return found


async def idle(url: str, count: int) -> None:
    """Hold connections until this process is ended."""
    held = await connected(url, count)
    print(len(held), flush=True)
    await asyncio.Event().wait()


async def sent(producers: list[oms.Producer], rate: int, seconds: float) -> list[float]:
    """How long each send took from when it was due, ms, ascending."""
    taken: list[float] = []
    clock = time.perf_counter
    start = clock()

    async def send(number: int) -> None:
        producer = producers[number % len(producers)]
        await producer.send(producer.create_message(QUEUE, bytes(100)))
        taken.append((clock() - start - number / rate) * 1000)

    tasks = []
    for number in range(int(rate * seconds)):
        if (wait := start + number / rate - clock()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(send(number)))
    await asyncio.gather(*tasks)
    return sorted(taken)


def rss_mb(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


# ---- bad clients -----------------------------------------------------------------------------------------------------


def raw(port: int, data: bytes) -> socket.socket:
    """A socket that has sent this, and is not read."""
    opened = socket.create_connection(("127.0.0.1", port))
    with contextlib.suppress(OSError):
        opened.sendall(data)
    return opened


def never_reads(port: int, number: int) -> socket.socket:
    """It asks for all there is, each client in a group of its own, and reads none of it."""
    spec = SubscriptionSpec(f"default://{QUEUE}", f"never-reads-{number}", GroupConfig())
    subscribe = encode_frame(Kind.CALL, 2, msgspec.msgpack.encode(("subscribe", (spec,))))
    opened = raw(port, HELLO + subscribe)
    reader, frames = FrameReader(1 << 20), 0
    while frames < 2:  # WELCOME and the subscription
        frames += len(list(reader.feed(opened.recv(1 << 16))))
    opened.sendall(
        b"".join(encode_frame(Kind.FETCH, at, Fetch(1, 10_000, 8 << 20, 0).encoded()) for at in range(3, 200))
    )
    return opened


def garbage(port: int, number: int) -> socket.socket:
    """It says HELLO and then anything."""
    return raw(port, HELLO + bytes((number + at * 7) % 256 for at in range(10_000)))


def half_a_frame(port: int, _: int) -> socket.socket:
    """It begins a frame of a megabyte and stops in its middle."""
    return raw(port, HELLO + encode_frame(Kind.CALL, 2, bytes(1 << 20))[: 1 << 19])


def forged_length(port: int, _: int) -> socket.socket:
    """It claims a frame of four gigabytes."""
    return raw(port, HELLO + b"\xff\xff\xff\xff" + bytes(1000))


BAD: dict[str, Callable[[int, int], socket.socket]] = {
    "20 that never read": never_reads,
    "20 that send garbage": garbage,
    "20 with half a frame": half_a_frame,
    "20 with a forged length": forged_length,
}


async def misbehaved(port: int, bad: Callable[[int, int], socket.socket], work: Awaitable[Any]) -> Any:
    """Do the work while 20 clients do something bad, one of them each tenth of a second."""
    sockets: list[socket.socket] = []

    async def one_after_the_other() -> None:
        for number in range(20):
            sockets.append(await asyncio.to_thread(bad, port, number))
            await asyncio.sleep(0.1)

    meddling = asyncio.create_task(one_after_the_other())
    try:
        return await work
    finally:
        await meddling
        for each in sockets:
            each.close()


async def measure(options: argparse.Namespace, url: str, pid: int) -> list[dict[str, Any]]:
    """All rows."""
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    rows: list[dict[str, Any]] = []

    def row(name: str, taken: list[float]) -> None:
        ranks = {"p50": 0.5, "p99": 0.99, "longest": 1.0}
        rows.append(
            {"what": name, **{key: round(taken[int(rank * (len(taken) - 1))], 3) for key, rank in ranks.items()}}
        )
        rows[-1]["rss_mb"] = round(rss_mb(pid), 1)

    async with contextlib.AsyncExitStack() as stack:
        access_points = await connected(url, options.busy)
        for each in access_points:
            stack.push_async_callback(each.shutdown)
        producers = [await stack.enter_async_context(each.create_producer()) for each in access_points]
        await sent(producers[:1], options.rate, 1)
        row("1 connection", await sent(producers[:1], options.rate, options.seconds))
        command = (sys.executable, "-m", "benchmarks.connections", "--hold", url, "--idle", str(options.idle))
        holding = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert holding.stdout is not None
            await holding.stdout.readline()
            await sent(producers, options.rate, 1)
            row(f"{options.busy} busy, {options.idle} idle", await sent(producers, options.rate, options.seconds))
            for name, bad in BAD.items():
                row(f"beside {name}", await misbehaved(port, bad, sent(producers, options.rate, options.seconds)))
        finally:
            holding.terminate()
            await holding.wait()
    return rows


def main(options: argparse.Namespace) -> None:
    """Serve, measure, show."""
    with tempfile.TemporaryDirectory(prefix="oms-bench-") as folder:
        command = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", folder, "--listen", "0", "--json"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            rows = asyncio.run(measure(options, url, server.pid))
        finally:
            server.terminate()
            server.wait()
    table = Table(*rows[0], title=f"{options.rate} sends a second, synced; ms")
    for each in rows:
        table.add_row(*map(str, each.values()))
    Console().print(table)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=200)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json")
    parser.add_argument("--hold", metavar="URL", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.hold:
        asyncio.run(idle(parsed.hold, parsed.idle))
    else:
        main(parsed)
