import sys

import pytest

from openmessaging.cli.output import as_text, as_time, counting, harmless, print_fields, print_table
from tests.cli.conftest import Terminal

ROWS = [("orders", 12_345, 1.5), ("a much longer name of a queue", 7, 22.25)]


def test_a_table_in_a_pipe_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("queue", "messages", "mean"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "queue                          messages   mean",
        "orders                           12,345   1.50",
        "a much longer name of a queue         7  22.25",
    ]


def test_a_table_without_rows_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("queue", "messages"), [])
    assert capsys.readouterr().out == "queue  messages\n"


def test_a_table_on_a_terminal_is_framed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    print_table(("queue", "messages", "mean"), [*ROWS, ("[red]\x1b[31m", None, "")])
    shown = terminal.shown()
    assert "──" in shown
    assert "12,345" in shown
    assert "[red]\\x1b[31m" in shown


def test_a_cell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("reason",), [("first\nsecond",)])
    assert capsys.readouterr().out == "reason\nfirst\\nsecond\n"


def test_fields(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"queue": "orders", "oldest": None, "messages": 1_000})
    assert capsys.readouterr().out.split() == ["queue", "orders", "oldest", "messages", "1,000"]


def test_bodies(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_text("grün\x1b".encode()) == "grün\x1b"
    assert as_text(b"\xff\x00") == "hex:ff00"
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    assert as_text("grün\x1b[2J".encode()) == "grün\\x1b[2J"
    assert harmless("a\nb") == "a\\nb"


def test_times() -> None:
    assert as_time(1_767_225_600_000) == "2026-01-01 00:00:00Z"
    assert as_time(None) == ""


def test_a_count_is_shown_on_a_terminal_only(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with counting("sent") as advance:
        advance(500)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    with counting("sent") as advance:
        advance(500)
    assert "sent 500" in terminal.shown()
