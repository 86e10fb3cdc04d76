import io
from unittest.mock import patch

from openmessaging.cli import copy as module
from openmessaging.model.replay import CopyInfo
from tests.cli.conftest import Oms


def test_copy(oms_cli: Oms) -> None:
    oms_cli("send", "orders", "a", "b", "c", "d")
    oms_cli("queue", "create", "aside")
    assert oms_cli("queue", "copy", "orders", "aside", "--from", "offset:1", "--until", "offset:3").stdout == (
        "copied default://orders to default://aside\n"
    )
    assert oms_cli("receive", "aside", "--peek").stdout == "b\nc\n"
    for _ in range(2):
        assert oms_cli.json("queue", "copy", "orders", "aside", "--name", "once")["ends"] == [4]
    assert oms_cli.json("queue", "describe", "aside")["messages"] == 6
    assert oms_cli.error("queue", "copy", "none", "aside")["code"] == 1404
    assert oms_cli.error("queue", "copy", "orders", "none")["code"] == 1404
    assert oms_cli.error("queue", "copy", "orders", "aside", "--from", "there")["code"] == 1418


def test_the_bar_fills() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    with patch("sys.stderr", shown), module._bar() as show:
        for left in (4, 2, 0):
            show(CopyInfo("c", "a", "b", [4 - left], [4]))
    assert "4/4" in shown.getvalue()
