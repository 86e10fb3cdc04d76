"""Fuzz what a client can reach, guided by coverage.

    pip install atheris
    python -m tests.fuzz native|greeting|http [--seconds 600]

Inputs that reach something new are kept in `tests/fuzz/corpus/`, which every test run goes through again; an input that
breaks something is written to `crash-*` in the working directory.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["openmessaging"]):
    from tests.fuzz.edges import Edge

CORPUS = Path(__file__).with_name("corpus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edge", choices=["native", "greeting", "http"])
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    arguments = [f"-max_total_time={options.seconds}", "-max_len=2048", "-timeout=20", str(CORPUS / options.edge)]
    target = getattr(Edge(), options.edge)

    def once(data: bytes) -> None:
        target(data)

    atheris.Setup([sys.argv[0], *arguments], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
