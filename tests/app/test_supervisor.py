"""Several processes, and anew on a change: nothing is lost meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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


def test_only_python_files_that_are_the_users_count(tmp_path: Path) -> None:
    for name in ("a.py", "b.txt", ".hidden/c.py", "__pycache__/d.py", "sub/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Supervisor([], 0, tmp_path, print)._files()
    assert sorted(Path(path).name for path in found) == ["a.py", "e.py"]


@pytest.fixture
def handlers() -> Iterator[None]:
    """Leaves the handlers of signals as they were: a supervisor has its process for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SLEEPER = "import os, time; open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"


def supervised(
    folder: Path, workers: int, watched: Path | None, then: Callable[[Callable[[], list[int]]], None]
) -> int:
    """Run a supervisor of sleepers in this process, do something meanwhile, and end it by a signal; its exit code."""
    pids = folder / "pids"
    pids.touch()
    failures: list[BaseException] = []

    def meanwhile() -> None:
        try:
            then(lambda: [int(line) for line in pids.read_text().splitlines()])
        except BaseException as failure:
            failures.append(failure)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=meanwhile)
    command = [sys.executable, "-c", f"import os; os.chdir({str(folder)!r}); {SLEEPER}"]
    supervisor = Supervisor(command, workers, watched, print)
    thread.start()
    code = supervisor.run()
    thread.join()
    if failures:
        raise failures[0]
    assert all(child.poll() is not None for child in supervisor._children)
    return code


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_workers_in_this_process(tmp_path: Path, handlers: None, capsys: pytest.CaptureFixture[str]) -> None:
    def kill_one(pids: Callable[[], list[int]]) -> None:
        until(lambda: len(pids()) == 2)
        os.kill(pids()[0], signal.SIGKILL)
        until(lambda: len(pids()) == 3)

    assert supervised(tmp_path, 2, None, kill_one) == 0
    assert capsys.readouterr().out == "a worker ended with -9, starting another\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_a_change_in_this_process(tmp_path: Path, handlers: None, capsys: pytest.CaptureFixture[str]) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()

    def change(pids: Callable[[], list[int]]) -> None:
        until(lambda: len(pids()) == 1)
        (watched / "new.py").write_text("x = 1")
        until(lambda: len(pids()) == 2)

    assert supervised(tmp_path, 1, watched, change) == 0
    assert capsys.readouterr().out == "a file has changed, starting anew\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_the_code_of_a_process_that_ended(handlers: None) -> None:
    assert Supervisor([sys.executable, "-c", "raise SystemExit(7)"], 1, None, print).run() == 7
