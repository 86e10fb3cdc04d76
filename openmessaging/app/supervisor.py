"""Processes that run an app: several of them, and anew when its files change.

The supervisor only starts, watches and stops; it loads nothing of the app, so a change of any file counts. A child is
asked to stop by SIGTERM and finishes what it is at.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

POLL = 0.3
"""Seconds between looks at files and processes."""
PAUSE = 1.0
"""Seconds before a process that failed is started again."""
SKIPPED = {"__pycache__", "node_modules", "venv"}


class Supervisor:
    """Keeps processes running.

    Args:
        command: what each process runs.
        workers: how many there are.
        folder: where a change of a Python file starts all anew; None: nowhere.
        say: tells people what happens.
    """

    def __init__(self, command: Sequence[str], workers: int, folder: Path | None, say: Callable[[str], None]) -> None:
        self._command = command
        self._workers = workers
        self._folder = folder
        self._say = say
        self._asked = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit code: that of a child that failed, without reloading or others."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        files = self._files()
        self._start()
        try:
            while not self._asked.wait(POLL):
                found = self._files()
                if found != files:
                    files = found
                    self._say("a file has changed, starting anew")
                    self._stop()
                    self._start()
                failed = self._ended()
                if failed is not None and self._folder is None and self._workers == 1:
                    return failed
        finally:
            self._stop()
        return 0

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._asked.set()

    def _start(self) -> None:
        # A terminal's Ctrl-C goes to this process alone, which passes it on as SIGTERM.
        self._children = [self._child() for _ in range(self._workers)]

    def _child(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 - this very program

    def _stop(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.terminate()
        for child in self._children:
            child.wait()

    def _ended(self) -> int | None:
        """Look after children that ended: with several, one is started in its place; the code of one that ended."""
        for at, child in enumerate(self._children):
            code = child.poll()
            if code is None:
                continue
            if self._workers > 1 and not self._asked.wait(PAUSE):
                self._say(f"a worker ended with {code}, starting another")
                self._children[at] = self._child()
            return code
        return None

    def _files(self) -> dict[str, int]:
        """Python files with their times."""
        found: dict[str, int] = {}
        if self._folder is not None:
            for folder, names, files in os.walk(self._folder):
                names[:] = [name for name in names if name not in SKIPPED and not name.startswith(".")]
                for name in files:
                    if name.endswith(".py"):
                        path = os.path.join(folder, name)
                        try:
                            found[path] = os.stat(path).st_mtime_ns
                        except OSError:  # gone meanwhile
                            continue
        return found
