"""A backlog of many small messages: memory, receive rate, and how long the store takes to open again.

    python benchmarks/backlog.py [--messages 10000000] [--batch 500] [--folder DIR] [--json]

Prints the growth of the process's memory while the backlog is sent, the rate of receiving the first messages before and
after, and the time to open after a clean stop and after SIGKILL. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from benchmarks.common import folder
from openmessaging import blocking

BODY = os.urandom(100)


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def send(access_point: blocking.AccessPoint, total: int, batch: int) -> float:
    with access_point.create_producer() as producer:
        create = producer.create_message
        start = time.perf_counter()
        for _ in range(total // batch):
            producer.send([create("queue", BODY) for _ in range(batch)])
        return total / (time.perf_counter() - start)


def receive(access_point: blocking.AccessPoint, total: int) -> float:
    with access_point.create_pull_consumer("queue", group="group", prefetch=500) as consumer:
        got, start = 0, time.perf_counter()
        while got < total:
            messages = consumer.batch_receive(500, timeout=5)
            consumer.ack(messages)
            got += len(messages)
        return got / (time.perf_counter() - start)


def opening(url: str) -> float:
    """Seconds to connect and ask for the queue, in a process of its own (imports not counted)."""
    code = (
        "import sys, time; from openmessaging import blocking; import openmessaging.drivers.embedded\n"
        "start = time.perf_counter()\n"
        "with blocking.connect(sys.argv[1]) as access_point:\n"
        "    access_point.resource_manager().list_queues()\n"
        "    print(time.perf_counter() - start)\n"
    )
    return float(subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True).stdout)


def kill_a_holder(url: str) -> None:
    """Open the store in a process, send a little, and kill it."""
    code = (
        "import sys; from openmessaging import blocking\n"
        "access_point = blocking.connect(sys.argv[1])\n"
        "producer = access_point.create_producer(); producer.start()\n"
        "for _ in range(20000): producer.send(producer.create_message('other', b'x' * 100))\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with folder(options.folder) as path:
        url = f"oms:embedded://{path}"
        with blocking.connect(url, {"flush": "interval"}) as access_point:
            send(access_point, 200_000, options.batch)
            quiet = receive(access_point, 200_000)
            before = resident_mb()
            rate = send(access_point, options.messages, options.batch)
            full = resident_mb()
            loaded = receive(access_point, 200_000)
            after = resident_mb()
        result = {
            "messages": options.messages,
            "batch": options.batch,
            "send_per_s": rate,
            "memory_before_mb": before,
            "memory_full_mb": full,
            "memory_after_receiving_mb": after,
            "memory_growth_mb": max(full, after) - before,
            "receive_per_s_without_backlog": quiet,
            "receive_per_s_with_backlog": loaded,
            "open_after_clean_stop_s": opening(url),
        }
        kill_a_holder(url)
        result["open_after_kill_s"] = opening(url)
    print(json.dumps(result, indent=1) if options.json else "\n".join(f"{k:32} {v:,.2f}" for k, v in result.items()))


if __name__ == "__main__":
    main()
