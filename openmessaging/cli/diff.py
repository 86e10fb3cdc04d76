"""`oms diff`: compare queues of two messaging systems."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import click

from openmessaging.cli.options import connection, json_option
from openmessaging.cli.output import counting, print_json, print_table
from openmessaging.mirror.comparing import Difference, compare
from openmessaging.runtime.aio.access_point import connect

DIFFERENT = 4
"""Exit code, see `oms --help`."""


@click.command("diff")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--queues", multiple=True, metavar="QUEUE", help="Only these; once for each. Without: all of FROM's namespace."
)
@json_option
def command(source: str, target: str, queues: tuple[str, ...], as_json: bool) -> int:
    """Compare queues of two messaging systems.

    FROM and TO are URLs of access points. Counts and names messages that are missing, that are more, repeated, or not
    the same, and keys whose order is another. Exit code 4 when something differs. Positions, store times and delivery
    counts are each system's own, and not compared.
    """
    with counting("read") as count:
        found = asyncio.run(_compare(source, target, queues, count))
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0 if all(each.is_none for each in found) else DIFFERENT


async def _compare(
    source: str, target: str, queues: tuple[str, ...], count: Callable[[int], object]
) -> list[Difference]:
    here, ours, _ = connection(source, False)
    there, theirs, _ = connection(target, False)
    async with connect(here, ours) as begin, connect(there, theirs) as end:
        names = queues or sorted(await begin.resource_manager().list_queues())
        return [await compare(begin, end, queue, count) for queue in names]


def _print(found: list[Difference]) -> None:
    columns = ("queue", "from", "to", "missing", "extra", "repeated", "changed", "reordered")
    rows = [
        (each.queue, each.source, each.target, each.missing, each.extra, each.repeated, each.changed, each.reordered)
        for each in found
    ]
    print_table(columns, rows)
    for each in found:
        for kind, examples in each.examples.items():
            for example in examples:
                print(f"{each.queue}: {kind} {example}")
