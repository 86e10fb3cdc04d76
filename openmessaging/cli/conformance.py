"""`oms conformance`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openmessaging.cli.failure import FAILED
from openmessaging.cli.output import print_table

if TYPE_CHECKING:
    from openmessaging.conformance.case import Case, Outcome
    from openmessaging.conformance.report import Report


def _into(option: str, what: str) -> Callable[[Any], Any]:
    return click.option(option, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=what)


@click.command("conformance")
@click.argument("systems", nargs=-1, metavar="URL|NAME...")
@click.option("--section", "sections", multiple=True, metavar="SECTION", help="Only this section; may be repeated.")
@click.option("--case", "names", multiple=True, metavar="ID", help="Only this case; may be repeated.")
@click.option("--attribute", "attributes", multiple=True, metavar="NAME=JSON", help="Of the access point.")
@click.option("--adapter", metavar="COMMAND", help="Drive an implementation in another process by the kit's protocol.")
@click.option("--jobs", type=click.IntRange(1, 100), default=12, show_default=True, help="Cases at work at once.")
@click.option("--list", "listing", is_flag=True, help="List the cases and run none.")
@_into("--junit", "Write the outcomes as JUnit's XML.")
@_into("--json", "Write the outcomes as JSON.")
@_into("--html", "Write them as one page.")
def command(
    systems: tuple[str, ...],
    sections: tuple[str, ...],
    names: tuple[str, ...],
    attributes: tuple[str, ...],
    adapter: str | None,
    jobs: int,
    listing: bool,
    junit: Path | None,
    json: Path | None,
    html: Path | None,
) -> int:
    """Prove case by case what a system does of the standard.

    A case ends as pass, fail, unsupported (not declared, and refused as such), emulated, undeclared (it works and is
    not declared), or skipped (it cannot be tried here).

    A NAME starts the system in a temporary directory: embedded, memory, oms, http, and the servers of `oms servers`. A
    URL uses what is there. Queues begin with `k` and random digits; they are left there.

    Exit code 1 when a case failed.
    """
    import asyncio

    from openmessaging.conformance.case import SECTIONS
    from openmessaging.conformance.catalogue import all_cases

    if unknown := [each for each in sections if each not in SECTIONS]:
        raise click.UsageError(f"there is no section {unknown[0]}; there are {', '.join(SECTIONS)}.")
    cases = [case for case in all_cases() if not sections or case.section in sections]
    if names:
        cases = [case for case in cases if case.id in names]
    if not cases:
        raise click.UsageError("no case has that name; --list shows all.")
    if listing:
        print_table(("case", "needs", "what holds"), [(c.id, ", ".join(sorted(c.needs)), c.title) for c in cases])
        return 0
    if not systems:
        raise click.UsageError("name a system or give its URL.")
    given = dict(map(_attribute, attributes))
    reports = asyncio.run(_run(systems, cases, given, shlex.split(adapter) if adapter else None, jobs))
    _write(reports, {case.id: case for case in cases}, junit, json, html)
    _print(reports)
    return FAILED if any(report.failed for report in reports) else 0


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--attribute {text!r} is not NAME=JSON.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


async def _run(
    systems: Sequence[str], cases: list[Case], attributes: dict[str, Any], adapter: list[str] | None, jobs: int
) -> list[Report]:
    import logging

    from openmessaging.conformance.named import find
    from openmessaging.conformance.protocol import Gone, Refusal
    from openmessaging.conformance.run import run
    from openmessaging.model.errors import error
    from openmessaging.testing.servers import Missing

    logging.getLogger("openmessaging").setLevel(logging.CRITICAL)  # what cases provoke is in their outcomes
    found = [find(name, attributes, adapter) for name in systems]
    reports = []
    for system in found:
        with _showing(system.name, len(cases)) as show:
            try:
                await system.start()
                reports.append(await run(system, cases, show, jobs))
            except Missing as missing:
                raise error(10000, f"{system.name} cannot be started: {missing}") from missing
            except (Refusal, Gone) as failure:
                raise error(10000, f"{system.name} cannot be opened: {failure}") from failure
            finally:
                await system.stop()
    return reports


@contextmanager
def _showing(name: str, total: int) -> Iterator[Callable[[Case, Outcome], None]]:
    """A bar on a terminal; failures as they come."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from openmessaging.conformance.case import Status

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=total)

        def show(case: Case, outcome: Outcome) -> None:
            progress.advance(task)
            if outcome.status is Status.FAIL:
                text = f"{name}: {case.id} fails: {case.title}\n    {outcome.text}"
                console.print(text, markup=False, soft_wrap=True)

        yield show


def _print(reports: Sequence[Report]) -> None:
    from openmessaging.conformance.case import Status

    columns = ("system", *map(str, Status), "seconds")
    rows = [(each.system, *(each.counts()[status] for status in Status), each.seconds) for each in reports]
    print_table(columns, rows)


def _write(
    reports: list[Report], cases: dict[str, Case], junit: Path | None, json: Path | None, html: Path | None
) -> None:
    from openmessaging.conformance.page import to_html
    from openmessaging.conformance.report import to_json, to_junit

    if json:
        json.write_bytes(to_json(reports))
    if junit:
        junit.write_text(to_junit(reports, cases))
    if html:
        html.write_text(to_html(reports, cases))
