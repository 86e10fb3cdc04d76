"""Pulling and pushing by the static binding, and what settles messages."""

from __future__ import annotations

import base64
import email
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.server.http.binding.requests import consumed, consuming, produce, settled, version
from tests.servers import Serving


def test_nothing_new(client: httpx.Client, queue: str) -> None:
    answer = consumed(client, queue)
    assert (answer.status_code, answer.content) == (204, b"")
    before = time.monotonic()
    assert consumed(client, queue, **{"x-oms-waitmills": "300"}).status_code == 204
    assert 0.25 < time.monotonic() - before < 5


def test_a_get_is_taken_and_never_cached(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    answer = client.get("/", headers=consuming(queue))
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"a", "no-store")


def test_a_long_poll_ends_with_a_message(node: Serving, client: httpx.Client, queue: str) -> None:
    consumed(client, queue)

    def later() -> None:
        with httpx.Client(base_url=node.http) as other:
            produce(other, queue, b"a")

    timer = threading.Timer(0.2, later)
    timer.start()
    before = time.monotonic()
    assert consumed(client, queue, **{"x-oms-waitmills": "10000"}).content == b"a"
    assert time.monotonic() - before < 5
    timer.join()


def test_at_most_once_is_the_default(client: httpx.Client, queue: str) -> None:
    for ack in ({}, {"x-oms-ack": "false"}):
        produce(client, queue, b"a")
        assert consumed(client, queue, **ack).status_code == 200
        assert consumed(client, queue).status_code == 204


def test_ack(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    produce(client, queue, b"b")
    got = consumed(client, queue, **{"X-OMS-Ack": "TRUE"})
    receipt = got.headers["x-oms-receipt"]
    answer = settled(client, receipt)
    assert (answer.status_code, answer.content) == (200, b"")
    again = settled(client, receipt)
    assert (again.status_code, again.json()["code"]) == (400, 1418)
    assert consumed(client, queue).content == b"b"


@pytest.mark.parametrize("born", [{}, {"x-oms-h-bornhost": "a"}])
def test_qos_1_is_settled_whatever_is_asked_for(client: httpx.Client, queue: str, born: dict[str, str]) -> None:
    produce(client, queue, b"a", **{"x-oms-h-durability": "1", **born})
    got = consumed(client, queue, **{"x-oms-ack": "true"})
    assert (got.content, got.headers["x-oms-h-qos"]) == (b"a", "1")
    assert "x-oms-receipt" not in got.headers
    assert client.get(f"/v1/queues/{queue}/groups/group").json()["lag"] == 0


def test_nack_brings_it_again(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    receipt = consumed(client, queue, **{"x-oms-ack": "true"}).headers["x-oms-receipt"]
    fields = {"x-oms-settle": "nack", "x-oms-delaymills": "50", "x-oms-reason": "not%20now"}
    assert settled(client, receipt, **fields).status_code == 200
    again = consumed(client, queue, **{"x-oms-ack": "true", "x-oms-waitmills": "5000"})
    assert (again.content, again.headers["x-oms-h-deliverycount"]) == (b"a", "2")
    assert again.headers["x-oms-receipt"] != receipt


def test_reject_makes_a_dead_letter(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    receipt = consumed(client, queue, **{"x-oms-ack": "true"}).headers["x-oms-receipt"]
    assert settled(client, receipt, **{"x-oms-settle": "reject", "x-oms-reason": "bad"}).status_code == 200
    dead = [
        name for name in client.get("/v1/queues").json()["queues"] if queue in name["name"] and "dead" in name["name"]
    ]
    assert len(dead) == 1
    letter = consumed(client, dead[0]["name"])
    assert (letter.content, letter.headers["x-oms-p-dead-letter.reason"]) == (b"a", "bad")


def test_extend_keeps_it_hidden(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    receipt = consumed(client, queue, **{"x-oms-ack": "true"}).headers["x-oms-receipt"]
    assert settled(client, receipt, **{"x-oms-settle": "extend", "x-oms-delaymills": "300"}).status_code == 200
    assert consumed(client, queue).status_code == 204
    again = consumed(client, queue, **{"x-oms-waitmills": "5000"})
    assert again.headers["x-oms-h-deliverycount"] == "2"
    assert settled(client, receipt).json()["code"] == 1418


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"x-oms-consumerid": "g"}, 1400, "x-oms-source"),
        ({"x-oms-source": "q"}, 1400, "x-oms-consumerid"),
        ({"x-oms-source": "q", "x-oms-consumerid": ""}, 1400, "x-oms-consumerid"),
        ({"x-oms-source": "q", "x-oms-consumerid": "a/b"}, 1418, "x-oms-consumerid"),
        ({"x-oms-source": "q", "x-oms-consumerid": "g", "x-oms-ack": "yes"}, 1400, "x-oms-ack"),
        ({"x-oms-source": "q", "x-oms-consumerid": "g", "x-oms-waitmills": "-1"}, 1400, "x-oms-waitmills"),
        ({"x-oms-source": "q", "x-oms-consumerid": "g", "x-oms-waitmills": "soon"}, 1400, "x-oms-waitmills"),
        ({"x-oms-receipt": "x"}, 1400, "x-oms-consumerid"),
        ({"x-oms-receipt": "x", "x-oms-consumerid": "g"}, 1418, "receipt"),
        ({"x-oms-receipt": "", "x-oms-consumerid": "g"}, 1418, "receipt"),
    ],
)
def test_requests_that_are_none(client: httpx.Client, fields: dict, code: int, field: str) -> None:
    answer = client.post("/", headers={**version, **fields})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, field)


