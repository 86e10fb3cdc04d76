import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from openmessaging.demo.data import read
from openmessaging.demo.job import Outcome
from openmessaging.demo.report import Plan
from openmessaging.demo.table import Tally
from tests.cli.conftest import Oms


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "flights.json"
    path.write_bytes(msgspec.json.encode(read(None)[:1_000]))
    return str(path)


def test_the_main_job(oms_cli: Oms) -> None:
    out, err = oms_cli.process("demo", "--json")
    document = json.loads(out)
    flights = read(None)
    assert (document["sent"], document["received"], document["matches_input"]) == (20_000, 20_000, True)
    assert document["late"] == sum(flight.delay > 60 for flight in flights)
    assert {name: origin["flights"] for name, origin in document["origins"].items()} == Counter(
        flight.origin for flight in flights
    )
    atlanta = [flight.delay for flight in flights if flight.origin == "ATL"]
    assert document["origins"]["ATL"]["mean_delay"] == sum(atlanta) / len(atlanta)
    for words in ("20,000 flights to the queue flights", "killed (SIGKILL)", "reopened the store"):
        assert words in err
    assert "\x1b" not in err


def test_the_table_and_the_store_that_stays(oms_cli: Oms, data: str) -> None:
    text = oms_cli("demo", "--data", data, "--store", str(oms_cli.directory)).stdout
    assert text.splitlines()[0].split()[:5] == ["origin", "flights", "in", "file", "mean"]
    assert "all" in text
    assert "DIFFERS" not in text
    assert "What was consumed equals the file" in text
    queues = {queue["name"]: queue["messages"] for queue in oms_cli.json("queue", "list")}
    assert queues["default://flights"] == 1_000
    assert oms_cli("store", "verify", str(oms_cli.directory)).stdout.startswith("whole")


def test_a_difference_is_shown_and_fails(oms_cli: Oms, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    flights = read(data)
    plan = Plan("store", "flights", "late-flights", 1_000, 0, data)
    wrong = Outcome(plan, Tally.of(flights), Tally.of(flights[:-1]), sent=1_000, received=999)
    monkeypatch.setattr("openmessaging.demo.job.Job.run", lambda _: wrong)
    text = oms_cli("demo", "--data", data, code=1).stdout
    assert "DIFFERS" in text
    assert "What was consumed DIFFERS from the file of 1,000 flights" in text
    assert oms_cli.json("demo", "--data", data, code=1)["matches_input"] is False


def test_bad_input(oms_cli: Oms, tmp_path: Path) -> None:
    data = tmp_path / "bad.json"
    data.write_text("[\n nonsense")
    found = oms_cli.error("demo", "--data", str(data))
    assert (found["code"], "line 2" in found["reason"]) == (1400, True)
    data.write_text('[{"date": "x", "delay": "y"}]')
    found = oms_cli.error("demo", "--data", str(data))
    assert (found["code"], "flight 1, field delay" in found["reason"]) == (1418, True)
    assert oms_cli.error("demo", "--store", f"{data}/store")["code"] == 1501
    assert oms_cli.error("demo", "--store", str(tmp_path))["code"] == 1418


def test_an_interrupt_stops_the_worker_too(oms_cli: Oms, tmp_path: Path) -> None:
    process = oms_cli.popen("demo", "--store", str(tmp_path / "store"), start_new_session=True)
    assert process.stderr is not None
    worker = 0
    for line in process.stderr:
        if line.startswith("process "):
            worker = int(line.split()[1])
            break
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
    pytest.fail("the worker lives on")
