import io
import os
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from openmessaging import blocking as oms
from openmessaging.demo.data import read
from openmessaging.demo.job import Job, Outcome, prepare, reports
from openmessaging.demo.report import Begun, Finished, Killed, Opened, Plan, Received, Sent, Step
from openmessaging.demo.table import Tally
from openmessaging.model.errors import OMSRuntimeException

COUNT = 1_500


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "flights.json"
    path.write_bytes(msgspec.json.encode(read(None)[:COUNT]))
    return str(path)


def test_a_process_is_killed_and_nothing_lost(tmp_path: Path, data: str) -> None:
    steps: list[Step] = []
    outcome = Job(str(tmp_path / "store"), data, steps.append).run()
    assert outcome.matches_input
    document = outcome.document()
    assert list(document) == ["sent", "received", "duplicates", "late", "origins", "matches_input"]
    assert (document["sent"], document["received"], document["matches_input"]) == (COUNT, COUNT, True)
    flights = read(data)
    assert document["late"] == sum(flight.late for flight in flights)
    delays: dict[str, list[int]] = {}
    for flight in flights:
        delays.setdefault(flight.origin, []).append(flight.delay)
    assert document["origins"] == {
        origin: {"flights": len(found), "mean_delay": sum(found) / len(found)} for origin, found in delays.items()
    }
    assert isinstance(steps[0], Begun)
    [killed] = [step for step in steps if isinstance(step, Killed)]
    assert killed.received == COUNT // 2
    first, second = [step for step in steps if isinstance(step, Opened)]
    assert first.pid == killed.pid != second.pid
    assert second.stored >= sum(step.flights for step in steps[: steps.index(second)] if isinstance(step, Sent))
    assert [step for step in steps if isinstance(step, Finished)]
    again = sum(step.again for step in steps if isinstance(step, Received))
    assert again == outcome.duplicates


def test_a_store_is_used_again(tmp_path: Path, data: str) -> None:
    store = str(tmp_path / "store")
    with oms.connect(f"oms:embedded://{store}") as access_point:
        access_point.resource_manager().create_queue("late-flights")
    assert Job(store, data, lambda _: None).outcome.plan.flights == "flights-2"
    assert Job(store, data, lambda _: None).run().matches_input
    with oms.connect(f"oms:embedded://{store}") as access_point:
        assert access_point.resource_manager().describe_queue("flights-3").messages == COUNT


def test_directories_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, code in ((tmp_path, 1418), (tmp_path / "file" / "store", 1501), (tmp_path / "file", 1501)):
        with pytest.raises(OMSRuntimeException) as raised:
            prepare(str(path))
        assert raised.value.code == code
        assert str(path) in raised.value.reason
        assert raised.value.next_step
    assert os.listdir(tmp_path) == ["file"]


def test_a_worker_that_fails_ends_the_job(tmp_path: Path, data: str) -> None:
    job = Job(str(tmp_path / "store"), data, lambda _: None)
    Path(data).write_text("not JSON any more")
    with pytest.raises(OMSRuntimeException) as raised:
        job.run()
    assert raised.value.code == 1400


def test_a_worker_that_dies_by_itself(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(str(tmp_path / "store"), data, lambda _: None)
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 7\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(OMSRuntimeException) as raised:
        job.run()
    assert "ended with 7" in raised.value.reason


def test_a_line_cut_short_is_no_report() -> None:
    lines = msgspec.json.encode(Sent(200)) + b"\n" + msgspec.json.encode(Sent(200))[:-1]
    assert list(reports(io.BytesIO(lines))) == [Sent(200)]


@pytest.mark.parametrize("change", [{"sent": 9}, {"received": 9}, {"lost": 1}, {"consumed": Tally()}, {}])
def test_only_the_same_matches(change: dict[str, object]) -> None:
    flights = read(None)[:10]
    same: dict[str, object] = {"sent": 10, "received": 10, "consumed": Tally.of(flights)}
    plan = Plan("store", "flights", "late-flights", 10, 0, None)
    outcome = Outcome(plan, Tally.of(flights), **{**same, **change})  # type: ignore[arg-type]
    assert outcome.matches_input is (not change)
