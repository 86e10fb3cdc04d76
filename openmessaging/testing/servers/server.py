"""A messaging system run as processes of this machine, in a directory and on ports of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self


class Missing(Exception):
    """A system cannot be had on this machine; the text says what to install."""


class Server(ABC):
    """One system: `start`, `url`, `stop`; `kill` and `start` again keep its data. Use it as a context.

    Everything it writes is under `folder` (None: a temporary directory, deleted at the end).
    """

    name: ClassVar[str]
    driver: ClassVar[str] = ""
    """Of its URL, where it is not the name."""
    programs: ClassVar[Mapping[str, str]] = {}
    """What it needs installed, with the command that installs it."""
    places: ClassVar[list[str]] = []
    """Where to look for programs before the path."""
    ready_within: ClassVar[float] = 30.0
    """Seconds until it must answer."""

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix=f"oms-{self.name}-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.outlives = False
        """Whether it goes on when this process has ended without stopping it, even by SIGKILL."""
        self._guards: list[subprocess.Popen[bytes]] = []
        self.port = free_port()

    @property
    def url(self) -> str:
        """The access point's URL."""
        return f"oms:{self.driver or self.name}://127.0.0.1:{self.port}/local"

    @classmethod
    def program(cls, name: str) -> str:
        """The path of a program that it needs. Raises Missing, which says how to install it.

        Packages of Python bring programs along; those of Debian put servers where only root's path leads.
        """
        places = [*cls.places, str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"]
        found = shutil.which(name, path=os.pathsep.join(places))
        if found is None:
            raise Missing(f"{name} is not installed; try `{cls.programs[name]}`")
        return found

    @classmethod
    def require(cls) -> None:
        """Look whether it can be had on this machine. Raises Missing."""
        for name in cls.programs:
            cls.program(name)

    @abstractmethod
    def launch(self) -> None:
        """Write the configuration and start the processes (`spawn`)."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients by now; an OSError counts as no."""

    def start(self) -> Self:
        """Start it and wait until it answers. Raises Missing; TimeoutError with the end of its log."""
        self.begin()
        return self.wait()

    def begin(self) -> None:
        """Start it, and do not wait. Raises Missing."""
        self.require()
        self.launch()

    def wait(self) -> Self:
        """Wait until it answers. Raises TimeoutError with the end of its log, and ends it."""
        deadline = time.monotonic() + self.ready_within
        while not self._answers():
            dead = [process for process in self.processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                self.kill()
                what = f"ended with {dead[0].returncode}" if dead else f"did not answer in {self.ready_within:g} s"
                raise TimeoutError(f"{self.name} {what}: {self.log_tail()}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False

    def spawn(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process in the folder, its output in `<folder>/log`."""
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(  # noqa: S603 - commands of ours
                    command,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        if not self.outlives:
            self._guards.append(_guard(self.processes[-1].pid))

    def stop(self) -> None:
        """End it in its own way: SIGTERM, then, after ten seconds, SIGKILL."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
        self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        for guard in self._guards:
            guard.kill()
            guard.communicate()
        self._guards.clear()
        self._signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def pause(self) -> None:
        """Let it hang (SIGSTOP) until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def log_tail(self) -> str:
        """The last lines of what it wrote."""
        log = self.folder / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else "it wrote nothing"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()


def _guard(group: int) -> subprocess.Popen[bytes]:
    """A shell that kills a group of processes once this process has ended, however it did: then the pipe ends that the
    shell reads from."""
    command = ["/bin/sh", "-c", f"read _; kill -9 -{group}"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)  # noqa: S603


def free_port() -> int:
    """A port of the loopback address that nothing uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections at a port."""
    try:
        with socket.create_connection((host, port), 0.5):
            return True
    except OSError:
        return False
