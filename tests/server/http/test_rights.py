"""What belongs to the server is for those who may see it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from openmessaging.server.security.hashing import hash_password
from openmessaging.server.security.users import Role, changing
from tests.server.http.test_overview import events
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    with changing(str(path)) as known:
        known.roles["cook"] = Role(["receive default://orders"])
    return path


@pytest.fixture
def tokens(users: Path) -> dict[str, str]:
    return {
        "root": add_user(users, "root", roles=["admin"], password=hash_password("x", 10)),
        "cook": add_user(users, "cook", "browse default://menus", roles=["cook"], disabled=False, expires_ms=1 << 50),
        "guard": add_user(users, "guard", "look *"),
    }


@pytest.fixture
def node(users: Path, tokens: dict[str, str]) -> Iterator[Serving]:
    with serving("oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(users)}) as running:
        yield running


def asked(node: Serving, token: str, path: str) -> httpx.Response:
    return httpx.get(f"{node.http}/v1/{path}", headers={"authorization": f"Bearer {token}"})


def test_who_may_see_what(node: Serving, tokens: dict[str, str]) -> None:
    allowed = {
        (name, path): asked(node, token, path).status_code
        for name, token in tokens.items()
        for path in ("overview", "rates", "connections", "users")
    }
    refused = {key for key, status in allowed.items() if status != 200}
    assert refused == {("cook", "rates"), ("cook", "connections"), ("cook", "users")} | {
        ("guard", "connections"),
        ("guard", "users"),
    }
    assert {allowed[key] for key in refused} == {403}


def test_sums_are_over_what_one_may_see(node: Serving, tokens: dict[str, str]) -> None:
    for name in ("orders", "menus", "secrets"):
        headers = {"authorization": f"Bearer {tokens['root']}"}
        assert httpx.post(f"{node.http}/v1/queues", json={"name": name}, headers=headers).status_code == 201
    headers = {"authorization": f"Bearer {tokens['guard']}"}
    with httpx.stream("GET", f"{node.http}/v1/rates?stream=true", headers=headers) as response:
        events(response, 4)  # a sample was taken since
    seen = {name: asked(node, token, "overview").json() for name, token in tokens.items()}
    assert {name: (each["user"], each["queues"]) for name, each in seen.items()} == {
        "root": ("root", 3),
        "cook": ("cook", 2),
        "guard": ("guard", 3),
    }
    assert asked(node, tokens["cook"], "rates?queue=orders").status_code == 200
    assert asked(node, tokens["cook"], "rates?queue=secrets").status_code == 403
