"""Routes over HTTP."""

from __future__ import annotations

import httpx


def test_a_route_from_birth_to_death(client: httpx.Client, queue: str) -> None:
    new = {"name": queue, "source": queue, "targets": [f"{queue}-eu"], "operators": ["filter region = 'EU'"]}
    made = client.post("/v1/routes", json=new)
    assert made.status_code == 201, made.text
    assert made.json()["operators"] == ["filter region = 'EU'"]
    assert client.post("/v1/routes", json=new).json()["code"] == 1406
    client.post(f"/v1/queues/{queue}/messages", json={"text": "a", "properties": {"region": "EU"}})
    got = client.post(f"/v1/queues/{queue}-eu/groups/g/receive", json={"wait": 10}).json()["messages"]
    assert [each["text"] for each in got] == ["a"]
    told = client.post(f"/v1/queues/{queue}/explain", json={"text": "a", "properties": {"region": "US"}}).json()
    assert told["routes"][0]["steps"][0]["verdict"] == "drops"
    assert f"default://{queue}" in [each["name"] for each in client.get("/v1/routes").json()["routes"]]
    assert client.get(f"/v1/routes/{queue}").json()["source"] == f"default://{queue}"
    assert client.delete(f"/v1/routes/{queue}").status_code == 204
    assert client.get(f"/v1/routes/{queue}").json()["code"] == 1404
    assert client.post("/v1/routes", json={**new, "operators": ["nonsense"]}).json()["code"] == 1418
