"""Namespaces and queues over HTTP."""

from __future__ import annotations

import httpx
import pytest


def test_a_queue_from_birth_to_death(client: httpx.Client, queue: str) -> None:
    made = client.post("/v1/queues", json={"name": queue, "partitions": 2, "config": {"retention": "keep"}})
    assert made.status_code == 201
    assert made.json()["config"] == {"retention": "keep"}
    assert client.post("/v1/queues", json={"name": queue}).json()["code"] == 1406
    client.post(f"/v1/queues/{queue}/messages", content=b"x")
    seen = client.get(f"/v1/queues/{queue}")
    assert (seen.json()["partitions"], seen.json()["messages"]) == (2, 1)
    assert f"default://{queue}" in [each["name"] for each in client.get("/v1/queues").json()["queues"]]
    assert client.post(f"/v1/queues/{queue}/purge").json() == {"messages": 1}
    assert client.delete(f"/v1/queues/{queue}").status_code == 204
    gone = client.get(f"/v1/queues/{queue}")
    assert (gone.status_code, gone.json()["code"], gone.json()["class"]) == (404, 1404, "OMSDestinationException")


def test_settings_change_only_when_nobody_changed_them(client: httpx.Client, queue: str) -> None:
    tag = client.post("/v1/queues", json={"name": queue}).headers["etag"]
    changed = client.patch(f"/v1/queues/{queue}", json={"retention_age": 60.0}, headers={"if-match": tag})
    assert changed.json()["config"]["retention_age"] == 60.0
    late = client.patch(f"/v1/queues/{queue}", json={"retention_age": 9.0}, headers={"if-match": tag})
    assert late.status_code == 412
    assert client.patch(f"/v1/queues/{queue}", json={"no_such": 1}).json()["code"] == 1418
    assert client.get(f"/v1/queues/{queue}").headers["etag"] == changed.headers["etag"]


def test_namespaces(client: httpx.Client, queue: str) -> None:
    assert client.post("/v1/namespaces", json={"name": queue}).status_code == 201
    assert client.post("/v1/namespaces", json={"name": queue}).json()["code"] == 1407
    assert queue in client.get("/v1/namespaces").json()["names"]
    made = client.post("/v1/queues", params={"namespace": queue}, json={"name": "orders"})
    assert made.json()["name"] == f"{queue}://orders"
    assert client.get(f"/v1/queues/{queue}%3A%2F%2Forders").status_code == 200
    assert client.delete(f"/v1/namespaces/{queue}").json()["code"] == 1400
    client.delete("/v1/queues/orders", params={"namespace": queue})
    assert client.delete(f"/v1/namespaces/{queue}").status_code == 204
    assert client.get("/v1/queues", params={"namespace": queue}).json()["code"] == 1405


def test_methods_and_paths(client: httpx.Client) -> None:
    assert client.get("/v1/nothing").status_code == 404
    refused = client.put("/v1/queues")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert client.options("/v1/queues").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    head = client.head("/v1/queues")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert client.get("/v1/queues", params={"namspace": "x"}).json()["code"] == 1418
    assert client.post("/v1/queues", content=b"x", headers={"content-type": "text/xml"}).status_code == 415
    assert client.post("/v1/queues", content=b"{", headers={"content-type": "application/json"}).status_code == 400


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/html, application/*;q=0.5", "application/json"),
        ("application/msgpack", "application/msgpack"),
        ("application/json, application/msgpack", "application/json"),
        ("application/json;q=0.2, application/msgpack", "application/msgpack"),
        ("application/msgpack;q=0, application/json", "application/json"),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
    ],
)
def test_what_is_acceptable(client: httpx.Client, accept: str, kind: str | None) -> None:
    answer = client.get("/v1/namespaces", headers={"accept": accept})
    if kind is None:
        assert (answer.status_code, answer.json()["field"]) == (406, "accept")
    else:
        assert answer.headers["content-type"] == kind
