"""What a run came to, as JSON and as JUnit's XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

import msgspec

from openmessaging.conformance.case import Case, Outcome, Status


class Report(msgspec.Struct):
    """One run against one system."""

    system: str
    version: str
    """Of the implementation."""
    date: str
    seconds: float
    capabilities: list[str]
    emulated: list[str]
    outcomes: list[Outcome]

    @property
    def failed(self) -> list[Outcome]:
        """Cases that failed."""
        return [each for each in self.outcomes if each.status is Status.FAIL]

    def counts(self, cases: Iterable[str] | None = None) -> Counter[Status]:
        """How many ended how, of some cases or all."""
        chosen = None if cases is None else set(cases)
        return Counter(each.status for each in self.outcomes if chosen is None or each.case in chosen)


def to_json(reports: list[Report]) -> bytes:
    """All reports as one document."""
    return msgspec.json.format(msgspec.json.encode({"reports": reports}), indent=1) + b"\n"


def to_junit(reports: list[Report], cases: Mapping[str, Case]) -> str:
    """All reports as JUnit's XML: a suite per system."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for report in reports:
        counts = report.counts()
        skipped = counts[Status.SKIPPED] + counts[Status.UNSUPPORTED]
        lines.append(
            f"<testsuite name={quoteattr(report.system)} tests={quoteattr(str(len(report.outcomes)))} "
            f'failures="{counts[Status.FAIL]}" skipped="{skipped}" time="{report.seconds}">'
        )
        for outcome in report.outcomes:
            name = quoteattr(f"{outcome.case}: {cases[outcome.case].title}")
            where = quoteattr(f"{report.system}.{cases[outcome.case].section}")
            lines.append(f'<testcase classname={where} name={name} time="{outcome.seconds}">')
            text = escape(outcome.text)
            if outcome.status is Status.FAIL:
                lines.append(f"<failure message={quoteattr(outcome.text[:200])}>{text}</failure>")
            elif outcome.status in (Status.SKIPPED, Status.UNSUPPORTED):
                lines.append(f"<skipped message={quoteattr(f'{outcome.status}: {outcome.text}'[:200])}/>")
            elif outcome.text:
                lines.append(f"<system-out>{escape(outcome.status)}: {text}</system-out>")
            lines.append("</testcase>")
        lines.append("</testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])
