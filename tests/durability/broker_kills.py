"""A broker, two producers, two consumers over the network, each killed again and again; then check what was promised.

    python -m tests.durability.broker_kills [--rounds 100] [--seed N]

A round kills the broker, a producer or a consumer at a random moment and starts another in its place. What is checked
is what `handover.py` checks: nobody sees an error; nothing that a returned send promised is missing or stored twice,
nothing whose acknowledgement was on disk comes again, and messages of a key arrive in order the first time.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

from tests.durability.handover import PROGRESS, ROOT, Sharer, Verdict

FACES = ("asyncio", "threads")
ROLES = ("send", "send", "consume", "consume")
VICTIMS = ("broker", "send", "consume")


class Broker:
    """The server's process."""

    def __init__(self, directory: str, port: int) -> None:
        command = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", directory, "--json"]
        self.process = subprocess.Popen(
            [*command, "--listen", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def end(self, signal_number: int) -> None:
        self.process.send_signal(signal_number)
        self.process.wait()


class Fleet:
    """All processes of now, and what those before them said."""

    def __init__(self, directory: str, chance: random.Random) -> None:
        self.directory = directory
        self.chance = chance
        self.verdict = Verdict()
        self.lines: list[str] = []
        self.made = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.broker = Broker(directory, self.port)
        self.clients = [(role, self.start(role)) for role in ROLES]

    def start(self, role: str) -> Sharer:
        self.made += 1
        return Sharer(self.broker.url, f"p{self.made}", FACES[self.made % 2], role)

    def round(self, victim: str) -> None:
        """Let producers make progress, kill, start anew, and see that all get on."""
        if not self.progress("before"):
            return
        time.sleep(self.chance.uniform(0.0, 0.1))  # the random moment is the point of this program
        if victim == "broker":
            self.broker.end(signal.SIGKILL)
            self.broker = Broker(self.directory, self.port)
        else:
            place = self.chance.choice([at for at, (role, _) in enumerate(self.clients) if role == victim])
            killed = self.clients[place][1]
            killed.end(signal.SIGKILL)
            self.lines += killed.lines
            self.clients[place] = victim, self.start(victim)
        self.progress(f"after the end of a {victim}")

    def progress(self, when: str) -> bool:
        """Whether every process says more than it has."""
        wanted = [(client, len(client.lines) + PROGRESS) for _, client in self.clients]
        for client, count in wanted:
            if not client.wait_for_lines(count):
                self.verdict.errors.append(f"{client.name} does not get on {when}")
                return False
        return True

    def finish(self) -> None:
        """End the clients in order, receive what is left, and judge."""
        for _, client in self.clients:
            if not client.end(signal.SIGTERM):
                self.verdict.errors.append(f"{client.name} did not close")
            self.lines += client.lines
        last = Sharer(self.broker.url, "last", "threads", "drain")
        if last.process.wait(60) != 0:
            self.verdict.errors.append("the draining process failed")
        last.end(signal.SIGKILL)
        self.verdict.judge(self.lines + last.lines)

    def close(self) -> None:
        """End everything."""
        for _, client in self.clients:
            client.end(signal.SIGKILL)
        self.broker.end(signal.SIGKILL)


def run(rounds: int, seed: int, *, verbose: bool = False) -> Verdict:
    """So many rounds, then the verdict."""
    with tempfile.TemporaryDirectory(prefix="oms-kills-") as directory:
        fleet = Fleet(directory, random.Random(seed))
        try:
            for number in range(rounds):
                fleet.round(VICTIMS[number % len(VICTIMS)])
                if fleet.verdict.errors:
                    break
                if verbose and number % 10 == 9:
                    print(f"{number + 1} rounds", flush=True)
            fleet.finish()
        finally:
            fleet.close()
    return fleet.verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    verdict = run(options.rounds, options.seed, verbose=True)
    print(
        f"{options.rounds} kills: {len(verdict.sent):,} acknowledged sends, {len(verdict.received):,} received, "
        f"{verdict.redelivered:,} redelivered, {len(verdict.on_disk):,} acknowledgements on disk"
    )
    for text in verdict.errors[:10]:
        print("WRONG:", text)
    sys.exit(bool(verdict.errors))


if __name__ == "__main__":
    main()
