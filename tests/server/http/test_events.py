"""CloudEvents under /v1/: sent and received in each mode."""

from __future__ import annotations

import json

import httpx
import pytest

EVENT = {"specversion": "1.0", "id": "a-1", "source": "/shop", "type": "order.placed"}
STRUCTURED, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"


def received(client: httpx.Client, queue: str, most: int = 1, **headers: str) -> httpx.Response:
    return client.post(f"/v1/queues/{queue}/groups/g/receive", json={"maxMessages": most}, headers=headers)


def test_each_mode_is_taken(client: httpx.Client, queue: str) -> None:
    path = f"/v1/queues/{queue}/messages"
    one = client.post(path, content=json.dumps({**EVENT, "data": 1}), headers={"content-type": STRUCTURED})
    assert (one.status_code, one.json()["offset"]) == (200, 0)
    events = [{**EVENT, "id": f"b-{number}", "data": number} for number in range(2)]
    many = client.post(path, content=json.dumps(events), headers={"content-type": BATCHED})
    assert [each["offset"] for each in many.json()["results"]] == [1, 2]
    fields = {f"ce-{name}": value for name, value in {**EVENT, "id": "c"}.items()}
    binary = client.post(path, content=b"[]", headers={**fields, "content-type": "application/json"})
    assert binary.status_code == 200, binary.text
    found = received(client, queue, 10, accept=BATCHED)
    assert found.headers["content-type"] == BATCHED
    assert [(each["id"], each["data"]) for each in found.json()] == [("a-1", 1), ("b-0", 0), ("b-1", 1), ("c", [])]
    receipts = [each["omsreceipt"] for each in found.json()]
    assert client.post(f"/v1/queues/{queue}/groups/g/ack", json={"receipts": receipts}).json()["settled"] == 4
    assert received(client, queue, accept=BATCHED).json() == []


def test_each_mode_is_given(client: httpx.Client, queue: str) -> None:
    for text in "ab":
        client.post(f"/v1/queues/{queue}/messages", content=text, headers={"content-type": "text/plain"})
    found = received(client, queue, accept=STRUCTURED)
    assert (found.json()["type"], found.json()["data_base64"]) == ("openmessaging.message", "YQ==")
    found = received(client, queue, **{"ce-specversion": "1.0"})
    assert (found.content, found.headers["ce-type"]) == (b"b", "openmessaging.message")
    assert found.headers["ce-omsreceipt"]
    assert received(client, queue, accept=STRUCTURED).status_code == 204
    assert received(client, queue, 2, accept=STRUCTURED).json()["field"] == "maxMessages"


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (STRUCTURED, {}, "specversion"),
        (STRUCTURED, {**EVENT, "time": "now"}, "time"),
        (BATCHED, [EVENT, {**EVENT, "id": ""}], "[1].id"),
        ("application/cloudevents+xml", {}, "content-type"),
    ],
)
def test_what_is_no_event(client: httpx.Client, queue: str, kind: str, body: object, field: str) -> None:
    answer = client.post(f"/v1/queues/{queue}/messages", content=json.dumps(body), headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, 1400, field)
