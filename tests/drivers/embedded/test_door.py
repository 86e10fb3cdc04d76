"""Where the holder of a store is reached."""

from __future__ import annotations

import os
import socket
import stat
import sys

import pytest

from openmessaging.drivers.embedded import door
from openmessaging.drivers.embedded.door import DOOR, SOCKET, Address, open_door, read_door

needs_unix = pytest.mark.skipif(door.TRANSPORT != "unix", reason="no Unix sockets")


def connect(directory: str) -> socket.socket:
    address = read_door(directory)
    assert address is not None
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address.socket_path(directory))
    return connection


@needs_unix
def test_a_socket_in_the_directory_that_only_its_user_may_open(tmp_path):
    directory = str(tmp_path)
    assert read_door(directory) is None
    opened = open_door(directory, {"flush": "never"})
    assert read_door(directory) == opened.address == Address({"flush": "never"}, SOCKET)
    for name in (DOOR, SOCKET):
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600
    connect(directory).close()
    opened.close()
    assert list(tmp_path.iterdir()) == []
    assert read_door(directory) is None


@needs_unix
def test_what_a_dead_holder_left_is_replaced(tmp_path):
    directory = str(tmp_path)
    dead = open_door(directory, {})
    dead.listener.close()
    with pytest.raises(ConnectionRefusedError):
        connect(directory)
    opened = open_door(directory, {})
    connect(directory).close()
    opened.close()


@needs_unix
def test_a_path_that_is_too_long_for_a_socket(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    left = open_door(str(deep), {})
    assert os.path.isabs(left.address.unix)
    assert len(left.address.unix) <= door.LONGEST_PATH
    assert stat.S_IMODE(os.stat(os.path.dirname(left.address.unix)).st_mode) == 0o700
    connect(str(deep)).close()
    left.listener.close()
    opened = open_door(str(deep), {})
    assert not os.path.exists(left.address.unix), "what the dead one left is gone, wherever it lay"
    opened.close()
    assert not os.path.exists(os.path.dirname(opened.address.unix))


@needs_unix
def test_no_socket_anywhere(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(door.tempfile, "tempdir", str(deep))
    with pytest.raises(OSError, match="too long"):
        open_door(str(deep), {})
    assert list(deep.iterdir()) == []


def test_loopback_with_a_secret(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "TRANSPORT", "tcp")
    first = open_door(str(tmp_path), {})
    address = read_door(str(tmp_path))
    assert address is not None
    assert address.unix == ""
    assert len(address.secret) == 64
    if sys.platform != "win32":
        assert stat.S_IMODE(os.stat(tmp_path / DOOR).st_mode) == 0o600
    socket.create_connection(("127.0.0.1", address.port)).close()
    first.close()
    second = open_door(str(tmp_path), {})
    assert second.address.secret != address.secret
    second.close()


def test_a_directory_that_cannot_be_written_leaves_no_listener(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "TRANSPORT", "tcp")
    with pytest.raises(OSError, match="No such file"):
        open_door(str(tmp_path / "missing"), {})


def test_a_door_that_is_no_door(tmp_path):
    (tmp_path / DOOR).write_text("half a l")
    assert read_door(str(tmp_path)) is None


def test_a_process_has_a_name_of_its_own():
    assert door.own_name() == door.own_name()
    assert str(os.getpid()) in door.own_name()
