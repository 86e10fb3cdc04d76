"""`oms mirror`: the same command goes on; what is lost is said first; following ends with Ctrl-C."""

import io
import json
import select
import signal
from pathlib import Path
from unittest.mock import patch

import pytest

from openmessaging.cli import mirror as module
from openmessaging.mirror.plan import Plan, Step
from openmessaging.model.spi import QueueInfo
from tests.cli.conftest import Oms


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"oms:embedded://{tmp_path}/target"


def test_a_queue_moves(oms_cli: Oms, target: str) -> None:
    oms_cli("send", "orders", "a", "b", "c", "--key", "k")
    assert oms_cli("mirror", oms_cli.url, target).stdout == "copied 3 messages\n"
    assert oms_cli("mirror", oms_cli.url, target).stdout == "copied 0 messages\n"
    oms_cli("send", "orders", "d")
    assert oms_cli.json("mirror", oms_cli.url, target) == {"copied": 1, "losses": []}
    assert oms_cli("receive", "orders", "--peek", "--url", target).stdout == "a\nb\nc\nd\n"
    assert oms_cli.json("mirror", oms_cli.url, target, "--name", "other", "--from", "latest")["copied"] == 0
    assert oms_cli.error("mirror", oms_cli.url, target, "--queues", "nowhere")["code"] == 1404


def test_what_is_lost_is_asked_about(oms_cli: Oms, target: str) -> None:
    oms_cli("send", "orders", "a", "--delay", "1h")
    refused = oms_cli("mirror", oms_cli.url, target, code=1)
    assert "1 messages are not due yet" in refused.stderr
    assert "--yes" in refused.stderr
    said = oms_cli.json("mirror", oms_cli.url, target, "--yes")
    assert said["copied"] == 0
    assert "not due yet" in said["losses"][0]


def test_following_ends_with_ctrl_c(oms_cli: Oms, target: str) -> None:
    oms_cli("send", "orders", "a")
    with oms_cli.popen("mirror", oms_cli.url, target, "--follow", "--json") as process:
        try:
            wait_for(oms_cli, target, 1)
            oms_cli("send", "orders", "b")
            wait_for(oms_cli, target, 2)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert json.loads(out)["copied"] == 2


def wait_for(oms_cli: Oms, target: str, count: int) -> None:
    for _ in range(100):
        shown = oms_cli.popen("queue", "describe", "orders", "--url", target, "--json")
        out, _ = shown.communicate(timeout=20)
        if shown.returncode == 0 and json.loads(out)["messages"] == count:
            return
        select.select([], [], [], 0.1)
    raise AssertionError(f"{count} messages did not come")


def test_a_bar_for_each_queue() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    info = QueueInfo("default://q", 1, 4, [(0, 4)], [], {})
    plan = Plan([Step("default://q", info, 1, False, ["one"])], ["all"])
    with patch("sys.stderr", shown), module._bars(plan) as show:
        show("default://q", 4)
    assert "4/4" in shown.getvalue()
    assert module.losses(plan) == ["TO: all", "default://q: one"]
