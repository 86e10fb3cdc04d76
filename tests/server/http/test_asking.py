"""Request and reply over HTTP."""

from __future__ import annotations

import threading

import httpx

import openmessaging.blocking as oms
from tests.servers import Serving


def test_nobody_answers(client: httpx.Client, queue: str) -> None:
    answer = client.post(f"/v1/queues/{queue}/request", json={"text": "a"})
    assert (answer.status_code, answer.json()["code"]) == (503, 1503)


def test_a_service_of_a_program_answers(client: httpx.Client, node: Serving, queue: str) -> None:
    def handle(request: oms.Request) -> bytes:
        if request.data == b"bad":
            raise ValueError("no")
        return request.data.upper()

    with oms.connect(node.url) as access_point, access_point.create_service(queue, handle):
        answer = client.post(f"/v1/queues/{queue}/request", json={"text": "hello"})
        assert answer.json()["text"] == "HELLO"
        assert {"queue": f"default://{queue}", "group": "default"} in client.get("/v1/services").json()["services"]
        failed = client.post(f"/v1/queues/{queue}/request", json={"text": "bad"})
        assert (failed.status_code, failed.json()["code"]) == (502, 1500)


def test_a_service_over_http_answers(client: httpx.Client, node: Serving, queue: str) -> None:
    group = f"/v1/queues/{queue}/groups/desk"
    client.post("/v1/queues", json={"name": queue})
    client.put(group, json={})
    assert client.put(f"{group}/service").status_code == 204

    def work() -> None:
        with httpx.Client(base_url=node.http, timeout=30) as worker:
            got = worker.post(f"{group}/receive", json={"wait": 20}).json()["messages"][0]
            reply = {
                "replyTo": got["properties"]["rpc.reply-to"],
                "correlationId": got["correlationId"],
                "message": {"text": got["text"] * 2},
            }
            assert worker.post("/v1/replies", json=reply).json() == {"delivered": True}
            worker.post(f"{group}/ack", json={"receipts": [got["receipt"]]})

    working = threading.Thread(target=work)
    working.start()
    answer = client.post(f"/v1/queues/{queue}/request", json={"text": "ab"}, params={"timeout": 20})
    working.join(20)
    assert answer.json()["text"] == "abab"
    late = {"replyTo": "nobody", "correlationId": "x", "error": "no"}
    assert client.post("/v1/replies", json=late).json() == {"delivered": False}
    slow = client.post(f"/v1/queues/{queue}/request", json={"text": "ab"}, params={"timeout": 0.1})
    assert (slow.status_code, slow.json()["code"]) == (504, 1410)
