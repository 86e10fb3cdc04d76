"""Count the syncs of the store with strace: one sender, then 64, each waiting for its acknowledgement.

    python -m benchmarks.syncs [--each 100] [--senders 64]

A sync is an fsync, an fdatasync, or a write with RWF_DSYNC. Needs Linux and strace. Exit code 1 when a send of one
sender had no sync of its own, or 64 senders did not share.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile

WORK = """
import asyncio, sys, threading
import openmessaging as oms
from openmessaging import blocking

url, face, senders, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

async def tasks():
    async with oms.connect(url) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("queue", b"first"))
        print("begin", file=sys.stderr, flush=True)
        async def sender():
            for _ in range(each):
                await producer.send(producer.create_message("queue", bytes(100)))
        await asyncio.gather(*(sender() for _ in range(senders)))
        print("end", file=sys.stderr, flush=True)

def threads():
    with blocking.connect(url) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("queue", b"first"))
        print("begin", file=sys.stderr, flush=True)
        def sender():
            for _ in range(each):
                producer.send(producer.create_message("queue", bytes(100)))
        all_threads = [threading.Thread(target=sender) for _ in range(senders)]
        for thread in all_threads: thread.start()
        for thread in all_threads: thread.join()
        print("end", file=sys.stderr, flush=True)

asyncio.run(tasks()) if face == "asyncio" else threads()
"""
SYNC = re.compile(r"(fsync|fdatasync)\(|pwritev2\(.*RWF_DSYNC")


def count(face: str, senders: int, each: int) -> int:
    """Syncs between the first send and the last acknowledgement."""
    with tempfile.TemporaryDirectory(prefix="oms-syncs-") as folder:
        trace = f"{folder}/trace"
        calls = "trace=fsync,fdatasync,pwritev2,write"
        url = f"oms:embedded://{folder}/store"
        work = [sys.executable, "-c", WORK, url, face, str(senders), str(each)]
        subprocess.run(["strace", "-f", "-e", calls, "-s", "8", "-o", trace, *work], check=True, capture_output=True)
        with open(trace, encoding="utf-8", errors="replace") as file:
            text = file.read()
    begin, end = text.index('write(2, "begin'), text.index('write(2, "end')
    return sum(1 for line in text[begin:end].splitlines() if SYNC.search(line) and "resumed" not in line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--senders", type=int, default=64)
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    wrong = False
    for face in ("blocking", "asyncio"):
        alone = count(face, 1, options.each) / options.each
        sends = options.senders * options.each
        together = count(face, options.senders, options.each) / sends
        wrong |= alone < 1 or together > 0.5
        print(
            f"{face:9} 1 sender: {alone:.2f} syncs per send; {options.senders} senders: {together:.3f} syncs per send"
        )
    sys.exit(wrong)


if __name__ == "__main__":
    main()
