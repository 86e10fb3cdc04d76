"""Fuzz what a client can reach, guided by coverage.

    pip install atheris
    python -m tests.fuzz native|greeting|http [--seconds 600] [--found DIR]
    python -m tests.fuzz native|greeting|http --keep DIR

The first writes inputs that reach something new to a directory, the second takes the smallest set of them into
`tests/fuzz/corpus/`, which every test run goes through again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["openmessaging"]):
    from tests.fuzz.edges import Edge

CORPUS = Path(__file__).with_name("corpus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edge", choices=["native", "greeting", "http"])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--found", help="where inputs go that reach something new")
    parser.add_argument("--keep", metavar="DIR", help="take inputs of a directory into the corpus")
    options = parser.parse_args()
    corpus = CORPUS / options.edge
    if options.keep:
        arguments = ["-merge=1", str(corpus), options.keep]
    else:
        found = options.found or tempfile.mkdtemp(prefix="oms-fuzz-")
        print(f"what is found goes to {found}")
        arguments = [f"-max_total_time={options.seconds}", "-max_len=2048", "-timeout=20", found, str(corpus)]
    target = getattr(Edge(), options.edge)

    def once(data: bytes) -> None:
        target(data)

    atheris.Setup([sys.argv[0], *arguments], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
