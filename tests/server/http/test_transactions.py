"""Transactions over HTTP."""

from __future__ import annotations

import httpx


def test_consume_transform_produce_is_one_step(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", content=b"order")
    group = f"/v1/queues/{queue}/groups/g"
    got = client.post(f"{group}/receive").json()["messages"]
    order = {
        "send": [{"queue": f"{queue}-a", "messages": [{"text": "1"}]}, {"queue": f"{queue}-b", "messages": [{}]}],
        "ack": [{"queue": queue, "group": "g", "receipts": [got[0]["receipt"]]}],
    }
    done = client.post("/v1/commit", json=order)
    assert [each["queue"] for each in done.json()["results"]] == [f"default://{queue}-a", f"default://{queue}-b"]
    assert client.get(group).json()["lag"] == 0
    again = client.post("/v1/commit", json=order)  # the receipt is used: nothing of it happens
    assert again.json()["code"] == 1418
    assert client.get(f"/v1/queues/{queue}-a").json()["messages"] == 1
    assert client.post("/v1/commit", json={}).json()["code"] == 1418


def test_prepare_and_decide(client: httpx.Client, queue: str) -> None:
    made = [
        client.post("/v1/transactions", json={"queue": queue, "message": {"text": text}, "producer": queue}).json()
        for text in ("a", "b")
    ]
    doubts = client.get("/v1/transactions").json()["transactions"]
    mine = [each for each in doubts if each["producer"] == queue]
    assert [each["message"]["text"] for each in mine] == ["a", "b"]
    for each, decision in zip(made, ("commit", "rollback"), strict=True):
        path = f"/v1/transactions/{each['transactionId']}"
        assert client.post(f"{path}/{decision}").status_code == 200
        assert client.post(f"{path}/{decision}").status_code == 200
    opposite = client.post(f"/v1/transactions/{made[0]['transactionId']}/rollback")
    assert (opposite.status_code, opposite.json()["class"]) == (400, "OMSTransactionException")
    got = client.post(f"/v1/queues/{queue}/groups/g/receive", json={"maxMessages": 9, "wait": 5}).json()["messages"]
    assert [each["text"] for each in got] == ["a"]
    assert client.post("/v1/transactions/check", json={"producer": queue}).json() == {"transactions": []}
