"""Write the results of the conformance kit into the documentation.

    python scripts/conformance.py NAME…   run the kit against systems and store what came of it, then write the page
    python scripts/conformance.py         write the page anew from what is stored

Results stand in `docs/reference/conformance/`, a JSON file per system.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from openmessaging.conformance.case import SECTIONS, Case, Outcome, Status
from openmessaging.conformance.catalogue import all_cases
from openmessaging.conformance.named import find, names
from openmessaging.conformance.report import Report
from openmessaging.conformance.run import run

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
RESULTS = REFERENCE / "conformance"
PAGE = REFERENCE / "conformance.md"
HEAD = """# What the systems do: results of the conformance kit

Written by `make conformance`, which runs the [kit](../how-to/prove-a-system.md) against each system's real server.
A row is a section; `12` means that all 12 cases hold; otherwise how many hold, fail, are not declared and refused
(*unsupported*), or cannot be tried here (*skipped*).

"""


async def prove(name: str) -> Report:
    """One run against a system that is started for it."""
    system = find(name)
    await system.start()
    try:
        return await run(system, all_cases())
    finally:
        await system.stop()


def stored() -> list[Report]:
    """What was run last, in the order of the kit's names."""
    order = names()
    reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in RESULTS.glob("*.json")]
    return sorted(reports, key=lambda report: order.index(report.system))


def page(reports: Sequence[Report], cases: Sequence[Case]) -> str:
    """The page of all stored results."""
    names_row = " | ".join(report.system for report in reports)
    lines = [HEAD + f"| section | {names_row} |", f"|---|{'---|' * len(reports)}"]
    for section in SECTIONS:
        ids = [case.id for case in cases if case.section == section]
        lines.append(f"| {section} | {' | '.join(_cell(report, ids) for report in reports)} |")
    lines += [
        f"| **all** | {' | '.join(_cell(report, [case.id for case in cases]) for report in reports)} |",
        f"| seconds | {' | '.join(f'{report.seconds:.0f}' for report in reports)} |",
        f"| run on | {' | '.join(report.date for report in reports)} |",
        "",
        "## What each declares",
        "",
    ]
    for report in reports:
        emulated = f"; emulated when allowed: {', '.join(report.emulated)}" if report.emulated else ""
        lines.append(f"- **{report.system}**: {', '.join(report.capabilities)}{emulated}")
    lines += ["", "## What is not a pass", ""]
    for report in reports:
        rest = [each for each in report.outcomes if each.status is not Status.PASS]
        if rest:
            lines += [f"### {report.system}", "", "| case | outcome | why |", "|---|---|---|"]
            lines += [f"| `{each.case}` | {each.status} | {_text(each)} |" for each in rest]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(report: Report, ids: Sequence[str]) -> str:
    counts = report.counts(ids)
    good = counts[Status.PASS] + counts[Status.EMULATED] + counts[Status.UNDECLARED]
    rest = [f"{counts[each]} {each}" for each in (Status.FAIL, Status.UNSUPPORTED, Status.SKIPPED) if counts[each]]
    return ", ".join([str(good), *rest])


def _text(outcome: Outcome) -> str:
    return " ".join(outcome.text.replace("|", "\\|").replace("<", "&lt;").split())[:160]


def main(systems: Sequence[str]) -> int:
    """Run what is named, write the page; the exit code."""
    failed = False
    for name in systems:
        report = asyncio.run(prove(name))
        (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        print(f"{name}: {', '.join(f'{number} {status}' for status, number in report.counts().items())}")
        failed = failed or bool(report.failed)
    PAGE.write_text(page(stored(), all_cases()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
