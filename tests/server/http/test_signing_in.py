"""Requests with and without credentials: who they are, what they may do, and what the others are answered."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from openmessaging.server.security.hashing import hash_password
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def token(users: Path) -> str:
    return add_user(users, "alice", "send,manage default://*", password=hash_password("correct horse", 10))


@pytest.fixture
def node(users: Path, token: str) -> Iterator[Serving]:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as running:
        yield running


def status(node: Serving, namespace: str = "default", **headers: str) -> int:
    url, query = f"{node.http}/v1/queues", {"namespace": namespace}
    return httpx.post(url, params=query, json={"name": "a"}, headers=headers).status_code


def test_tokens_and_passwords(node: Serving, token: str) -> None:
    assert status(node, authorization=f"Bearer {token}") == 201
    basic = httpx.BasicAuth("alice", "correct horse")
    assert httpx.get(f"{node.http}/v1/queues", params={"namespace": "default"}, auth=basic).status_code == 200
    assert status(node, "other", authorization=f"Bearer {token}") == 403


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic eDp5", "Basic ?", "Digest x", "Bearer oms_01234567_x"]
)
def test_others_are_answered_401(node: Serving, header: str) -> None:
    answer = httpx.get(f"{node.http}/v1/namespaces", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json()["code"] == 1401
    assert "Bearer" in answer.headers["www-authenticate"]
