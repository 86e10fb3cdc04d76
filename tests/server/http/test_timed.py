"""Delayed messages and schedules."""

from __future__ import annotations

import httpx


def test_cancel_and_reschedule(client: httpx.Client, queue: str) -> None:
    path = f"/v1/queues/{queue}"
    sent = [client.post(f"{path}/messages", json={"text": "x", "delayTime": 3_600_000}).json() for _ in range(2)]
    waiting = client.get(f"{path}/delayed").json()["messages"]
    assert {each["messageId"] for each in waiting} == {each["messageId"] for each in sent}
    assert client.delete(f"{path}/delayed/{sent[0]['messageId']}").status_code == 204
    late = client.delete(f"{path}/delayed/{sent[0]['messageId']}")
    assert (late.status_code, late.json()["code"]) == (409, 1400)
    assert client.patch(f"{path}/delayed/{sent[1]['messageId']}", json={"delay": 0}).status_code == 204
    got = client.post(f"{path}/groups/g/receive", json={"wait": 10}).json()["messages"]
    assert [each["messageId"] for each in got] == [sent[1]["messageId"]]
    assert client.patch(f"{path}/delayed/x", json={}).json()["code"] == 1418


def test_a_schedule_from_birth_to_death(client: httpx.Client, queue: str) -> None:
    path = f"/v1/schedules/{queue}"
    wanted = {"queue": queue, "message": {"text": "tick", "properties": {"a": 1}}, "every": 3600}
    made = client.put(path, json=wanted)
    assert (made.json()["every"], made.json()["paused"]) == (3600, False)
    assert client.put(path, json=wanted).json() == made.json()
    assert client.patch(path, json={"paused": True}).json()["nextTimestamp"] is None
    assert queue in [each["name"] for each in client.get("/v1/schedules").json()["schedules"]]
    assert client.get(path).json()["queue"] == f"default://{queue}"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    for wrong in ({**wanted, "cron": "* * * * *"}, {**wanted, "message": {"text": "x", "delayTime": 5}}):
        assert client.put(path, json=wrong).json()["code"] == 1418