def test_settlements_that_are_none(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"a")
    receipt = consumed(client, queue, **{"x-oms-ack": "true"}).headers["x-oms-receipt"]
    assert settled(client, receipt, **{"x-oms-settle": "eat"}).json()["field"] == "x-oms-settle"
    assert settled(client, receipt, **{"x-oms-settle": "extend"}).json()["field"] == "x-oms-delaymills"
    assert settled(client, receipt, group="another").status_code == 404
    assert settled(client, receipt).status_code == 200


def parts_of_multipart(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """The parts, as Python's own mail reader sees them."""
    head = f"content-type: {answer.headers['content-type']}\r\n\r\n".encode()
    return [
        ({name.lower(): value for name, value in part.items()}, part.get_payload(decode=True))
        for part in email.message_from_bytes(head + answer.content).get_payload()
    ]


def test_push_as_multipart(client: httpx.Client, queue: str) -> None:
    bodies = [b"", b"a\r\n--b\r\n", bytes(range(256))]
    for body in bodies:
        produce(client, queue, body, **{"x-oms-p-note": "%C3%BC"})
    answer = consumed(client, queue, accept="multipart/mixed", **{"x-oms-waitmills": "200", "x-oms-ack": "true"})
    assert answer.status_code == 200
    parts = parts_of_multipart(answer)
    assert [body for _, body in parts] == bodies
    for fields, body in parts:
        assert (fields["x-oms-p-note"], fields["x-oms-version"]) == ("%C3%BC", "1.0.0")
        assert int(fields["content-length"]) == len(body)
        assert settled(client, fields["x-oms-receipt"]).status_code == 200
    assert consumed(client, queue, accept="multipart/mixed", **{"x-oms-waitmills": "1"}).status_code == 204


def events(lines: Iterator[str]) -> Iterator[list[str]]:
    """The lines of data of server-sent events."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield data
            data = []


def read_part(lines: list[str]) -> tuple[dict[str, str], bytes]:
    end = lines.index("")
    fields = dict(line.split(": ", 1) for line in lines[:end])
    assert fields["content-transfer-encoding"] == "base64"
    return fields, base64.b64decode("".join(lines[end + 1 :]))


def test_push_as_events_goes_on(node: Serving, client: httpx.Client, queue: str) -> None:
    headers = consuming(queue, accept="text/event-stream", **{"x-oms-ack": "true"})
    with httpx.Client(base_url=node.http) as other, other.stream("POST", "/", headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        coming = events(answer.iter_lines())
        for body in (b"a", bytes(range(256))):
            produce(client, queue, body, **{"x-oms-p-n": "1"})
            fields, found = read_part(next(coming))
            assert (found, fields["x-oms-p-n"], fields["x-oms-h-deliverycount"]) == (body, "1", "1")
            assert settled(client, fields["x-oms-receipt"]).status_code == 200


def test_push_as_cloudevents(client: httpx.Client, queue: str) -> None:
    import json

    produce(client, queue, b"a")
    answer = consumed(client, queue, accept="text/event-stream", **{"x-oms-waitmills": "100", "ce-specversion": "1.0"})
    (lines,) = events(iter(answer.text.split("\n")))
    assert json.loads("\n".join(lines))["data_base64"] == "YQ=="
    produce(client, queue, b"b")
    fields = {"accept": "multipart/mixed, application/cloudevents+json", "x-oms-waitmills": "100"}
    ((fields, body),) = parts_of_multipart(consumed(client, queue, **fields))
    assert fields["content-type"] == "application/cloudevents+json"
    assert json.loads(body)["data_base64"] == "Yg=="


def test_who_hangs_up_leaves_nothing_leased(node: Serving, client: httpx.Client, queue: str) -> None:
    headers = consuming(queue, accept="text/event-stream", **{"x-oms-ack": "true"})
    with httpx.Client(base_url=node.http) as other, other.stream("POST", "/", headers=headers) as answer:
        next(answer.iter_lines())
    time.sleep(0.2)
    produce(client, queue, b"a")
    assert consumed(client, queue, **{"x-oms-waitmills": "2000"}).headers["x-oms-h-deliverycount"] == "1"


def test_nothing_is_leased_for_who_does_not_read(node: Serving, client: httpx.Client, queue: str) -> None:
    for _ in range(40):
        produce(client, queue, bytes(500_000))
    headers = consuming(queue, accept="multipart/mixed", **{"x-oms-ack": "true"})
    with httpx.Client(base_url=node.http) as other, other.stream("POST", "/", headers=headers) as answer:
        assert answer.status_code == 200
        found = in_flight(node, queue)
        deadline = time.monotonic() + 10
        while (now := in_flight(node, queue)) != found or found == 0:
            found = now
            assert time.monotonic() < deadline
            time.sleep(0.3)
        assert 0 < found < 30
    deadline = time.monotonic() + 10
    while in_flight(node, queue) >= found and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_flight(node, queue) < found


def in_flight(node: Serving, queue: str) -> int:
    import asyncio

    driver = node.node.driver
    name = f"default://{queue}"
    return asyncio.run_coroutine_threadsafe(driver.describe_group(name, "group"), node.loop).result(5).in_flight
