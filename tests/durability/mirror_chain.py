"""The flights from system to system, the mirror killed in the middle of each step; what differs is printed.

    python -m tests.durability.mirror_chain embedded redis nats rabbitmq embedded [--count 20000] [--seconds 500]

`embedded` is a directory, `oms` our own broker, anything else a real server that is started here and ended. After each
step the target is compared with the beginning, where it can be read without consuming. The exit code is 1 when
something differs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from openmessaging.mirror import compare
from openmessaging.model.spi import Capability
from openmessaging.testing.servers import SYSTEMS
from tests.mirror.flights import access_point, fill, mirror
from tests.servers import serving

ROOT = Path(__file__).parents[2]
SAME = "identical"


def killed(source: str, target: str, state: str, count: int) -> int:
    """Mirror in another process and kill it when a part is copied; how many messages it said it had copied."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.mirror.flights", source, target, state]
    said = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said += int(line)
            if said >= count // 4:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    return said


async def differing(first: str, target: str) -> str:
    """How a target differs from the beginning, in words."""
    async with access_point(first) as begin, access_point(target) as end:
        if Capability.BROWSE not in end.capabilities:
            return "to be consumed only, compared after the next step"
        found = await compare(begin, end, "flights")
        return SAME if found.is_none else f"DIFFERENT {found}"


def place(name: str, number: int, folder: Path, stack: ExitStack) -> str:
    """The URL of a system, which is started."""
    if name == "embedded":
        return f"oms:embedded://{folder}/store-{number}"
    if name == "oms":
        return stack.enter_context(serving(f"oms:embedded://{folder}/broker-{number}")).url
    server = SYSTEMS[name]().start()
    stack.callback(server.stop)
    return server.url


def main(arguments: list[str]) -> int:
    """Run the chain; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", choices=["embedded", "oms", *SYSTEMS])
    parser.add_argument("--count", type=int, default=20_000, help="flights")
    parser.add_argument("--seconds", type=float, default=500.0, help="no further step begins after this")
    given = parser.parse_args(arguments)
    begin, failures = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        first = f"oms:embedded://{folder}/flights"
        fill(first, count=given.count)
        source = first
        for number, name in enumerate(given.systems):
            if time.monotonic() - begin > given.seconds:
                print(f"stopped before {name}: the time is over")
                return 1
            target = place(name, number, Path(folder), stack)
            state = f"{folder}/state-{number}.json"
            started = time.monotonic()
            said = killed(source, target, state, given.count)
            rest = asyncio.run(mirror(source, target, state, lambda *_: None))
            difference = asyncio.run(differing(first, target))
            failures += difference.startswith("DIFFERENT")
            spent = time.monotonic() - started
            print(
                f"{name:<10} {said:>7,} before the kill, {rest:>7,} after it, {spent:6.1f} s: {difference}", flush=True
            )
            source = target
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
