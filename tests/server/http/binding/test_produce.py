"""Producing by the static binding, and what comes out at the other end."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from openmessaging import blocking as oms
from openmessaging.model.http_headers import from_headers
from openmessaging.model.json_form import from_json, to_json
from tests.model.vectors import load, same
from tests.server.http.binding.requests import consumed, produce, version
from tests.servers import Serving


def test_the_least(client: httpx.Client, queue: str) -> None:
    answer = client.post("/", headers={"x-oms-version": "1.0.0", "X-OMS-H-Destination": queue}, content=b"hello")
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(answer.headers["x-oms-h-messageid"]) == 32
    assert (answer.headers["x-oms-h-partition"], answer.headers["x-oms-h-offset"]) == ("0", "0")
    assert abs(int(answer.headers["x-oms-h-storetimestamp"]) / 1000 - time.time()) < 60
    back = consumed(client, queue)
    assert back.content == b"hello"
    assert back.headers["content-type"] == "application/octet-stream"
    assert back.headers["cache-control"] == "no-store"
    assert back.headers["x-oms-version"] == "1.0.0"
    assert back.headers["x-oms-h-destination"] == f"default://{queue}"
    for name in ("messageid", "storetimestamp", "partition", "offset"):
        assert back.headers[f"x-oms-h-{name}"] == answer.headers[f"x-oms-h-{name}"]
    assert back.headers["x-oms-h-bornhost"] == "127.0.0.1"
    assert back.headers["x-oms-h-deliverycount"] == "1"
    assert "x-oms-receipt" not in back.headers


BORN = "x-oms-h-borntimestamp"
NOT_SENT = {"every header field", "durability 1 is qos 1; a priority out of range is unset"}


@pytest.mark.parametrize("case", load("http-binding")["valid"], ids=lambda case: case["name"])
def test_what_is_valid_comes_back_as_it_was(client: httpx.Client, queue: str, case: dict) -> None:
    fields = [(name, value) for name, value in case["fields"] if name.lower() != "x-oms-h-destination"]
    if case["name"] in NOT_SENT:
        fields = [each for each in fields if not each[0].endswith(("qos", "durability", "transactionid", "time"))]
        fields = [each for each in fields if not each[0].endswith("partition")]
    fields = [(name, value.strip()) for name, value in fields if value.isascii()]
    answer = client.post("/", headers=[*fields, ("x-oms-h-destination", queue)], content=bytes.fromhex(case["body"]))
    assert answer.status_code == 200, answer.text
    back = consumed(client, queue)
    found = from_headers(back.headers.items(), back.content)
    wanted = from_json(case["message"])
    assert (found.data, found.message_key) == (wanted.data, wanted.message_key)
    assert same(dict(found.properties), dict(wanted.properties))
    for name in ("bornTimestamp", "bornHost"):
        assert wanted.get_header(name) in (None, found.get_header(name))


def test_every_field_that_is_the_senders_to_set(node: Serving, client: httpx.Client, queue: str) -> None:
    born = int(time.time() * 1000) - 5000
    sent = {
        "messageKey": "alice", "correlationId": "call-7", "traceId": "trace-1", "priority": "9",
        "expireTime": str(born + 3_600_000), "compression": "gzip",
    }  # fmt: skip
    fields = {f"x-oms-h-{name.lower()}": value for name, value in sent.items()}
    fields |= {"x-oms-h-borntimestamp": str(born), "x-oms-h-bornhost": "172.24.0.101:10035"}
    fields |= {"x-oms-h-messageid": "", "x-oms-h-storetimestamp": "never", "x-oms-h-offset": "x"}
    answer = produce(client, queue, b"x", **fields)
    assert answer.status_code == 200, answer.text
    with oms.connect(node.url) as access_point, access_point.create_pull_consumer(queue, group="g") as consumer:
        message = consumer.receive(timeout=5)
        assert message is not None
        for name, value in sent.items():
            assert str(message.get_header(name)) == value
        assert (message.get_header("bornTimestamp"), message.get_header("bornHost")) == (born, "172.24.0.101:10035")
        assert message.message_id == answer.headers["x-oms-h-messageid"]


def test_delay_counts_from_the_born_time(client: httpx.Client, queue: str) -> None:
    now = int(time.time() * 1000)
    early = {"x-oms-h-borntimestamp": str(now - 60_000), "x-oms-h-delaytime": "60000"}
    late = {"x-oms-h-borntimestamp": str(now), "x-oms-h-delaytime": "60000"}
    assert produce(client, queue, b"late", **late).status_code == 200
    answer = produce(client, queue, b"early", **early)
    assert answer.status_code == 200, answer.text
    assert consumed(client, queue, **{"x-oms-waitmills": "5000"}).content == b"early"
    assert consumed(client, queue).status_code == 204


@pytest.mark.parametrize("case", load("http-binding")["invalid"], ids=lambda case: case["name"])
def test_what_is_invalid_is_refused_by_name(client: httpx.Client, case: dict) -> None:
    if not all(value.isascii() for _, value in case["fields"]) or "twice" in case["name"]:
        case = {**case, "field": None}
    answer = client.post("/", headers=[(name, value.encode()) for name, value in case["fields"]])
    if case["name"] == "a header field twice":  # joined by commas, as HTTP may
        assert answer.status_code == 200
        return
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], answer.status_code) == (case["code"], 431 if case["code"] == 1412 else 400)
    assert case["field"] in (None, problem["field"])


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({}, 400, 1400, "x-oms-version"),
        ({"x-oms-version": "1.0.0"}, 400, 1400, "x-oms-h-destination"),
        ({**version, "x-oms-h-destination": "a/b"}, 400, 1418, "queue"),
        ({**version, "x-oms-h-destination": "no-such-space://q"}, 404, 1405, None),
        ({**version, "x-oms-h-destination": "q", "x-oms-h-qos": "2"}, 400, 1400, "qos"),
        ({**version, "x-oms-h-destination": "q", "x-oms-h-transactionid": "t"}, 400, 1400, "transactionId"),
        ({**version, "x-oms-h-destination": "q", "x-oms-h-partition": "9"}, 400, 1418, "partition"),
        ({**version, "x-oms-h-destination": "q", BORN: str(1 << 60)}, 400, 1400, BORN),
        ({**version, "x-oms-h-destination": "q", "x-oms-consumerid": "g"}, 400, 1400, "x-oms-h-destination"),
        ({**version, "x-oms-h-destination": "q", **{f"x-oms-p-{n}": "x" * 7000 for n in range(10)}}, 431, None, None),
    ],
)  # fmt: skip
def test_codes(client: httpx.Client, fields: dict, status: int, code: int | None, field: str | None) -> None:
    answer = client.post("/", headers=fields, content=b"")
    assert answer.status_code == status, answer.text
    assert code in (None, answer.json()["code"])
    assert answer.json().get("field") == field or code is None


def test_a_body_over_the_limit(client: httpx.Client, node: Serving, queue: str) -> None:
    answer = produce(client, queue, bytes(node.node.driver.max_body_bytes + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, 1413)


def test_other_methods(client: httpx.Client) -> None:
    assert client.put("/", headers=version).status_code == 405
    answer = client.get("/", headers={**version, "x-oms-h-destination": "q"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# ---- CloudEvents -----------------------------------------------------------------------------------------------------

EVENT = {"specversion": "1.0", "id": "a-1", "source": "/shop", "type": "order.placed"}


def test_a_binary_event_there_and_back(client: httpx.Client, queue: str) -> None:
    fields = {f"ce-{name}": value for name, value in EVENT.items()}
    fields |= {"ce-subject": "order%207", "content-type": "application/json", "ce-partitionkey": "alice"}
    assert produce(client, queue, b'{"a": 1.50}', **fields).status_code == 200
    back = consumed(client, queue, **{"ce-specversion": "1.0"})
    assert back.content == b'{"a": 1.50}'
    for name, value in fields.items():
        assert back.headers[name] == value
    assert back.headers["ce-omsdestination"] == f"default://{queue}"


def test_a_structured_event_there_and_back(client: httpx.Client, queue: str) -> None:
    event = {**EVENT, "omspriority": 7, "data": {"a": 1.5}}
    headers = {"content-type": "application/cloudevents+json"}
    assert produce(client, queue, json.dumps(event).encode(), **headers).status_code == 200
    plain = consumed(client, queue, group="plain")
    assert plain.headers["x-oms-p-ce_type"] == "order.placed"
    assert plain.headers["x-oms-h-priority"] == "7"
    back = consumed(
        client, queue, accept="application/json;q=0.5, application/cloudevents+json", **{"x-oms-ack": "true"}
    )
    found = back.json()
    assert {name: found[name] for name in event} == event
    assert found["omsreceipt"] == back.headers["x-oms-receipt"]


def test_the_event_may_name_the_queue(client: httpx.Client, queue: str) -> None:
    event = {**EVENT, "omsdestination": queue, "data_base64": "AP8="}
    answer = client.post("/", headers={**version, "content-type": "application/cloudevents+json"}, json=event)
    assert answer.status_code == 200, answer.text
    assert consumed(client, queue).content == b"\x00\xff"


def test_a_batch_of_events(client: httpx.Client, queue: str) -> None:
    events = [{**EVENT, "id": str(n), "data": n} for n in range(3)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = produce(client, queue, json.dumps(events).encode(), **headers)
    assert answer.status_code == 200
    assert [each["x-oms-h-offset"] for each in answer.json()] == ["0", "1", "2"]
    back = consumed(client, queue, accept="application/cloudevents-batch+json")
    assert [each["data"] for each in back.json()] == [0]


def test_a_plain_message_as_an_event_and_back(client: httpx.Client, queue: str) -> None:
    produce(client, queue, b"hello", **{"x-oms-p-color": "red"})
    event = consumed(client, queue, accept="application/cloudevents+json")
    assert event.json()["type"] == "openmessaging.message"
    headers = {"content-type": "application/cloudevents+json"}
    assert produce(client, queue, event.content, **headers).status_code == 200
    back = consumed(client, queue)
    assert (back.content, back.headers["x-oms-p-color"]) == (b"hello", "red")
    assert to_json(from_headers(back.headers.items(), b""))["message"]["properties"] == {"color": "red"}


@pytest.mark.parametrize(
    ("headers", "body", "field"),
    [
        ({"content-type": "application/cloudevents+json"}, b"{}", "specversion"),
        ({"content-type": "application/cloudevents+json"}, b"{", "body"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[{}]", "[0].specversion"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "body"),
        ({"content-type": "application/cloudevents+avro"}, b"", "content-type"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a"}, b"", "type"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}, b"", "specversion"),
        (
            {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t", "x-oms-p-a": "b"},
            b"",
            "x-oms-p-a",
        ),
    ],
)
def test_events_that_are_none(client: httpx.Client, queue: str, headers: dict, body: bytes, field: str) -> None:
    answer = produce(client, queue, body, **headers)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.json()["code"] == (1418 if body == b"[]" else 1400)
