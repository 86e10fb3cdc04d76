"""Runs of seeds on a disk that loses power: what each came to, and how many crashes it had."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol, TypeVar

from openmessaging.simulation.disk import SimulatedDisk


class CrashRun(Protocol):
    """One seed's run."""

    crashes: int
    disk: SimulatedDisk

    def run(self) -> str:
        """Go through it; the trace hash. Raises what went wrong."""
        ...


Run = TypeVar("Run", bound=CrashRun)


def run_seed(make: Callable[[int], Run], seed: int) -> tuple[str, Run | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    run = None
    try:
        run = make(seed)
        return run.run(), run, None
    except Exception as failure:
        return "", run, failure


def run_seeds(make: Callable[[int], CrashRun], arguments: list[str] | None, description: str | None) -> int:
    """Run seeds as a command line says; returns the exit code: 1 when something went wrong."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="only this one, told in detail")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    failed = crashes = 0
    for seed in seeds:
        _, run, failure = run_seed(make, seed)
        crashes += run.crashes if run is not None else 0
        if failure is not None:
            failed += 1
            print(f"seed {seed}: {failure!r}")
            if options.seed is not None:
                if run is not None:
                    print("\n".join(run.disk.lines))
                raise failure
    print(f"{len(seeds)} seeds, {crashes:,} crashes, {failed} failed")
    return 1 if failed else 0
