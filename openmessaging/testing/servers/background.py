"""Servers that outlive the program that started them: what runs is kept in a directory, and ended by its ids."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import msgspec
import platformdirs

from openmessaging.testing.servers import SYSTEMS

PATIENCE = 10.0
"""Seconds between asking a server to end and ending it."""


class Running(msgspec.Struct):
    """A server that was started: its processes are ids, each with the time of its start, since ids are given again."""

    name: str
    url: str
    folder: str
    processes: list[tuple[int, str]]

    @property
    def alive(self) -> list[int]:
        """Ids of those of its processes that run."""
        return [pid for pid, started in self.processes if born(pid) == started]

    @property
    def memory_bytes(self) -> int:
        """What its processes have in memory; 0 where the system does not say."""
        pages = 0
        for pid in self.alive:
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def state_folder() -> Path:
    """Where what runs is kept."""
    return platformdirs.user_state_path("openmessaging") / "servers"


def running() -> dict[str, Running]:
    """What was started here and not ended, by name; what died by itself is left out and forgotten."""
    found = {}
    for path in sorted(state_folder().glob("*.json")):
        server = msgspec.json.decode(path.read_bytes(), type=Running)
        if server.alive:
            found[server.name] = server
        else:
            _forget(server)
    return found


def up(name: str) -> Running:
    """Start a system by its name, unless it runs, and wait until it answers.

    Raises Missing; TimeoutError with the end of its log.
    """
    there = running().get(name)
    if there is not None:
        return there
    folder = state_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    server = SYSTEMS[name](folder)
    server.outlives = True
    try:
        server.begin()
        processes = [(process.pid, born(process.pid)) for process in server.processes]
        record = Running(name, server.url, str(folder), processes)
        (state_folder() / f"{name}.json").write_bytes(msgspec.json.encode(record))
        server.wait()
    except BaseException:
        server.kill()
        _forget(Running(name, "", str(folder), []))
        raise
    return record


def down(server: Running) -> None:
    """End a server and delete what it kept."""
    _signal(server, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while server.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(server, signal.SIGKILL)
    _forget(server)


def born(pid: int) -> str:
    """When a process started, in a form to be compared; empty when there is none (any more)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    return "some time ago"


def _signal(server: Running, number: signal.Signals) -> None:
    for pid in server.alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)


def _forget(server: Running) -> None:
    shutil.rmtree(server.folder, ignore_errors=True)
    (state_folder() / f"{server.name}.json").unlink(missing_ok=True)
