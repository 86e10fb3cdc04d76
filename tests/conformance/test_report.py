"""What a run is written down as: JSON, JUnit, a page, a table."""

from xml.etree import ElementTree

import msgspec

from openmessaging.conformance.case import Outcome, Status
from openmessaging.conformance.catalogue import all_cases
from openmessaging.conformance.page import MARKS, to_html
from openmessaging.conformance.report import Report, to_json, to_junit

CASES = {case.id: case for case in all_cases()}
FIRST = list(CASES)[: len(Status)]
REPORT = Report(
    "redis",
    "1.0",
    "2026-01-01",
    12.5,
    ["admin"],
    ["delay"],
    [Outcome(case, status, 0.5, f"why <{status}>") for case, status in zip(FIRST, Status, strict=True)],
)


def test_json_reads_back() -> None:
    read = msgspec.json.decode(to_json([REPORT]), type=dict[str, list[Report]])
    assert read["reports"] == [REPORT]


def test_junit_counts() -> None:
    suite = ElementTree.fromstring(to_junit([REPORT], CASES))[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        "redis",
        "6",
        "1",
        "2",
    )
    assert len(suite.findall("testcase/failure")) == 1
    assert "why <fail>" in (suite.find("testcase/failure").text or "")  # type: ignore[union-attr]


def test_the_page_shows_every_outcome() -> None:
    page = to_html([REPORT], CASES)
    assert all(MARKS[status] in page for status in Status)
    assert "why &lt;fail&gt;" in page
    assert "why <fail>" not in page
    assert CASES[FIRST[0]].title in page
    assert "Failures" in page


def test_a_page_without_failures_has_no_list_of_them() -> None:
    passed = msgspec.structs.replace(REPORT, outcomes=[Outcome(FIRST[0], Status.PASS, 0.1)])
    assert "Failures" not in to_html([passed], CASES)
