"""HELLO with credentials, over real connections: who gets in, what the others are told, and what ends a connection."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmessaging.server.security.hashing import hash_password
from openmessaging.server.security.quotas import Quota
from openmessaging.wire import Hello, Kind
from tests.server.security.helpers import add_user
from tests.server.test_connection import QUEUE, Raw
from tests.servers import Serving, serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def token(path: Path) -> str:
    return add_user(path, "alice", f"send,receive {QUEUE}", password=hash_password("correct horse", 10))


@pytest.fixture
def server(path: Path, token: str) -> Iterator[Serving]:
    with serving("oms:memory:", security={"users": str(path)}) as running:
        yield running


def hello(raw: Raw, account: str, key: str) -> None:
    raw.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", "by hand", account, key))


def kind_of(raw: Raw) -> int | None:
    frame = raw.next()
    return None if frame is None else frame.kind


def look_around(server: Serving) -> None:
    done = threading.Event()
    server.loop.call_soon_threadsafe(lambda: (server.server.security.look_around(), done.set()))
    assert done.wait(5)


@pytest.mark.parametrize("account", ["", "alice"])
def test_a_token_gets_in(server: Serving, token: str, account: str) -> None:
    raw = Raw(server.port)
    hello(raw, account, token)
    assert kind_of(raw) == Kind.WELCOME


def test_a_password_gets_in_and_what_came_behind_it_is_done(server: Serving) -> None:
    raw = Raw(server.port)
    hello(raw, "alice", "correct horse")
    raw.call(2, "partition_count", QUEUE)
    raw.tell(Kind.PING, 3, b"")
    assert [kind_of(raw), kind_of(raw), kind_of(raw)] == [Kind.WELCOME, Kind.RESULT, Kind.PONG]
    raw.call(4, "partition_count", QUEUE)
    assert kind_of(raw) == Kind.RESULT


@pytest.mark.parametrize(
    ("account", "key"), [("", ""), ("alice", ""), ("alice", "wrong password"), ("", "oms_01234567_x"), ("bob", "token")]
)
def test_others_are_told_1401_and_hung_up_on(server: Serving, account: str, key: str) -> None:
    raw = Raw(server.port)
    hello(raw, account, key)
    assert raw.refused().code == 1401
    assert raw.next() is None


def test_who_hangs_up_while_the_password_is_looked_at_is_gone(server: Serving) -> None:
    raw = Raw(server.port)
    hello(raw, "alice", "wrong password")
    raw.socket.close()
    again = Raw(server.port)
    hello(again, "alice", "correct horse")
    assert kind_of(again) == Kind.WELCOME
    while server.server.connections > 1:  # the other goes once its password was looked at
        threading.Event().wait(0.01)


def test_rubbish_behind_a_password_ends_the_connection(server: Serving) -> None:
    raw = Raw(server.port)
    hello(raw, "alice", "correct horse")
    raw.tell(Kind.WELCOME, 2, b"")
    assert kind_of(raw) == Kind.WELCOME
    assert raw.refused().code == 1400
    assert raw.next() is None


def test_what_is_forbidden_is_answered_1403_and_the_connection_goes_on(server: Serving, token: str) -> None:
    raw = Raw(server.port)
    hello(raw, "", token)
    raw.next()
    raw.call(2, "delete_queue", QUEUE)
    assert raw.refused().code == 1403
    raw.call(3, "subscribe", {"destination": "default://other", "group": "g", "config": {}})
    assert raw.refused().code == 1403
    raw.call(4, "partition_count", QUEUE)
    assert kind_of(raw) == Kind.RESULT


def test_a_token_that_is_taken_back_ends_its_connections_and_no_other(server: Serving, path: Path, token: str) -> None:
    bob = add_user(path, "bob", "look *")
    look_around(server)
    first, second, other = Raw(server.port), Raw(server.port), Raw(server.port)
    for raw, key in ((first, token), (second, token), (other, bob)):
        hello(raw, "", key)
        assert kind_of(raw) == Kind.WELCOME
    add_user(path, "alice", disabled=True)
    look_around(server)
    for raw in (first, second):
        assert raw.refused().code == 1401
        assert raw.next() is None
    other.tell(Kind.PING, 2, b"")
    assert kind_of(other) == Kind.PONG


def test_connections_beyond_the_quota_are_refused_until_one_ends(server: Serving, path: Path) -> None:
    token = add_user(path, "bob", "look *", quota=Quota(connections=1))
    look_around(server)
    first, second = Raw(server.port), Raw(server.port)
    hello(first, "", token)
    assert kind_of(first) == Kind.WELCOME
    hello(second, "", token)
    assert second.refused().code == 1503
    first.socket.close()
    while server.server.connections:
        threading.Event().wait(0.01)
    third = Raw(server.port)
    hello(third, "", token)
    assert kind_of(third) == Kind.WELCOME
