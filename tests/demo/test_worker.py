from contextlib import redirect_stdout
from pathlib import Path

import msgspec
import pytest

from openmessaging import blocking as oms
from openmessaging.demo import worker
from openmessaging.demo.data import Flight, read
from openmessaging.demo.job import prepare, reports
from openmessaging.demo.report import Failed, Finished, Opened, Plan, Received, Report, Sent
from openmessaging.model.errors import error

COUNT = 450


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    data = tmp_path / "flights.json"
    data.write_bytes(msgspec.json.encode(read(None)[:COUNT]))
    store = str(tmp_path / "store")
    return Plan(store, *prepare(store), COUNT, 0, str(data))


def run(plan: Plan, code: int = 0) -> list[Report]:
    """Work in this process; what it said."""
    path = Path(plan.store).with_name("said")
    with path.open("w") as stream, redirect_stdout(stream):
        status = worker.main([msgspec.json.encode(plan).decode()])
    assert status == code, path.read_text()[-500:]
    with path.open("rb") as lines:
        return list(reports(lines))


def test_everything_is_sent_consumed_and_acknowledged(plan: Plan) -> None:
    told = run(plan)
    assert isinstance(told[0], Opened)
    assert (told[0].stored, told[0].waiting) == (0, 0)
    assert isinstance(told[-1], Finished)
    assert sum(report.flights for report in told if isinstance(report, Sent)) == COUNT
    received = [report for report in told if isinstance(report, Received)]
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


def test_a_sender_goes_on_where_the_queue_ends(plan: Plan) -> None:
    """The batch that was stored before the kill, acknowledged or not, is not sent again."""
    with oms.connect(f"oms:embedded://{plan.store}") as access_point, access_point.create_producer() as producer:
        stored = read(plan.data)[: worker.BATCH]
        producer.send(
            [
                producer.create_message(plan.flights, msgspec.json.encode(flight), message_key=flight.origin)
                for flight in stored
            ]
        )
    told = run(plan)
    assert isinstance(told[0], Opened)
    assert told[0].stored == worker.BATCH
    assert sum(report.flights for report in told if isinstance(report, Sent)) == COUNT - worker.BATCH
    flights = [report.flight for report in told if isinstance(report, Received)]
    assert sorted(map(repr, flights)) == sorted(map(repr, read(plan.data)))


def test_a_failure_is_reported(plan: Plan) -> None:
    with oms.connect(f"oms:embedded://{plan.store}") as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message(plan.flights, b"no flight"))
    told = run(plan, code=1)
    failures = [report for report in told if isinstance(report, Failed)]
    assert failures[0].code == 1500
    assert "unexpected" in failures[0].reason


def test_a_store_that_cannot_be_opened_is_reported(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [told] = run(msgspec.structs.replace(plan, store=str(tmp_path / "file")), code=1)
    assert isinstance(told, Failed)
    assert told.code == 1501


def test_failed() -> None:
    assert worker.failed(error(1501, "full", next_step="free")) == Failed(1501, "full", "free")
    assert worker.failed(ValueError("x")).code == 1500
    assert Flight("d", 61, 1, "A", "B").late
