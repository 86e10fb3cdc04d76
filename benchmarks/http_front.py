"""HTTP: what a server of one core does, by a client of another, in one run.

    python -m benchmarks.http_front [--seconds 3] [--only NAME,…] [--folder DIR] [--json FILE]

The server is `oms serve` on a store on disk, with a sync before each acknowledgement. The client is this process: it
writes requests made beforehand and looks at no more of an answer than where it ends, so that the figures are the
server's. Where the system allows it, server and client are held to a core each; what the server used of its core is
beside each figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.common import folder
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.server.http.sends import BATCH, RECORDS

BODY = os.urandom(50).hex()
MANY = 1000
PLAIN, JSON, MSGPACK = "application/octet-stream", "application/json", "application/msgpack"


def request(path: str, kind: str, body: bytes, accept: str = JSON) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\naccept: {accept}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Sender(asyncio.Protocol):
    """One connection: the next request goes when the answer is there."""

    done = 0
    bytes_in = 0

    def __init__(self, data: bytes) -> None:
        self._request = data
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        at = received.find(b"content-length: ", 0, end) + 16
        if len(received) < end + 4 + int(received[at : received.find(b"\r", at)]):
            return
        if not received.startswith(b"HTTP/1.1 200"):
            sys.exit(received[:500].decode())
        Sender.bytes_in += len(received)
        self._received = b""
        Sender.done += 1
        self._transport.write(self._request)


async def rate(port: int, data: bytes, connections: int, seconds: float) -> float:
    """Requests per second."""
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(lambda: Sender(data), "127.0.0.1", port))[0] for _ in range(connections)]
    await asyncio.sleep(0.5)
    before, start = Sender.done, time.perf_counter()
    await asyncio.sleep(seconds)
    found = (Sender.done - before) / (time.perf_counter() - start)
    for transport in opened:
        transport.abort()
    return found


@contextlib.contextmanager
def server(base: str | None) -> Iterator[tuple[int, int]]:
    """Port and process id of a server, held to the last core."""
    with folder(base) as path:
        command = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(Path(path) / "store")]
        command += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["http"]
            cores = os.cpu_count() or 1
            if cores > 1 and hasattr(os, "sched_setaffinity"):
                for thread in os.listdir(f"/proc/{process.pid}/task"):
                    os.sched_setaffinity(int(thread), {cores - 1})
                os.sched_setaffinity(0, set(range(cores - 1)))
            yield int(url.rpartition(":")[2]), process.pid
        finally:
            process.terminate()
            process.wait(20)


def cpu_seconds(process: int) -> float:
    """What a process has used; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def scenarios() -> dict[str, tuple[bytes, int, int]]:
    """By name, a request, the connections, and the messages in one request."""
    path = "/v1/queues/{}/messages"
    single = request(path.format("one"), PLAIN, BODY.encode())
    documents = {"messages": [{"text": BODY}] * MANY}
    records = [Record(BODY.encode())] * MANY
    batch = encode(records, shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=0)
    return {
        "one sender": (single, 1, 1),
        "32 senders": (single, 32, 1),
        "128 senders": (single, 128, 1),
        "32 senders, JSON document": (request(path.format("doc"), JSON, msgspec.json.encode({"text": BODY})), 32, 1),
        "lists, JSON": (request(path.format("json"), JSON, msgspec.json.encode(documents)), 2, MANY),
        "lists, MessagePack": (
            request(path.format("pack"), MSGPACK, msgspec.msgpack.encode(documents), MSGPACK), 2, MANY,
        ),
        "records": (request(path.format("records"), RECORDS, msgspec.msgpack.encode(records)), 2, MANY),
        "stored batches": (request(path.format("batch"), BATCH, batch.head + batch.payload), 2, MANY),
        "receive, JSON": (
            request("/v1/queues/pack/groups/g/receive", JSON, b'{"maxMessages":1000,"maxBytes":8388608}'), 1, MANY,
        ),
        "receive, MessagePack": (
            request("/v1/queues/pack/groups/h/receive", JSON, b'{"maxMessages":1000,"maxBytes":8388608}', MSGPACK),
            1, MANY,
        ),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--only", default="")
    options.add_argument("--folder")
    options.add_argument("--json")
    given = options.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    found: dict[str, dict[str, float]] = {}
    with server(given.folder) as (port, process):
        for name, (data, connections, messages) in scenarios().items():
            if wanted and name not in wanted:
                continue
            before, start = cpu_seconds(process), time.perf_counter()
            requests = asyncio.run(rate(port, data, connections, given.seconds))
            share = (cpu_seconds(process) - before) / (time.perf_counter() - start)
            found[name] = {"messages": requests * messages, "cpu": share}
            print(f"{name:<28} {requests * messages:>12,.0f} messages/s   {share:>4.0%} of a core", flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
