"""Streams count as connections of their users, and end with their rights."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection

from openmessaging.server.security.quotas import Quota
from tests.server.http.streams import following
from tests.server.http.test_websocket import Client
from tests.server.security.helpers import add_user
from tests.server.test_signing_in import look_around
from tests.servers import Serving, serving

PATHS = ["/v1/queues/q/events", "/v1/queues/q/groups/g/events"]


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def token(users: Path) -> str:
    return add_user(users, "alice", "send,receive,look,browse,manage *", quota=Quota(connections=2))


@pytest.fixture
def node(users: Path, token: str) -> Iterator[Serving]:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as running:
        answer = httpx.post(f"{running.http}/v1/queues/q/messages", content=b"x", headers=bearer(token))
        assert answer.is_success, answer.text
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def until(condition: Callable[[], bool]) -> None:
    """Soon it holds: what a server does once a client is gone has no event of its own."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def opened(node: Serving, path: str, token: str) -> Client:
    client = Client(node, path, token=token)
    assert isinstance(client.next(), AcceptConnection)
    return client


@pytest.mark.parametrize("path", PATHS)
def test_events_end_when_the_token_is_taken_back(node: Serving, users: Path, token: str, path: str) -> None:
    with following(node, path, **bearer(token)) as events:
        add_user(users, "alice", disabled=True)
        look_around(node)
        assert len(list(events)) == 1, "the place, or the message; then the end"


@pytest.mark.parametrize("path", PATHS)
def test_a_websocket_ends_when_the_token_is_taken_back(node: Serving, users: Path, token: str, path: str) -> None:
    client = opened(node, path, token)
    add_user(users, "alice", disabled=True)
    look_around(node)
    while not isinstance(closed := client.next(), CloseConnection):
        pass
    assert "1401" in (closed.reason or "")


def test_streams_count_as_connections(node: Serving, token: str) -> None:
    security = node.server.security
    (identity,) = (each for each in security._identities if each.name == "alice")
    first = opened(node, PATHS[0], token)
    with following(node, PATHS[1], **bearer(token)):
        assert isinstance(Client(node, PATHS[0], token=token).next(), RejectConnection)
        for path in PATHS:
            answer = httpx.get(f"{node.http}{path}", headers=bearer(token))
            assert (answer.status_code, answer.json()["code"]) == (503, 1503)
    first.close()
    until(lambda: not identity.open)
    opened(node, PATHS[0], token).close()
    until(lambda: not identity.open)


def test_a_stream_whose_head_alone_is_asked_counts_no_more(node: Serving, token: str) -> None:
    (identity,) = (each for each in node.server.security._identities if each.name == "alice")
    for _ in range(3):
        assert httpx.head(f"{node.http}{PATHS[0]}", headers=bearer(token), timeout=2).status_code in (200, 405)
    until(lambda: not identity.open)
