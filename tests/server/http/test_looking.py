"""Browse, search, dead letters."""

from __future__ import annotations

import httpx


def test_pages(client: httpx.Client, queue: str) -> None:
    client.post("/v1/queues", json={"name": queue, "partitions": 2})
    path = f"/v1/queues/{queue}/messages"
    for partition in (0, 1):
        messages = [{"text": f"{partition}-{n}", "partition": partition, "properties": {"n": n}} for n in range(5)]
        client.post(path, json={"messages": messages})
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(path, params={"limit": 3, **after}).json()
        found += [each["text"] for each in page["messages"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == [f"{partition}-{n}" for partition in (0, 1) for n in range(5)]
    chosen = client.get(path, params={"where": "n >= 3", "partition": 1}).json()["messages"]
    assert [each["text"] for each in chosen] == ["1-3", "1-4"]
    assert len(client.get(path, params={"contains": "-2"}).json()["messages"]) == 2
    wrong = client.get(path, params={"where": "n >="})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "filter")
    assert client.get(path, params={"partition": 7}).json()["code"] == 1418
    assert client.get(path, params={"after": "x:y"}).json()["field"] == "after"


def test_redrive_by_id(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", json={"messages": [{"text": "a"}, {"text": "b"}]})
    path = f"/v1/queues/{queue}/groups/g"
    got = client.post(f"{path}/receive", json={"maxMessages": 2}).json()["messages"]
    client.post(
        f"{path}/reject", json={"receipts": [each["receipt"] for each in got], "reason": "broken", "durable": True}
    )
    letters = client.get(f"{path}/dead-letters").json()["messages"]
    assert len(letters) == 2
    report = client.post(f"{path}/dead-letters/redrive", json={"messageIds": [letters[1]["messageId"]]}).json()
    assert (report["found"], report["matched"], report["redriven"], report["kept"]) == (2, 1, 1, [])
    back = client.post(f"{path}/receive", json={"maxMessages": 2, "wait": 5}).json()["messages"]
    assert [each["text"] for each in back] == ["b"]
    assert client.post(f"{path}/dead-letters/redrive").json()["redriven"] == 1
