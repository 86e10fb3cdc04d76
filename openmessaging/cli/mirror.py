"""`oms mirror`: copy queues from one messaging system to another."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from openmessaging.cli.options import confirm, connection, json_option, position, yes_option
from openmessaging.cli.output import print_json
from openmessaging.mirror.mirror import Mirror
from openmessaging.mirror.plan import Plan
from openmessaging.runtime.aio.access_point import connect
from openmessaging.runtime.positions import as_text


@click.command("mirror")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--queues", multiple=True, metavar="QUEUE", help="Only these; once for each. Without: all of the namespace."
)
@click.option("--once/--follow", default=True, help="Copy what is there now (the default), or go on until Ctrl-C.")
@click.option(
    "--from",
    "start",
    default="earliest",
    metavar="POSITION",
    help="Where queues begin that this mirror has not met: earliest, latest, offset:N or a time.",
)
@click.option("--name", help="Positions are kept by it; another name begins anew. Without: made of FROM.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for positions, where TO cannot keep them. Without: among the data of the user.",
)
@yes_option
@json_option
def command(
    source: str,
    target: str,
    queues: tuple[str, ...],
    once: bool,
    start: str,
    name: str | None,
    state: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Copy queues from one messaging system to another, and go on where it was.

    FROM and TO are URLs of access points. Messages keep their ids, times, keys, properties, headers, and order. What TO
    cannot represent is said first. The same command goes on where it was, also after it was killed.
    """
    digest = hashlib.sha256(f"{source} {target}".encode()).hexdigest()[:12]
    file = state or _data() / "mirrors" / f"{name or digest}.json"
    begin = as_text(position(start))
    copied, said = asyncio.run(_mirror(source, target, queues, not once, begin, name or digest, file, yes))
    if as_json:
        print_json({"copied": copied, "losses": said})
    else:
        print(f"copied {copied:,} messages")


async def _mirror(
    source: str, target: str, queues: tuple[str, ...], follow: bool, start: str, name: str, state: Path, yes: bool
) -> tuple[int, list[str]]:
    here, ours, _ = connection(source, False)
    there, theirs, _ = connection(target, True)
    async with connect(here, ours) as begin, connect(there, theirs) as end:
        mirror = Mirror(begin, end, name=name, state=state, start=start, follow=follow)
        plan = await mirror.plan(queues)
        if not plan.is_lossless:
            for line in losses(plan):
                click.echo(line, err=True)
            await asyncio.to_thread(confirm, "Copy all the same?", yes)
        copied = 0
        with _bars(plan) as show:

            def count(queue: str, more: int) -> None:
                nonlocal copied
                copied += more
                show(queue, more)

            running = asyncio.ensure_future(mirror.run(plan, count))
            if follow:
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, running.cancel)
            try:
                await running
            except asyncio.CancelledError:
                if not follow:
                    raise
        return copied, losses(plan)


def losses(plan: Plan) -> list[str]:
    """What the target cannot represent, for people."""
    lines = [f"TO: {text}" for text in plan.losses]
    return lines + [f"{step.queue}: {text}" for step in plan.steps for text in step.losses]


def _data() -> Path:
    from platformdirs import user_data_dir

    return Path(user_data_dir("openmessaging", appauthor=False))


@contextmanager
def _bars(plan: Plan) -> Iterator[Callable[[str, int], object]]:
    """A bar per queue on a terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {step.queue: progress.add_task(step.queue, total=step.source.messages or None) for step in plan.steps}
        yield lambda queue, more: progress.advance(tasks[queue], more)
