"""Pages in a browser on this machine, against a server that lets everybody on this machine in."""

from __future__ import annotations

import httpx
import pytest
from wsproto.events import RejectConnection

from openmessaging.model.errors import OMSSecurityException
from openmessaging.server.http.origins import Origins
from tests.server.http.test_websocket import Client
from tests.server.security.helpers import add_user
from tests.servers import Serving, serving

HOST = "127.0.0.1:8080"


@pytest.mark.parametrize(
    "headers",
    [
        {},  # HTTP/1.0
        {"host": HOST},
        {"host": "localhost"},
        {"host": "LOCALHOST.:80"},
        {"host": "[::1]:8080"},
        {"host": "broker.example.org"},
        {"host": HOST, "origin": f"http://{HOST}"},
        {"host": HOST, "origin": "https://broker.example.org"},
        {"host": HOST, "origin": "https://pages.example.org:8443"},
        {"host": HOST, "sec-fetch-site": "same-origin"},
        {"host": HOST, "sec-fetch-site": "none"},
        {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_what_is_its_own(headers: dict[str, str]) -> None:
    origins = Origins(["broker.example.org", "pages.example.org:8443"])
    for _ in range(2):  # the second time it is remembered
        origins.check("GET", "/ui/", headers)


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"host": "evil.example"}, "host"),
        ({"host": "127.0.0.1.evil.example:8080"}, "host"),
        ({"host": "[::1"}, "host"),
        ({"host": ""}, "host"),
        ({"host": "localhost@evil.example"}, "host"),
        ({"host": HOST, "origin": "https://evil.example"}, "origin"),
        ({"host": HOST, "origin": "null"}, "origin"),
        ({"host": HOST, "origin": "http://127.0.0.1:3000"}, "origin"),
        ({"host": HOST, "origin": "https://pages.example.org"}, "origin"),
        ({"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "sec-fetch-site"),
    ],
)
def test_what_is_not(headers: dict[str, str], field: str) -> None:
    origins = Origins(["pages.example.org:8443"])
    for _ in range(2):
        with pytest.raises(OMSSecurityException) as caught:
            origins.check("GET", "/ui/", headers)
        assert (caught.value.code, caught.value.field) == (1403, field)


def test_a_link_leads_to_the_dashboard_and_to_nothing_else() -> None:
    headers = {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    with pytest.raises(OMSSecurityException):
        Origins([]).check("GET", "/v1/queues/q/groups/g/events", headers)


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
def test_a_page_of_another_site_changes_nothing(client: httpx.Client, queue: str, headers: dict[str, str]) -> None:
    answer = client.post(f"/v1/queues/{queue}/messages", content=b"x", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == 1403
    assert "http.trusted_hosts" in answer.json()["nextStep"]
    assert client.get(f"/v1/queues/{queue}").status_code == 404
    for path in ("/", "/metrics", "/v1/namespaces"):
        assert client.get(path, headers=headers).status_code == 403


def test_nor_does_it_by_websocket(node: Serving) -> None:
    assert isinstance(Client(node, "/v1/native", host="evil.example").next(), RejectConnection)


def test_who_is_trusted_may() -> None:
    http = {"listen": "127.0.0.1:0", "trusted_hosts": ["broker.example.org"]}
    with serving("oms:memory:", http=http) as node:
        headers = {"host": "broker.example.org", "origin": "https://broker.example.org"}
        assert httpx.get(f"{node.http}/v1/namespaces", headers=headers).status_code == 200


def test_a_server_with_users_is_asked_by_any_name(tmp_path) -> None:
    """Keys that no browser adds by itself are the answer there."""
    token = add_user(tmp_path / "users.json", "alice", "look *")
    with serving(
        "oms:memory:", http={"listen": "127.0.0.1:0"}, security={"users": str(tmp_path / "users.json")}
    ) as node:
        headers = {"host": "broker.example.org", "authorization": f"Bearer {token}"}
        assert httpx.get(f"{node.http}/v1/namespaces", headers=headers).status_code == 200
