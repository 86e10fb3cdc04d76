"""Messages by position: server-sent events and WebSocket, from any place, again from the last."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.server.http.streams import Socket, following
from tests.servers import Serving


def send(client: httpx.Client, queue: str, *texts: str, **more: object) -> None:
    for text in texts:
        assert client.post(f"/v1/queues/{queue}/messages", json={"text": text, **more}).status_code == 200


def test_what_comes_from_now_on(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "before")
    with following(node, f"/v1/queues/{queue}/events") as events:
        assert next(events) == {"event": "place", "id": "0:1", "data": ""}
        send(client, queue, "a", "b")
        found = [next(events), next(events)]
    assert [json.loads(each["data"])["text"] for each in found] == ["a", "b"]
    assert json.loads(found[0]["data"])["queue"] == f"default://{queue}"
    assert "deliveryCount" not in json.loads(found[0]["data"])
    with following(node, f"/v1/queues/{queue}/events?start=earliest") as events:
        assert next(events)["id"] == "0:0"
        assert json.loads(next(events)["data"])["text"] == "before"


def test_going_on_behind_the_last_event(node: Serving, client: httpx.Client, queue: str) -> None:
    client.post("/v1/queues", json={"name": queue, "partitions": 3})
    for text in "abcdef":
        send(client, queue, text, messageKey=text)
    seen: list[str] = []
    place = ""
    for _ in range(3):
        headers = {"last-event-id": place} if place else {}
        with following(node, f"/v1/queues/{queue}/events?start=earliest", **headers) as events:
            assert next(events)["event"] == "place"
            for _ in range(2):
                event = next(events)
                seen.append(json.loads(event["data"])["text"])
            place = event["id"]
    assert sorted(seen) == list("abcdef")
    with following(node, f"/v1/queues/{queue}/events?after={place}") as events:
        assert next(events)["id"] == place


def test_every_message_comes_once_whoever_breaks_off(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, *(str(number) for number in range(40)))
    seen: list[int] = []
    place = "0:0"
    while len(seen) < 40:
        with following(node, f"/v1/queues/{queue}/events", **{"last-event-id": place}) as events:
            for event in events:
                if event.get("event") != "place":
                    seen.append(int(json.loads(event["data"])["text"]))
                    if len(seen) % 7 == 0 or len(seen) == 40:
                        place = event["id"]
                        break
    assert seen == list(range(40))


def test_from_an_offset_a_time_and_of_one_partition(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b", "c")
    for query, first in (("start=offset:1", "b"), ("start=ts:0", "a"), ("start=earliest&partition=0&body=data", None)):
        with following(node, f"/v1/queues/{queue}/events?{query}") as events:
            next(events)
            assert json.loads(next(events)["data"]).get("text") == first


def test_lanes_of_priorities_that_appear_are_read_too(
    node: Serving, client: httpx.Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmessaging.server.http.following.QUIET", 0.2)
    send(client, queue, "a")
    with following(node, f"/v1/queues/{queue}/events") as events:
        next(events)
        send(client, queue, "urgent", priority=9)
        assert json.loads(next(events)["data"])["text"] == "urgent"


def test_as_cloudevents(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a")
    path = f"/v1/queues/{queue}/events?start=earliest"
    with following(node, path, **{"ce-specversion": "1.0", "accept": "text/event-stream"}) as events:
        next(events)
        assert json.loads(next(events)["data"])["type"] == "openmessaging.message"


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("start=soon", {}, "position"),
        ("start=offset:-1", {}, "position"),
        ("start=ts:x", {}, "position"),
        ("partition=7", {}, "partition"),
        ("after=x", {}, "last-event-id"),
        ("", {"last-event-id": "0:1:2"}, "last-event-id"),
        ("what=1", {}, "query"),
    ],
)
def test_places_that_are_none(client: httpx.Client, queue: str, query: str, headers: dict, field: str) -> None:
    send(client, queue, "a")
    answer = client.get(f"/v1/queues/{queue}/events?{query}", headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] in (field, "what")


def test_a_queue_that_is_not_there(client: httpx.Client) -> None:
    assert client.get("/v1/queues/not-there/events").status_code == 404


def test_by_websocket(node: Serving, client: httpx.Client, queue: str) -> None:
    send(client, queue, "a", "b")
    socket = Socket(node, f"/v1/queues/{queue}/events?start=offset:1")
    socket.next()
    first = socket.hear()
    assert [each["text"] for each in first["messages"]] == ["b"]
    send(client, queue, "c")
    assert socket.hear()["messages"][0]["text"] == "c"
    socket.close()
    socket = Socket(node, f"/v1/queues/{queue}/events?after={first['place']}")
    socket.next()
    assert socket.hear()["messages"][0]["text"] == "c"
    socket.close()


def test_a_websocket_that_is_refused_says_why(node: Serving) -> None:
    socket = Socket(node, "/v1/queues/not-there/events")
    socket.next()
    code, reason = socket.hear()
    assert code == 1011
    assert "1404" in reason
    socket.close()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_sites_open_no_websocket(client: httpx.Client, queue: str, origin: str) -> None:
    send(client, queue, "a")
    headers = {
        "connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "origin": origin,
    }  # fmt: skip
    answer = client.get(f"/v1/queues/{queue}/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 1403)
    headers["origin"] = str(client.base_url).rstrip("/")
    with client.stream("GET", f"/v1/queues/{queue}/events", headers=headers) as answer:
        assert answer.status_code == 101


def test_streams_end_with_the_server(queue: str) -> None:
    from tests.servers import serving

    with serving(f"oms:memory:{queue}", http={"listen": "127.0.0.1:0"}) as node:
        with httpx.Client(base_url=node.http) as client:
            send(client, queue, "a")
        context = following(node, f"/v1/queues/{queue}/events")
        events = context.__enter__()
        next(events)
        socket = Socket(node, f"/v1/queues/{queue}/events")
        socket.next()
    assert list(events) == []
    assert socket.hear()[0] in (1000, 1001)
    socket.close()
    context.__exit__(None, None, None)
