"""Receiving and settling over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import httpx
import msgspec

from openmessaging.server.http.request import Body, Request
from tests.servers import Serving


def path_of(queue: str) -> str:
    return f"/v1/queues/{queue}/groups/workers"


def send(client: httpx.Client, queue: str, *bodies: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", json={"messages": [{"text": body} for body in bodies]})


def receive(client: httpx.Client, queue: str, **wanted: object) -> list[dict[str, object]]:
    answer = client.post(f"{path_of(queue)}/receive", json=wanted)
    assert answer.status_code == 200, answer.text
    messages: list[dict[str, object]] = answer.json()["messages"]
    return messages


def receipts(messages: list[dict[str, object]]) -> list[str]:
    return [str(message["receipt"]) for message in messages]


def test_receive_and_acknowledge_from_another_connection(client: httpx.Client, node: Serving, queue: str) -> None:
    send(client, queue, "a", "b", "c")
    got = receive(client, queue, maxMessages=10)
    assert [each["text"] for each in got] == ["a", "b", "c"]
    assert [each["offset"] for each in got] == [0, 1, 2]
    assert got[0]["deliveryCount"] == 1
    with httpx.Client(base_url=node.http) as other:
        done = other.post(f"{path_of(queue)}/ack", json={"receipts": receipts(got), "durable": True})
        assert done.json() == {"settled": 3, "failures": []}
        assert other.get(path_of(queue)).json()["lag"] == 0
        again = other.post(f"{path_of(queue)}/ack", json={"receipts": receipts(got)[:1]})
        assert (again.status_code, again.json()["code"]) == (400, 1418)


def test_some_receipts_fail_alone(client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b")
    got = receipts(receive(client, queue, maxMessages=2))
    client.post(f"{path_of(queue)}/ack", json={"receipts": got[:1]})
    mixed = client.post(f"{path_of(queue)}/ack", json={"receipts": [*got, "rubbish"]}).json()
    assert mixed["settled"] == 1
    assert {each["receipt"] for each in mixed["failures"]} == {got[0], "rubbish"}
    assert all(each["problem"]["code"] == 1418 for each in mixed["failures"])


def test_a_receipt_of_another_queue_or_group_is_refused(client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    got = receipts(receive(client, queue))
    send(client, f"{queue}-2", "a")
    receive(client, f"{queue}-2")
    assert client.post(f"{path_of(queue + '-2')}/ack", json={"receipts": got}).json()["code"] == 1418
    client.post(f"/v1/queues/{queue}/groups/others/receive")
    assert client.post(f"/v1/queues/{queue}/groups/others/ack", json={"receipts": got}).json()["code"] == 1418
    missing = client.post(f"/v1/queues/{queue}/groups/nobody/ack", json={"receipts": got})
    assert (missing.status_code, missing.json()["code"]) == (404, 1404)


def test_give_back_extend_reject(client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    got = receipts(receive(client, queue))
    assert client.post(f"{path_of(queue)}/extend", json={"receipts": got, "seconds": 60}).json()["settled"] == 1
    client.post(f"{path_of(queue)}/release", json={"receipts": got})
    again = receive(client, queue)
    assert again[0]["deliveryCount"] == 1
    client.post(f"{path_of(queue)}/nack", json={"receipts": receipts(again), "delay": 0, "reason": "no"})
    third = receive(client, queue, wait=5)
    assert third[0]["deliveryCount"] == 2
    client.post(f"{path_of(queue)}/reject", json={"receipts": receipts(third), "reason": "never", "durable": True})
    letters = client.get(f"{path_of(queue)}/dead-letters").json()["messages"]
    assert [letter["text"] for letter in letters] == ["a"]


def test_a_long_poll_ends_when_a_message_comes(client: httpx.Client, node: Serving, queue: str) -> None:
    send(client, queue, "old")
    client.post(f"{path_of(queue)}/ack", json={"receipts": receipts(receive(client, queue))})
    found: list[object] = []

    def wait() -> None:
        with httpx.Client(base_url=node.http, timeout=30) as other:
            found.extend(each["text"] for each in receive(other, queue, wait=20))

    waiting = threading.Thread(target=wait)
    waiting.start()
    began = time.monotonic()
    send(client, queue, "new")
    waiting.join(20)
    assert found == ["new"]
    assert time.monotonic() - began < 10
    assert receive(client, queue, wait=0.01) == []


def test_who_hangs_up_while_waiting_takes_nothing(client: httpx.Client, node: Serving, queue: str) -> None:
    send(client, queue, "old")
    client.post(f"{path_of(queue)}/ack", json={"receipts": receipts(receive(client, queue))})
    with httpx.Client(base_url=node.http, timeout=0.2) as impatient, contextlib.suppress(httpx.ReadTimeout):
        impatient.post(f"{path_of(queue)}/receive", json={"wait": 20})
    send(client, queue, "new")
    assert [each["text"] for each in receive(client, queue, wait=10)] == ["new"]


def test_invisible_time_bodies_and_messagepack(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", content=b"\xff\x00")
    client.post(f"/v1/queues/{queue}/messages", json={"json": {"a": [1, 2]}, "properties": {"n": {"long": "5"}}})
    got = receive(client, queue, maxMessages=2, body="json", invisibleTime=0.05)
    assert (got[0]["data"], got[1]["json"]) == ("/wA=", {"a": [1, 2]})
    assert len(receive(client, queue, maxMessages=2, wait=10)) == 2
    answer = client.post(
        f"/v1/queues/{queue}/groups/binary/receive", json={"maxMessages": 2}, headers={"accept": "application/msgpack"}
    )
    assert msgspec.msgpack.decode(answer.content)["messages"][0]["data"] == b"\xff\x00"


def test_what_was_received_can_be_sent_again(client: httpx.Client, queue: str) -> None:
    new = {"text": "a", "messageKey": "k", "properties": {"b": True}, "correlationId": "c", "priority": 8}
    client.post(f"/v1/queues/{queue}/messages", json=new)
    got = receive(client, queue)[0]
    assert {name: got[name] for name in new} == new
    assert client.post(f"/v1/queues/{queue}-2/messages", json=got).status_code == 200


def test_what_is_of_qos_1_is_settled_before_the_answer(client: httpx.Client, queue: str) -> None:
    client.post(f"/v1/queues/{queue}/messages", json={"messages": [{"text": "once", "qos": 1}, {"text": "again"}]})
    got = receive(client, queue, maxMessages=10)
    assert [each["text"] for each in got] == ["once", "again"]
    assert client.get(path_of(queue)).json()["lag"] == 1
    client.post(f"{path_of(queue)}/release", json={"receipts": receipts(got)[1:]})
    assert [each["text"] for each in receive(client, queue, maxMessages=10)] == ["again"]


def test_what_could_not_be_delivered_goes_back_uncounted(client: httpx.Client, node: Serving, queue: str) -> None:
    send(client, queue, "a", "b")
    app = node.node.http.app

    async def hang_up() -> int:
        body = Body(1000, lambda: None)
        body.end()
        request = Request("POST", f"{path_of(queue)}/receive", {}, body, "127.0.0.1", "http")
        response = await app.respond(request)
        response.undelivered()
        return int(response.status)

    assert asyncio.run_coroutine_threadsafe(hang_up(), node.loop).result(10) == 200
    assert [each["deliveryCount"] for each in receive(client, queue, maxMessages=2, wait=5)] == [1, 1]


def test_a_queue_that_was_made_anew_is_found(client: httpx.Client, queue: str) -> None:
    send(client, queue, "old")
    receive(client, queue)
    client.delete(f"/v1/queues/{queue}")
    send(client, queue, "new")
    assert [each["text"] for each in receive(client, queue, wait=5)] == ["new"]


def test_a_group_that_others_deleted_is_made_anew(client: httpx.Client, node: Serving, queue: str) -> None:
    send(client, queue, "a")
    assert len(receive(client, queue)) == 1
    deleting = node.node.driver.delete_group(f"default://{queue}", "workers")
    asyncio.run_coroutine_threadsafe(deleting, node.loop).result(10)
    assert [each["text"] for each in receive(client, queue, wait=5)] == ["a"]
