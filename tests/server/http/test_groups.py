"""Groups over HTTP."""

from __future__ import annotations

import httpx


def test_a_group_from_birth_to_death(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", json={"messages": [{"text": "a"}, {"text": "b"}]})
    path = f"/v1/queues/{queue}/groups/late"
    made = client.put(path, json={"start": "latest", "invisible_time": 5})
    assert (made.json()["lag"], made.json()["config"]["invisible_time"]) == (0, 5)
    assert client.post(f"{path}/seek", json={"to": "earliest"}).json()["lag"] == 2
    peeked = client.get(f"{path}/peek").json()["messages"]
    assert [each["text"] for each in peeked] == ["a", "b"]
    assert "receipt" not in peeked[0]
    assert client.post(f"{path}/seek", json={"offsets": {"0": 1}}).json()["lag"] == 1
    assert [each["name"] for each in client.get(f"/v1/queues/{queue}/groups").json()["groups"]] == ["late"]
    assert f"default://{queue}" in [each["queue"] for each in client.get("/v1/groups").json()["groups"]]
    assert client.delete(path).status_code == 204
    assert client.get(path).json()["code"] == 1404


def test_wrong_seeks(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", content=b"x")
    path = f"/v1/queues/{queue}/groups/g"
    client.put(path, json={})
    for wrong in (
        {},
        {"to": "nowhere"},
        {"to": "earliest", "offsets": {}},
        {"offsets": {"9": 1}},
        {"offsets": {"x": 1}},
    ):
        assert client.post(f"{path}/seek", json=wrong).json()["code"] == 1418
    assert client.put(path, json={"broadcast": True}).json()["field"] == "broadcast"
