"""Messages for a consumer group: WebSocket with settlements, server-sent events, room and leases."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from wsproto.events import BytesMessage

from tests.server.http.streams import Socket, following
from tests.server.http.test_following import send
from tests.servers import Serving


def opened(node: Serving, queue: str, **query: Any) -> Socket:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    socket = Socket(node, f"/v1/queues/{queue}/groups/g/events?{text}")
    socket.next()
    return socket


def group_of(node: Serving, queue: str) -> Any:
    described = node.node.driver.describe_group(f"default://{queue}", "g")
    return asyncio.run_coroutine_threadsafe(described, node.loop).result(5)


def until(check: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_messages_are_received_and_acknowledged(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b")
    socket = opened(node, queue)
    messages: list[Any] = []
    while len(messages) < 2:
        messages += socket.hear()["messages"]
    assert [each["text"] for each in messages] == ["a", "b"]
    assert [each["deliveryCount"] for each in messages] == [1, 1]
    socket.say({"do": "ack", "receipts": [each["receipt"] for each in messages]})
    assert socket.hear() == {"settled": 2, "failures": []}
    assert group_of(node, queue).lag == 0
    send(client, queue, "c")
    (message,) = socket.hear()["messages"]
    socket.say({"do": "ack", "receipts": [message["receipt"], messages[0]["receipt"], "x"]})
    answer = socket.hear()
    assert answer["settled"] == 1
    assert [each["problem"]["code"] for each in answer["failures"]] == [1418, 1418]
    socket.close()


def test_every_way_to_settle(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    socket = opened(node, queue)
    for number, said in enumerate(
        ({"do": "nack", "delay": 0.05, "reason": "x"}, {"do": "release"}, {"do": "extend", "seconds": 0.2}), 1
    ):
        (message,) = socket.hear()["messages"]
        assert message["deliveryCount"] == {1: 1, 2: 2, 3: 2}[number]
        socket.say({**said, "receipts": [message["receipt"]]})
        assert socket.hear()["settled"] == 1
    (message,) = socket.hear()["messages"]
    assert message["deliveryCount"] == 3
    socket.say({"do": "reject", "reason": "bad", "receipts": [message["receipt"]]})
    assert socket.hear()["settled"] == 1
    path = f"/v1/queues/{queue}/groups/g/dead-letters"
    until(lambda: [each["text"] for each in client.get(path).json()["messages"]] == ["a"])
    socket.close()


def test_qos_1_needs_no_settlement(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b", qos=1)
    socket = opened(node, queue, maxInFlight=1)
    for text in "ab":
        (message,) = socket.hear()["messages"]
        assert (message["text"], message.get("receipt")) == (text, None)
    assert group_of(node, queue).lag == 0
    socket.close()


@pytest.mark.parametrize(
    "said", ["", "{", "[]", '{"do": "eat", "receipts": ["x"]}', '{"do": "ack", "receipts": []}', '{"do": "ack"}',
             '{"do": "ack", "receipts": ["x"]}', '{"do": "ack", "receipts": ["x"], "more": 1}'],
)  # fmt: skip
def test_what_is_no_settlement_is_told_and_harmless(node: Serving, client: httpx.Client, queue: str, said: str) -> None:
    send(client, queue, "a")
    socket = opened(node, queue)
    (message,) = socket.hear()["messages"]
    socket.say(said)
    assert socket.hear()["problem"]["code"] in (1400, 1418)
    socket.send(BytesMessage(b"\xff"))
    assert socket.hear()["problem"]["code"] == 1400
    socket.say({"do": "ack", "receipts": [message["receipt"]]})
    assert socket.hear()["settled"] == 1
    socket.close()


def test_no_more_than_it_has_room_for(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, *"abcde")
    socket = opened(node, queue, maxInFlight=2)
    held: list[str] = []
    while len(held) < 2:
        held += [each["receipt"] for each in socket.hear()["messages"]]
    time.sleep(0.3)
    assert group_of(node, queue).in_flight == 2
    socket.say({"do": "ack", "receipts": [held[0]]})
    assert socket.hear()["settled"] == 1
    (message,) = socket.hear()["messages"]
    assert message["text"] == "c"
    socket.close()


def test_room_comes_back_when_a_lease_is_over(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b")
    config = {"group": {"invisible_time": 0.4}}
    client.post(f"/v1/queues/{queue}/groups/g/receive", json={"maxMessages": 1, **config})
    socket = opened(node, queue, maxInFlight=1)
    assert socket.hear()["messages"][0]["text"] == "b"
    assert socket.hear()["messages"][0]["text"] in ("a", "b")
    socket.close()


def test_what_was_not_settled_goes_back_at_once(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    socket = opened(node, queue)
    socket.hear()
    assert group_of(node, queue).in_flight == 1
    socket.close()
    until(lambda: group_of(node, queue).in_flight == 0)
    other = opened(node, queue)
    assert other.hear()["messages"][0]["deliveryCount"] == 1
    other.close()


def test_nothing_is_leased_for_who_does_not_read(node: Serving, client: httpx.Client, queue: str) -> None:
    for _ in range(60):
        client.post(f"/v1/queues/{queue}/messages", content=bytes(500_000))
    socket = opened(node, queue, maxInFlight=1000, body="data")
    until(lambda: client.get(f"/v1/queues/{queue}/groups/g").status_code == 200)
    found = 0
    while (now := group_of(node, queue).in_flight) != found or not found:
        found = now
        time.sleep(0.5)
    assert found < 40
    socket.close()
    until(lambda: group_of(node, queue).in_flight == 0)


def test_as_server_sent_events(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    with following(node, f"/v1/queues/{queue}/groups/g/events") as events:
        message = json.loads(next(events)["data"])
        path = f"/v1/queues/{queue}/groups/g/ack"
        assert client.post(path, json={"receipts": [message["receipt"]]}).json()["settled"] == 1
        send(client, queue, "b")
        assert json.loads(next(events)["data"])["text"] == "b"
    assert group_of(node, queue).lag == 1


def test_two_consumers_share_a_group(node: Serving, client: httpx.Client, queue: str) -> None:
    one, other = opened(node, queue, maxInFlight=1), opened(node, queue, maxInFlight=1)
    send(client, queue, "a", "b")
    assert sorted(each.hear()["messages"][0]["text"] for each in (one, other)) == ["a", "b"]
    one.close()
    other.close()
