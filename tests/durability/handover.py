"""Some processes share a directory, and again and again the one that holds it ends; then check what was promised.

    python -m tests.durability.handover [--rounds 100] [--processes 4] [--seed N]

The holder is killed, or (one time in three) closes; another process takes its place among them. Nobody may see an
error; nothing a returned send promised is missing or stored twice, nothing whose acknowledgement was on disk comes
again, and messages of a key arrive in order the first time. What comes again otherwise is counted. A pause is the
longest time between two sends that return, for each of the others.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from openmessaging.storage.lock import holder

ROOT = Path(__file__).parents[2]
PROGRESS = 4
"""Sends of each process in a round before its holder ends."""
PATIENCE = 20.0
Item = tuple[str, int]


class Sharer:
    """One process, and what it says."""

    def __init__(self, place: str, name: str, face: str, *role: str) -> None:
        command = [sys.executable, "-m", "tests.durability.sharer", place, name, face, *role]
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.lines: list[str] = []
        self.sends: list[int] = []
        """When they returned, ns."""
        self._said = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break
            with self._said:
                self.lines.append(line)
                if line[0] == "S":
                    self.sends.append(int(line.split(" ", 2)[1]))
                self._said.notify_all()

    def wait_for_sends(self, count: int) -> bool:
        """Wait until so many sends have returned in all."""
        with self._said:
            return self._said.wait_for(lambda: len(self.sends) >= count, PATIENCE)

    def wait_for_lines(self, count: int) -> bool:
        """Wait until it has said so much in all."""
        with self._said:
            return self._said.wait_for(lambda: len(self.lines) >= count, PATIENCE)

    def end(self, signal_number: int) -> bool:
        """End it and read what it still said; whether it ended as it should."""
        self.process.send_signal(signal_number)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = 1
        self._thread.join()
        return code == 0 or signal_number == signal.SIGKILL


class Verdict:
    """What all lines of all processes come to."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.pauses: list[float] = []
        """Seconds."""
        self.sent: set[Item] = set()
        self.received: dict[Item, int] = {}
        self.on_disk: set[Item] = set()
        self.redelivered = 0

    def judge(self, lines: list[str]) -> None:
        """Look at everything, in the order of the clock."""
        last: dict[str, int] = defaultdict(lambda: -1)
        for fields in sorted((line.split() for line in lines), key=lambda fields: int(fields[1])):
            kind = fields[0]
            if kind == "E":
                self.errors.append(" ".join(fields[2:]))
            if kind in "OE":
                continue
            item = fields[2], int(fields[3])
            if kind == "S":
                self.sent.add(item)
            elif kind == "A":
                self.on_disk.add(item)
            else:
                self._received(item, int(fields[4]), last)
        if lost := self.sent - self.received.keys():
            self.errors.append(f"{len(lost)} acknowledged sends are missing, for example {sorted(lost)[:3]}")

    def _received(self, item: Item, offset: int, last: dict[str, int]) -> None:
        if item in self.on_disk:
            self.errors.append(f"{item} came again after its acknowledgement was on disk")
        if item not in self.received:
            if item[1] < last[item[0]]:
                self.errors.append(f"{item} came after {last[item[0]]} of its key")
            last[item[0]] = item[1]
        elif self.received[item] == offset:
            self.redelivered += 1
        else:
            self.errors.append(f"{item} was stored twice, at {self.received[item]} and {offset}")
        self.received[item] = offset


class Handovers:
    """The processes of now, and those that were."""

    def __init__(self, directory: str, processes: int, chance: random.Random) -> None:
        self.directory = directory
        self.chance = chance
        self.verdict = Verdict()
        self.made = 0
        self.lines: list[str] = []
        self.sharers = [self.start() for _ in range(processes)]

    def start(self) -> Sharer:
        self.made += 1
        return Sharer(self.directory, f"p{self.made}", "asyncio" if self.made % 2 else "threads")

    def round(self) -> None:
        """Let all make progress, end the holder, let the others make progress, put another in its place."""
        for sharer in self.sharers:
            if not sharer.wait_for_sends(len(sharer.sends) + PROGRESS):
                self.verdict.errors.append(f"{sharer.name} does not get on")
                return
        time.sleep(self.chance.uniform(0.0, 0.1))  # the random moment is the point of this program
        pid = (holder(self.directory) or {}).get("pid")
        ending = next(sharer for sharer in self.sharers if sharer.process.pid == pid)
        others = [sharer for sharer in self.sharers if sharer is not ending]
        began = time.monotonic_ns()
        how = signal.SIGTERM if self.chance.random() < 1 / 3 else signal.SIGKILL
        if how == signal.SIGKILL:
            ending.process.kill()
        elif not ending.end(how):
            self.verdict.errors.append(f"{ending.name} did not close")
        ending.end(signal.SIGKILL)
        for sharer in others:
            if not sharer.wait_for_sends(len(sharer.sends) + PROGRESS):
                self.verdict.errors.append(f"{sharer.name} does not get on without {ending.name}")
                return
            self.verdict.pauses.append(longest_gap(sharer.sends, began))
        self.lines += ending.lines
        self.sharers = [*others, self.start()]

    def finish(self) -> None:
        """End all in order, receive what is left, and judge."""
        for sharer in self.sharers:
            if not sharer.end(signal.SIGTERM):
                self.verdict.errors.append(f"{sharer.name} did not close")
            self.lines += sharer.lines
        last = Sharer(self.directory, "last", "threads", "drain")
        if last.process.wait(PATIENCE * 3) != 0:
            self.verdict.errors.append("the draining process failed")
        last.end(signal.SIGKILL)
        self.verdict.judge(self.lines + last.lines)


def run(rounds: int, processes: int, seed: int, *, verbose: bool = False) -> Verdict:
    """So many rounds, then the verdict."""
    with tempfile.TemporaryDirectory(prefix="oms-handover-") as directory:
        handovers = Handovers(directory, processes, random.Random(seed))
        try:
            for number in range(rounds):
                handovers.round()
                if handovers.verdict.errors:
                    break
                if verbose and number % 10 == 9:
                    print(f"{number + 1} hand-overs, pauses {shown(handovers.verdict.pauses)}", flush=True)
            handovers.finish()
        finally:
            for sharer in handovers.sharers:
                sharer.end(signal.SIGKILL)
    return handovers.verdict


def longest_gap(times: list[int], since: int) -> float:
    """The longest time between two that follow each other and end after a moment, s."""
    return max(after - before for before, after in pairwise(times) if after > since) / 1e9


def shown(pauses: list[float]) -> str:
    """p50, p99 and the longest, in ms."""
    if not pauses:
        return "none"
    ordered = sorted(pauses)
    return " / ".join(f"{ordered[int(part * (len(ordered) - 1))] * 1000:.0f}" for part in (0.5, 0.99, 1.0)) + " ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    verdict = run(options.rounds, options.processes, options.seed, verbose=True)
    print(
        f"{options.rounds} hand-overs among {options.processes} processes: {len(verdict.sent):,} acknowledged sends, "
        f"{len(verdict.received):,} received, {verdict.redelivered:,} redelivered, "
        f"{len(verdict.on_disk):,} acknowledgements on disk; pause p50 / p99 / max {shown(verdict.pauses)}"
    )
    for text in verdict.errors[:10]:
        print("WRONG:", text)
    sys.exit(bool(verdict.errors))


if __name__ == "__main__":
    main()
