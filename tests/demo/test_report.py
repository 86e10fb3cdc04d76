import msgspec
import pytest

from openmessaging.demo.data import Flight
from openmessaging.demo.report import Failed, Finished, Opened, Received, Report, Sent

FLIGHT = Flight("2001/01/01 00:00", 61, 100, "ATL", "LAX")


@pytest.mark.parametrize(
    "report", [Opened(1, 2, 3), Sent(200), Received(1, "id", FLIGHT), Finished(), Failed(1501, "full", "free some")]
)
def test_a_report_goes_through_a_pipe(report: Report) -> None:
    line = msgspec.json.encode(report)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Report) == report


def test_a_failure_is_an_error_again() -> None:
    failure = Failed(1501, "the disk is full", "Free some space").exception()
    assert (failure.code, failure.reason, failure.next_step) == (1501, "the disk is full", "Free some space")
