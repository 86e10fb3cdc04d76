"""`oms serve`, as a process."""

import json
import signal
import subprocess
import sys

import pytest

from openmessaging import blocking
from openmessaging.cli.root import main, run


def test_it_serves_until_it_is_told_to_stop(tmp_path) -> None:
    program = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(tmp_path / "store")]
    options = ["--listen", "0", "--unix", str(tmp_path / "oms.sock"), "--flush", "never", "--json"]
    process = subprocess.Popen([*program, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())
    with blocking.connect(started["url"]) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"x"))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    assert told.splitlines()[-1] == "oms serve: stopping"
    with blocking.connect(started["store"]) as access_point:
        assert access_point.resource_manager().describe_queue("orders").messages == 1


@pytest.mark.parametrize("address", ["0.0.0.0:7667", "192.0.2.1:7667", "[::]:7667"])
def test_nothing_but_loopback_is_open(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["serve", "--listen", address]) == 2
    assert "loopback" in capsys.readouterr().err
