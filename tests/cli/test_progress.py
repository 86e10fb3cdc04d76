import sys

import pytest

from openmessaging.cli.progress import showing
from openmessaging.demo.data import Flight
from openmessaging.demo.report import Begun, Drained, Finished, Killed, Opened, Received, Sent, Step
from tests.cli.conftest import Terminal

FLIGHT = Flight("2001/01/01 00:00", 61, 100, "ATL", "LAX")
STEPS: list[Step] = [
    Begun(400, "flights", "late-flights", "a/store"),
    Opened(11, 0, 0),
    Sent(200),
    Received(1, "id", FLIGHT),
    Killed(11, 1),
    Opened(12, 200, 199),
    Received(1, "id", FLIGHT, again=True),
    Sent(200),
    Finished(),
    Drained(1),
]
SAID = [
    "400 flights to the queue flights, late ones to late-flights, store in a/store",
    "process 11 has the store: one sender, three members of the group read",
    "process 11 killed (SIGKILL) after 1 flights were received",
    "process 12 reopened the store and goes on: 200 flights in the queue, 199 of them not acknowledged",
    "everything is sent, received and acknowledged; counting the late flights",
]


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with showing() as show:
        for step in STEPS:
            show(step)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == SAID


def test_bars_on_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with showing() as show:
        for step in STEPS:
            show(step)
    shown = terminal.shown()
    assert all(text in shown for text in SAID)
    assert "400/400" in shown
    assert "1/400" in shown
