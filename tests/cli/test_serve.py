"""`oms serve`, as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openmessaging import blocking
from openmessaging.cli.root import main, run
from openmessaging.cli.serve import configured


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
    assert run(main, ["serve", "--listen", address]) == 1
    assert "from other machines" in capsys.readouterr().err


def test_check_only_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "oms.toml"
    file.write_text(f"[store]\npath = '{tmp_path}/store'\n")
    monkeypatch.setenv("OMS_SERVE_CONFIG", str(file))
    assert run(main, ["serve", "--check"]) == 0
    assert capsys.readouterr().err == f"oms serve: {file} is valid\n"
    file.write_text("[store]\npartition = 1\n")
    assert run(main, ["serve", "--check"]) == 1
    assert f"{file}:2: there is no option store.partition. Did you mean partitions?" in capsys.readouterr().err
    assert run(main, ["serve", "--check", "--config", str(tmp_path / "none.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_options_win_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SERVE_STORE_PATH", str(tmp_path))
    monkeypatch.setenv("OMS_SERVE_LISTEN_TCP", "localhost:1")
    given = {"http": ("::1", 80), "unix": None, "flush": "never"}
    config = configured(None, store="here", listen=None, **given)
    assert (config.store.path, config.store.flush) == ("here", "never")
    assert (config.listen.tcp, config.http.listen) == ("localhost:1", "[::1]:80")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="not on Windows")
def test_sighup_reads_the_users_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    program = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(store), "--listen", "0", "--json"]
    audit = tmp_path / "audit"
    environment = {**os.environ, "OMS_SERVE_SECURITY_AUDIT": str(audit)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run(main, ["user", "add", "alice", "--store", str(store)]) == 0
        process.send_signal(signal.SIGHUP)
        while "users-read" not in audit.read_text():
            time.sleep(0.02)
        process.terminate()
        assert process.wait(10) == 0


def test_systemd_is_told_and_the_watchdog_is_fed(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "openmessaging.cli", "serve", "--store", str(tmp_path / "store"), "--listen", "0"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        process = subprocess.Popen([*program, "--log-format", "json"], stderr=subprocess.PIPE, env=os.environ | told)
        assert manager.recv(1000).startswith(b"READY=1\nSTATUS=serving oms:embedded://")
        assert manager.recv(1000) == b"WATCHDOG=1"
        process.terminate()
        while (message := manager.recv(1000)) == b"WATCHDOG=1":
            pass
        assert message.startswith(b"STOPPING=1")
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines[-1]["message"] == "stopping"
    assert {line["level"] for line in lines} == {"info"}
