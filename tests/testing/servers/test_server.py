"""Servers as processes: what all have in common, shown with a small one."""

import os
import subprocess
import sys
import time

import pytest

from openmessaging.testing.servers.server import Server, listens

ECHO = "import http.server, sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), {}).serve_forever()"


class Small(Server):
    name = "small"

    def launch(self) -> None:
        self.spawn([sys.executable, "-c", ECHO.format("http.server.BaseHTTPRequestHandler"), str(self.port)])

    def answers(self) -> bool:
        return listens(self.port)


class Broken(Small):
    name = "broken"

    def launch(self) -> None:
        self.spawn([sys.executable, "-c", "raise SystemExit('no such option')"])


def test_it_is_started_killed_started_again_and_ended() -> None:
    with Small() as server:
        folder = server.folder
        assert server.url == f"oms:small://127.0.0.1:{server.port}/local"
        assert listens(server.port)
        server.kill()
        assert not listens(server.port)
        server.start()
        assert listens(server.port)
    assert not listens(server.port)
    assert not folder.exists()


def test_one_that_ends_at_once_says_why() -> None:
    with pytest.raises(TimeoutError, match="no such option"):
        Broken().start()


def test_it_ends_with_the_process_that_started_it_however_that_ends() -> None:
    program = """
import sys
from tests.testing.servers.test_server import Small
print(Small().start().processes[0].pid, flush=True)
sys.stdin.read()
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    server = int(starter.stdout.readline())
    assert runs(server)
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 10
    while runs(server):
        assert time.monotonic() < deadline


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
