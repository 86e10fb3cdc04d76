"""Several processes, and anew on a change: nothing is lost meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openmessaging.app.supervisor import Supervisor

PROGRAM = """
import asyncio, os
import openmessaging as oms

app = oms.App("oms:embedded://./store")
VERSION = 1

@app.listener("jobs", concurrency=2)
async def work(job: int) -> None:
    await asyncio.sleep(0.05)
    with open("done", "a") as file:
        file.write(f"{job} {VERSION}\\n")

async def send():
    async with oms.App(app.url) as sender:
        for number in range(60):
            await sender.send("jobs", number)
"""


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_reloading_loses_and_repeats_nothing(tmp_path: Path) -> None:
    program, done = tmp_path / "program.py", tmp_path / "done"
    program.write_text(PROGRAM)
    done.touch()
    subprocess.run(
        [sys.executable, "-c", "import asyncio, program; asyncio.run(program.send())"], cwd=tmp_path, check=True
    )
    command = [sys.executable, "-m", "openmessaging.cli", "run", "program:app", "--reload", "--quiet"]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        for version in (2, 3):
            before = len(done.read_text())
            until(lambda before=before: len(done.read_text()) > before)
            program.write_text(PROGRAM.replace("VERSION = 1", f"VERSION = {version}"))
        until(lambda: len(done.read_text().splitlines()) >= 60)
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    lines = [line.split() for line in done.read_text().splitlines()]
    assert sorted(int(number) for number, _ in lines) == list(range(60))
    assert {version for _, version in lines} >= {"1", "3"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    code = "import os, time; open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
    script = (
        "import sys; from openmessaging.app.supervisor import Supervisor;"
        f"sys.exit(Supervisor([sys.executable, '-c', {code!r}], 2, None, print).run())"
    )
    pids = tmp_path / "pids"
    pids.touch()
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    until(lambda: len(pids.read_text().splitlines()) == 2)
    os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)
    until(lambda: len(pids.read_text().splitlines()) == 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_one_process_ends_with_its_code() -> None:
    script = (
        "import sys; from openmessaging.app.supervisor import Supervisor;"
        "sys.exit(Supervisor([sys.executable, '-c', 'raise SystemExit(7)'], 1, None, print).run())"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 7


def test_only_python_files_that_are_the_users_count(tmp_path: Path) -> None:
    for name in ("a.py", "b.txt", ".hidden/c.py", "__pycache__/d.py", "sub/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Supervisor([], 0, tmp_path, print)._files()
    assert sorted(Path(path).name for path in found) == ["a.py", "e.py"]
