"""What a service manager is told, over a real socket."""

import os
import socket
from pathlib import Path

import pytest

from openmessaging.server.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_alive_stopping(tmp_path: Path, abstract: bool) -> None:
    path = f"@openmessaging-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path.replace("@", "\0"))
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
        assert notifier.watchdog == 30
        notifier.ready("serving")
        assert manager.recv(100) == b"READY=1\nSTATUS=serving"
        notifier.alive()
        assert manager.recv(100) == b"WATCHDOG=1"
        notifier.stopping()
        assert manager.recv(100) == b"STOPPING=1\nSTATUS=stopping"


def test_nobody_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready("x")
    assert Notifier({"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "1"}).watchdog is None
    assert caplog.records == []
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("x")
    assert "was not told 'READY=1'" in caplog.text
