"""Sending over HTTP: raw bodies, documents, lists, records, batches."""

from __future__ import annotations

import base64
import gzip
import json
import socket

import httpx
import msgspec
import pytest

from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.message import Record
from openmessaging.server.http.messages import NewMessage, to_message
from openmessaging.server.http.request import JSON as JSON_TYPE
from openmessaging.server.http.sends import BATCH, RECORDS, read_documents
from tests.servers import Serving


def test_a_raw_body_is_a_message(client: httpx.Client, queue: str) -> None:
    answer = client.post(f"/v1/queues/{queue}/messages", content=b"hello", headers={"content-type": "text/plain"})
    assert answer.status_code == 200
    sent = answer.json()
    assert sent["queue"] == f"default://{queue}"
    assert (sent["partition"], sent["offset"]) == (0, 0)
    assert len(sent["messageId"]) == 32


def test_a_document_and_a_list(client: httpx.Client, queue: str) -> None:
    path = f"/v1/queues/{queue}/messages"
    one = client.post(path, json={"text": "a", "messageKey": "k", "properties": {"n": 1}, "priority": 7})
    assert one.status_code == 200, one.text
    many = client.post(path, json={"messages": [{"text": "b"}, {"json": {"x": 1}}, {"data": "AAEC"}]})
    assert [each["offset"] for each in many.json()["results"]] == [0, 1, 2]


def test_messagepack_both_ways(client: httpx.Client, queue: str) -> None:
    body = msgspec.msgpack.encode({"messages": [{"data": b"\x00\xff"}]})
    headers = {"content-type": "application/msgpack", "accept": "application/msgpack"}
    answer = client.post(f"/v1/queues/{queue}/messages", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(answer.content)["results"][0]["offset"] == 0


def test_records_and_stored_batches(client: httpx.Client, queue: str) -> None:
    path = f"/v1/queues/{queue}/messages"
    records = msgspec.msgpack.encode([Record(b"x"), Record(b"y")])
    run = client.post(path, content=records, headers={"content-type": RECORDS}).json()
    assert (run["baseOffset"], run["count"]) == (0, 2)
    batch = encode([Record(b"z")], shared=encode_shared({}), born_ms=1, producer_id=2, first_sequence=3)
    stored = client.post(path, content=batch.head + batch.payload, headers={"content-type": BATCH})
    assert stored.json()["baseOffset"] == 2
    broken = client.post(path, content=(batch.head + batch.payload)[:-1], headers={"content-type": BATCH})
    assert (broken.status_code, broken.json()["code"]) == (400, 1418)


def test_a_key_is_stored_once(client: httpx.Client, queue: str) -> None:
    client.post("/v1/queues", json={"name": queue, "config": {"deduplication_window": 60.0}})
    path = f"/v1/queues/{queue}/messages"
    first = client.post(path, content=b"x", headers={"idempotency-key": "order-1"}).json()
    again = client.post(path, content=b"x", headers={"idempotency-key": "order-1"}).json()
    assert again == {**first, "duplicate": True}


def test_compressed_bodies(client: httpx.Client, queue: str) -> None:
    path = f"/v1/queues/{queue}/messages"
    answer = client.post(path, content=gzip.compress(b"x" * 10_000), headers={"content-encoding": "gzip"})
    assert answer.status_code == 200
    broken = client.post(path, content=b"no gzip", headers={"content-encoding": "gzip"})
    assert (broken.status_code, broken.json()["code"]) == (400, 1400)
    unknown = client.post(path, content=b"x", headers={"content-encoding": "br"})
    assert unknown.status_code == 415
    bomb = client.post(path, content=gzip.compress(bytes(5 << 20)), headers={"content-encoding": "gzip"})
    assert (bomb.status_code, bomb.json()["code"]) == (413, 1413)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"text": "a", "data": "AA=="}, "text"),
        ({"text": 5}, "text"),
        ({"text": "a", "unknown": 1}, "unknown"),
        ({"text": "a", "messageKey": ""}, "messageKey"),
        ({"text": "a", "properties": {"x": None}}, "x"),
        ({"messages": []}, "messages"),
        ([], "body"),
    ],
)
def test_wrong_documents_are_refused(client: httpx.Client, queue: str, document: object, field: str) -> None:
    answer = client.post(f"/v1/queues/{queue}/messages", json=document)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


def test_a_body_over_the_limit(client: httpx.Client, queue: str) -> None:
    answer = client.post(f"/v1/queues/{queue}/messages", content=bytes((4 << 20) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, 1413)


def test_a_repeated_length_too_large_is_refused_at_once(node: Serving) -> None:
    with socket.create_connection(("127.0.0.1", int(node.http.rpartition(":")[2])), 10) as connection:
        connection.sendall(
            b"POST /v1/queues/q/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_data_is_base64_in_json(client: httpx.Client, queue: str) -> None:
    data = base64.b64encode(b"\x00\x01").decode()
    answer = client.post(f"/v1/queues/{queue}/messages", content=json.dumps({"data": data}), headers=JSON)
    assert answer.status_code == 200


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (b'{"text": "x", "qos": 7}', "qos"),
        (b'{"text": "x", "delayTime": -1}', "delayTime"),
        (b'{"text": "x", "colour": "red"}', "colour"),
        (b'{"messages": [{"text": "x"}, {"text": "y", "delayTime": "soon"}]}', "delayTime"),
        (b"no JSON", "body"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_format_error_that_names_the_field(document: bytes, field: str) -> None:
    with pytest.raises(OMSMessageFormatException) as refused:
        read_documents(document, JSON_TYPE)
    assert (refused.value.code, refused.value.field) == (1400, field)


def test_a_priority_out_of_range_is_ignored() -> None:
    new = read_documents(b'{"text": "x", "priority": 42}', JSON_TYPE)
    assert isinstance(new, NewMessage)
    assert to_message(new, "q").get_header("priority") is None
