import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from openmessaging import blocking as oms
from openmessaging.demo import worker
from openmessaging.demo.data import Flight, read
from openmessaging.demo.job import prepare, reports
from openmessaging.demo.report import Failed, Finished, Opened, Plan, Received, Sent
from openmessaging.model.errors import error

COUNT = 450


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    data = tmp_path / "flights.json"
    data.write_bytes(msgspec.json.encode(read(None)[:COUNT]))
    store = str(tmp_path / "store")
    return Plan(store, *prepare(store), COUNT, 0, str(data))


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What the worker writes to its standard output can be read here."""
    reader, writer = os.pipe()

    class Out:
        def fileno(self) -> int:
            return writer

    monkeypatch.setattr("sys.stdout", Out())
    yield reader
    os.close(reader)


def run(plan: Plan, pipe: int, code: int = 0) -> list[object]:
    import sys
    import threading

    found: list[object] = []
    with os.fdopen(os.dup(pipe), "rb") as stream:
        reading = threading.Thread(target=lambda: found.extend(reports(stream)))
        reading.start()
        assert worker.main([msgspec.json.encode(plan).decode()]) == code
        os.close(sys.stdout.fileno())
        reading.join()
    return found


def test_everything_is_sent_consumed_and_acknowledged(plan: Plan, pipe: int) -> None:
    said = run(plan, pipe)
    assert isinstance(said[0], Opened)
    assert (said[0].stored, said[0].waiting) == (0, 0)
    assert isinstance(said[-1], Finished)
    assert sum(report.flights for report in said if isinstance(report, Sent)) == COUNT
    received = [report for report in said if isinstance(report, Received)]
    flights = read(plan.data)
    assert len({report.message_id for report in received}) == len(received) == COUNT
    assert sorted(map(repr, flights)) == sorted(repr(report.flight) for report in received)
    by_origin = {flight.origin: [each for each in flights if each.origin == flight.origin] for flight in flights}
    for origin, expected in by_origin.items():
        assert [report.flight for report in received if report.flight.origin == origin] == expected, "order per key"
    with oms.connect(f"oms:embedded://{plan.store}") as access_point:
        assert access_point.resource_manager().describe_group(plan.flights, worker.GROUP).lag == 0
        with access_point.create_pull_consumer(plan.late, "g") as consumer:
            late = consumer.batch_receive(COUNT, timeout=0)
            assert {str(message.extension_header.correlation_id) for message in late} == {
                report.message_id for report in received if report.flight.late
            }


def test_a_sender_goes_on_where_the_queue_ends(plan: Plan, pipe: int) -> None:
    """The batch that was stored before the kill, acknowledged or not, is not sent again."""
    with oms.connect(f"oms:embedded://{plan.store}") as access_point, access_point.create_producer() as producer:
        stored = read(plan.data)[: worker.BATCH]
        producer.send(
            [
                producer.create_message(plan.flights, msgspec.json.encode(flight), message_key=flight.origin)
                for flight in stored
            ]
        )
    said = run(plan, pipe)
    assert isinstance(said[0], Opened)
    assert said[0].stored == worker.BATCH
    assert sum(report.flights for report in said if isinstance(report, Sent)) == COUNT - worker.BATCH
    flights = [report.flight for report in said if isinstance(report, Received)]
    assert sorted(map(repr, flights)) == sorted(map(repr, read(plan.data)))


def test_a_failure_is_reported(plan: Plan, pipe: int) -> None:
    with oms.connect(f"oms:embedded://{plan.store}") as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message(plan.flights, b"no flight"))
    said = run(plan, pipe, code=1)
    failures = [report for report in said if isinstance(report, Failed)]
    assert failures[0].code == 1500
    assert "unexpected" in failures[0].reason


def test_a_store_that_cannot_be_opened_is_reported(plan: Plan, pipe: int) -> None:
    with oms.connect(f"oms:embedded://{plan.store}", {"flush": "never"}):
        said = run(msgspec.structs.replace(plan, store=f"{plan.data}/store"), pipe, code=1)
    assert isinstance(said[0], Failed)
    assert said[0].code == 1501


def test_failed() -> None:
    assert worker.failed(error(1501, "full", next_step="free")) == Failed(1501, "full", "free")
    assert worker.failed(ValueError("x")).code == 1500
    assert Flight("d", 61, 1, "A", "B").late
