"""Kill a process that sends and consumes, many times, at random moments; then check what it promised.

    python -m tests.durability.kill_loop [--kills 200] [--seed N]

Nothing a returned send promised is missing, nothing whose acknowledgement was on disk comes again, and messages of a
key arrive in order the first time.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
SENDERS = 3
Item = tuple[str, int]


class Ledger:
    """What the workers said, over all their lives."""

    def __init__(self) -> None:
        self.sent: set[Item] = set()
        self.received: set[Item] = set()
        self.acknowledged: set[Item] = set()
        self.last: dict[str, int] = defaultdict(lambda: -1)
        self.next = 0
        self.errors: list[str] = []
        self.redelivered = 0

    def line(self, text: str) -> None:
        kind, _, rest = text.strip().partition(" ")
        if kind == "O":
            return
        key, number = rest.split()
        item = key, int(number)
        self.next = max(self.next, item[1] + 1)
        if kind == "S":
            self.sent.add(item)
        elif kind == "A":
            self.acknowledged.add(item)
        elif kind == "R":
            self._received(item)

    def _received(self, item: Item) -> None:
        key, number = item
        if item in self.acknowledged:
            self.errors.append(f"{item} came again after its acknowledgement was on disk")
        if item in self.received:
            self.redelivered += 1
        else:
            if number < self.last[key]:
                self.errors.append(f"{item} came after {self.last[key]} of its key")
            self.last[key] = number
        self.received.add(item)


def life(directory: str, ledger: Ledger, rng: random.Random, *, drain: bool = False) -> None:
    """One process, from its start to its end by SIGKILL (or, to drain, by itself)."""
    arguments = [sys.executable, str(WORKER), directory, str(rng.randrange(1 << 30)), str(SENDERS), str(ledger.next)]
    process = subprocess.Popen(arguments + (["drain"] if drain else []), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not drain:
            opened = process.stdout.readline()
            assert opened == "O\n", opened
            deadline = time.monotonic() + rng.uniform(0.0, 0.25)
            time.sleep(max(0.0, deadline - time.monotonic()))  # the random moment is the point of this program
            process.kill()
        for text in process.stdout:
            if text.endswith("\n"):
                ledger.line(text)
    finally:
        process.kill()
        code = process.wait()
    if drain and code != 0:
        ledger.errors.append(f"the draining process ended with {code}")


def run(kills: int, seed: int, *, verbose: bool = False) -> Ledger:
    """Kill that many times, then drain and judge."""
    rng = random.Random(seed)
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="oms-kill-") as directory:
        for number in range(kills):
            life(directory, ledger, rng)
            if verbose and number % 20 == 19:
                print(f"{number + 1} kills, {len(ledger.sent):,} sent, {len(ledger.received):,} received", flush=True)
            if ledger.errors:
                break
        life(directory, ledger, rng, drain=True)
    lost = ledger.sent - ledger.received
    if lost:
        ledger.errors.append(f"{len(lost)} acknowledged sends are missing, for example {sorted(lost)[:3]}")
    return ledger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    ledger = run(options.kills, options.seed, verbose=True)
    print(
        f"{options.kills} kills: {len(ledger.sent):,} acknowledged sends, {len(ledger.received):,} received, "
        f"{ledger.redelivered:,} redelivered, {len(ledger.acknowledged):,} acknowledgements on disk"
    )
    for text in ledger.errors[:10]:
        print("WRONG:", text)
    sys.exit(bool(ledger.errors))


if __name__ == "__main__":
    main()
