"""Time to import the package and to print `oms --help`, beyond bare Python.

python -m benchmarks.startup [--times 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare python": ["-c", "pass"],
    "import openmessaging": ["-c", "import openmessaging"],
    "import openmessaging, connect named": ["-c", "import openmessaging; openmessaging.connect"],
    "import openmessaging.blocking": ["-c", "import openmessaging.blocking"],
    "oms --help": ["-m", "openmessaging.cli", "--help"],
}


def once(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    runs: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.times):
        for name, arguments in COMMANDS.items():
            runs[name].append(once(arguments))
    bare = statistics.median(runs["bare python"])
    for name, times in runs.items():
        middle = statistics.median(times)
        print(f"{name:36} {middle:7.1f} ms, {middle - bare:+7.1f} beyond bare Python (least {min(times):.1f})")


if __name__ == "__main__":
    main()
