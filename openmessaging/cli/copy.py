"""`oms queue copy`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from openmessaging.cli.options import connected, position, store_options
from openmessaging.cli.output import print_json
from openmessaging.model.replay import CopyInfo


@click.command("copy")
@click.argument("source")
@click.argument("target")
@click.option(
    "--from", "start", default="earliest", metavar="POSITION", help="Begin there, as `oms group seek` takes it."
)
@click.option("--until", default="latest", metavar="POSITION", help="Stop before that position.")
@click.option("--name", help="Remember the copy by this name, and never make it twice.")
@store_options
def copy(source: str, target: str, start: str, until: str, name: str | None, url: str | None, as_json: bool) -> None:
    """Copy messages of SOURCE to the end of TARGET, with their keys, properties, ids and order.

    Groups are left alone. A copy that was interrupted goes on where it was when the same command is given again.
    """
    with connected(url) as access_point, _bar() as show:
        manager = access_point.resource_manager()
        manager.describe_queue(target)
        info = manager.copy_queue(source, target, position(start), position(until), name=name, progress=show)
    if as_json:
        print_json(info)
    else:
        print(f"copied {info.source} to {info.target}")


@contextmanager
def _bar() -> Iterator[Callable[[CopyInfo], None]]:
    """A bar on a terminal; call what it gives with each step."""
    if not sys.stderr.isatty():
        yield lambda info: None  # noqa: ARG005 - nothing to show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("copied"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("copied", total=None)
        totals: list[int] = []

        def show(info: CopyInfo) -> None:
            totals.append(info.left)
            progress.update(task, total=max(totals[0], 1), completed=totals[0] - info.left)

        yield show
