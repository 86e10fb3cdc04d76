"""What a forked child must not share."""

from __future__ import annotations

import os
import socket

import pytest

from openmessaging.system.fork import keep_private

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def in_child(work) -> int:
    """The exit status of a child that does some work: 0 when it returned true."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_connection_is_not_the_childs(tmp_path):
    ours, theirs = socket.socketpair()
    shared, other = socket.socketpair()
    keep_private(ours)

    def child():
        try:
            ours.send(b"x")
        except OSError:
            shared.send(b"y")
            ours.close()
            return True
        return False

    assert in_child(child) == 0
    assert other.recv(1) == b"y", "what is not private is shared"
    ours.send(b"z")
    assert theirs.recv(1) == b"z", "the parent's goes on"
    ours.close()
    assert in_child(lambda: True) == 0, "what is closed is no trouble"
    for each in (theirs, shared, other):
        each.close()
