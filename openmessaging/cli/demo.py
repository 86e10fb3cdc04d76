"""`oms demo`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click

from openmessaging.cli.failure import FAILED
from openmessaging.cli.options import json_option
from openmessaging.cli.output import print_json, print_table
from openmessaging.cli.progress import showing
from openmessaging.demo.job import Job, Outcome
from openmessaging.demo.table import Origin, rows


@click.command("demo")
@click.option(
    "--data", metavar="FILE", help="Flights of your own: a JSON array of date, delay, distance, origin, destination."
)
@click.option("--store", metavar="DIR", help="Directory of the store, which is kept; else a temporary one.")
@json_option
@click.pass_context
def command(ctx: click.Context, data: str | None, store: str | None, as_json: bool) -> None:
    """Run the main job: real flights, a process killed on the way, nothing lost.

    20,000 flights are sent to the queue `flights`, keyed by origin, and a group of three members consumes them. Each
    member acknowledges what it has handled, and sends flights that came more than 60 minutes late to `late-flights`.
    Halfway the process that holds the store is killed with SIGKILL; another reopens the store and goes on. At the end,
    flights, mean delay and late flights by origin, counted from what was consumed, stand beside the same numbers
    computed straight from the file; exit code 1 when they differ.
    """
    with _directory(store) as directory, showing() as start:
        job = Job(directory, data, start)
        outcome = job.run()
    if as_json:
        print_json(outcome.document())
    else:
        _print(outcome, store)
    if not outcome.matches_input:
        ctx.exit(FAILED)


@contextmanager
def _directory(store: str | None) -> Iterator[str]:
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="oms-demo-") as directory:
        yield directory


def _print(outcome: Outcome, store: str | None) -> None:
    columns = ("origin", "flights", "in file", "mean delay", "in file", "late", "in file", "result")
    lines = [
        (row.name, *_pairs(row.consumed, row.file), "equal" if row.equal else "DIFFERS")
        for row in rows(outcome.consumed, outcome.file)
    ]
    print_table(columns, lines)
    print(f"\nsent {outcome.sent:,}, received {outcome.received:,}, late {outcome.late:,}")
    again = "delivered again after the kill, as their acknowledgements had not reached the disk"
    print(f"{outcome.duplicates:,} {again}: known by their message ids, counted once")
    if outcome.matches_input:
        print("What was consumed equals the file: nothing lost, nothing counted twice.")
    else:
        print(f"What was consumed DIFFERS from the file of {outcome.plan.total:,} flights.")
    if store is not None:
        print(f"Look at it: oms queue list --url oms:embedded://{store}")


def _pairs(consumed: Origin, file: Origin) -> tuple[object, ...]:
    return (
        consumed.flights,
        file.flights,
        consumed.mean_delay,
        file.mean_delay,
        consumed.late,
        file.late,
    )
