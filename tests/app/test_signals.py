"""Signals end an app that runs; what is at work finishes, nothing is lost."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import openmessaging as oms
from openmessaging.app.signals import StopSignals

PROGRAM = """
import asyncio, contextlib, os, sys
import openmessaging as oms

app = oms.App(f"oms:embedded://{sys.argv[1]}", grace=20.0)

@app.listener("jobs", concurrency=4)
async def work(job: int) -> None:
    print("begun", job, flush=True)
    await asyncio.sleep(0.2)
    with open(sys.argv[2], "a") as file:
        file.write(f"{job}\\n")

@contextlib.asynccontextmanager
async def lifespan(app):
    for number in range(int(sys.argv[3])):
        await app.send("jobs", number)
    yield

app.lifespan = lifespan
asyncio.run(app.run())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(tmp_path: Path, number: int) -> None:
    done = tmp_path / "done"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "store"), str(done)]
    for jobs in ("12", "0"):
        process = subprocess.Popen([*command, jobs], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        seen = 0
        while seen < (1 if jobs == "12" else 8):
            assert process.stdout.readline().startswith("begun")
            seen += 1
        os.kill(process.pid, number)
        process.stdout.read()
        assert process.wait(30) == 0
    assert sorted(map(int, done.read_text().split())) == list(range(12))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_ends_with_what_is_at_work(number: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app, done = oms.App(f"oms:embedded://{tmp_path}/store", title="shop"), []

    @app.listener("jobs")
    async def work(job: int) -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(0)
        done.append(job)

    async with app:  # made before, so that the signal comes while it runs
        pass
    async with oms.connect(app.url) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("jobs", b"1"))
    before = signal.getsignal(number)
    with caplog.at_level(logging.INFO, "openmessaging.app"):
        await asyncio.wait_for(app.run(), 30)
    assert done == [1]
    assert signal.getsignal(number) is before
    assert [record.getMessage().partition(" on ")[0] for record in caplog.records] == [
        "shop runs",
        "shop stops; listeners at work have 30 s",
        "shop has stopped",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_has_its_usual_effect(number: int) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with StopSignals() as signals:
        assert signal.getsignal(number) is not before[number == signal.SIGINT]
        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.came.wait(), 5)
        assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
async def test_a_loop_that_knows_no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of Windows."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", refuse)
    monkeypatch.setattr(loop, "remove_signal_handler", refuse)
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.came.wait(), 5)
    assert signal.getsignal(signal.SIGTERM) is before
