"""The kit against what is ours: every case passes, or says why it cannot be tried; and it is large enough."""

import asyncio
import re
from pathlib import Path

import pytest

from openmessaging.conformance.case import SECTIONS, Status
from openmessaging.conformance.catalogue import MODULES, all_cases
from openmessaging.conformance.named import find
from openmessaging.conformance.report import Report
from openmessaging.conformance.run import run

SKIPPED = {
    "memory": {"security", "faults"},
    "embedded": {"security", "faults"},
    "oms": {"errors"},
    "http": {"errors"},
}
"""Sections of which something cannot be tried: no users, no connection, queues by the server's setting."""


async def _run(name: str) -> Report:
    system = find(name)
    await system.start()
    try:
        return await run(system, all_cases())
    finally:
        await system.stop()


def test_the_kit_covers_every_section() -> None:
    cases = all_cases()
    assert len(cases) >= 150
    assert {case.section for case in cases} == set(SECTIONS)
    assert len({case.title for case in cases}) == len(cases), "two cases say the same"
    assert all(case.title.endswith(".") and case.rule for case in cases)
    assert len(MODULES) == len(SECTIONS)


def test_cases_have_stable_names() -> None:
    assert all(re.fullmatch(r"[a-z-]+\.[a-z0-9-]+", case.id) for case in all_cases())


@pytest.mark.timeout(280)
@pytest.mark.parametrize("name", ["memory", "embedded", "oms", "http"])
def test_ours_passes_everything_and_declares_everything(name: str) -> None:
    report = asyncio.run(_run(name))
    assert [(each.case, each.text) for each in report.failed] == []
    others = [each for each in report.outcomes if each.status is not Status.PASS]
    assert {each.status for each in others} <= {Status.SKIPPED}
    assert {each.case.partition(".")[0] for each in others} <= SKIPPED[name]
    assert len(others) <= 14


def test_every_case_stands_in_the_module_of_its_section() -> None:
    folder = Path(__file__).parents[2] / "openmessaging/conformance/cases"
    found = {path.stem: path.read_text() for path in folder.glob("*.py")}
    for case in all_cases():
        assert f'@case(\n    "{case.id}"' in found[case.section.replace("-", "_")] or (
            f'@case("{case.id}"' in found[case.section.replace("-", "_")]
        )
