"""Signals end an app that runs; what is at work finishes, nothing is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
