"""The audit log: a line per event, bounded when somebody tries to fill it, and one that can be rotated."""

import json
import logging
from pathlib import Path

import pytest

from openmessaging.server.security.audit import Audit
from openmessaging.server.security.grants import Action
from openmessaging.server.security.identity import Credentials, Identity

ALICE = Identity("alice", "token", peer="192.0.2.7", token="ab12")


def test_lines_go_to_the_logger_without_a_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "openmessaging.audit")
    audit = Audit(None, lambda: 1_000)
    audit.allowed(ALICE, "send", Action.SEND, "sales://orders")
    audit.close()
    assert json.loads(caplog.messages[0]) == {
        "time": "1970-01-01T00:00:01.000+00:00",
        "user": "alice",
        "how": "token",
        "peer": "192.0.2.7",
        "operation": "send",
        "action": "send",
        "resource": "sales://orders",
        "outcome": "allowed",
    }


def test_refusals_cannot_fill_the_disk(tmp_path: Path) -> None:
    now = [0]
    audit = Audit(str(tmp_path / "log"), lambda: now[0])
    for _ in range(500):
        audit.denied(ALICE, "send", Action.SEND, "sales://orders")
        audit.turned_away(Credentials("bob", "x"), "no such token")
    now[0] = 1_000
    audit.denied(ALICE, "send", Action.SEND, "sales://orders")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) == 102
    assert [line["refusals"] for line in lines if line["operation"] == "left-out"] == [900]


def test_a_name_cannot_forge_a_line(tmp_path: Path) -> None:
    audit = Audit(str(tmp_path / "log"), lambda: 0)
    audit.turned_away(Credentials('x"}\n{"user": "root'), "no such token")
    [line] = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["user"] == 'x"}\n{"user": "root'


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    audit = Audit(str(tmp_path / "log"), lambda: 0)
    audit.told("users-read", users=1)
    (tmp_path / "log").rename(tmp_path / "log.1")
    audit.told("users-read", users=2)
    audit.close()
    assert '"users":2' in (tmp_path / "log").read_text()
    assert '"users":1' in (tmp_path / "log.1").read_text()
