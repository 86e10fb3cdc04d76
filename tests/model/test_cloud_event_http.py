import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.cloud_event import CloudEvent
from openmessaging.model.cloud_event_http import (
    Mode,
    accepted_mode,
    mode_of,
    read_batched_mode,
    read_binary_mode,
    read_structured_mode,
    write_batched_mode,
    write_binary_mode,
    write_structured_mode,
)
from openmessaging.model.errors import OMSMessageFormatException
from tests.model.test_cloud_event import EVENT, events
from tests.model.vectors import same

CORE = b'"specversion":"1.0","id":"a-1","source":"/shop","type":"order.placed"'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def as_text(value: Any) -> str:
    """The canonical text, written anew."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return str(value)


@given(events())
def test_the_binary_mode_keeps_all_but_types(event: CloudEvent) -> None:
    fields = write_binary_mode(event)
    for name, value in fields:
        assert name.isascii()
        assert all(" " <= each <= "~" for each in value)
    found = read_binary_mode([(name.title(), f" {value} ") for name, value in fields], event.data)
    assert found == CloudEvent({name: as_text(value) for name, value in event.attributes.items()}, event.data)


@given(events(), json_values)
def test_the_structured_mode_keeps_all_but_bytes(event: CloudEvent, value: Any) -> None:
    for data in (
        event.data,
        json.dumps(value).encode(),
        json.dumps(value, indent=1).encode() + b"\n",
        b"\xef\xbb\xbf1",
    ):
        sent = CloudEvent(event.attributes, data)
        found = read_structured_mode(write_structured_mode(sent))
        want = {name: as_text(each) if isinstance(each, bytes) else each for name, each in event.attributes.items()}
        assert same(dict(found.attributes), want)
        assert found.data == data


@given(st.lists(events(), max_size=3))
def test_the_batched_mode(several: list[CloudEvent]) -> None:
    document = write_batched_mode(several)
    assert [json.loads(write_structured_mode(event)) for event in several] == json.loads(document)
    assert read_batched_mode(document) == [read_structured_mode(write_structured_mode(event)) for event in several]


@pytest.mark.parametrize(
    ("members", "kind", "data"),
    [
        (b'"data": {"b":1, "a":[1e3]}', "application/json", b'{"b":1, "a":[1e3]}'),
        (b'"data": "text"', "application/json", b'"text"'),
        (b'"datacontenttype":"text/xml","data":"<a>\\u00fc</a>"', "text/xml", "<a>ü</a>".encode()),
        (b'"datacontenttype":"application/vnd.x+json; v=1","data":false', "application/vnd.x+json; v=1", b"false"),
        (b'"datacontenttype":"image/png","data_base64":"iVBORw=="', "image/png", b"\x89PNG"),
        (b'"data_base64":"e30=","data":null', None, b"{}"),
        (b'"data":null,"data_base64":null,"subject":null', None, b""),
        (b'"data_base64":""', None, b""),
    ],
)
def test_data_as_json_has_it(members: bytes, kind: str | None, data: bytes) -> None:
    event = read_structured_mode(b"{" + CORE + b"," + members + b"}")
    assert event.data == data
    assert event.attributes == ({**EVENT, "datacontenttype": kind} if kind else EVENT)
    assert read_structured_mode(write_structured_mode(event)) == event


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b'{"id":"\xff"}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"specversion":"1.0"}', "id"),
        (b"{" + CORE + b',"count":1.5}', "count"),
        (b"{" + CORE + b',"count":3000000000}', "count"),
        (b"{" + CORE + b',"extra":[]}', "extra"),
        (b"{" + CORE + b',"Extra":1}', "Extra"),
        (b"{" + CORE + b',"data":1,"data_base64":""}', "data_base64"),
        (b"{" + CORE + b',"data_base64":"e30"}', "data_base64"),
        (b"{" + CORE + b',"data_base64":5}', "data_base64"),
        (b"{" + CORE + b',"datacontenttype":"text/xml","data":{}}', "data"),
    ],
)
def test_documents_that_are_no_event(body: bytes, field: str) -> None:
    with pytest.raises(OMSMessageFormatException) as caught:
        read_structured_mode(body)
    assert (caught.value.code, caught.value.field) == (1400, field)
    with pytest.raises(OMSMessageFormatException) as caught:
        read_batched_mode(b"[{" + CORE + b"}," + body + b"]")
    assert caught.value.field == ("body" if field == "body" else f"[1].{field}")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ([("ce-subject", "50%")], "subject"),
        ([("ce-subject", "ü")], "subject"),
        ([("ce-subject", "a"), ("CE-Subject", "b")], "subject"),
        ([("ce-datacontenttype", "text/plain")], "ce-datacontenttype"),
        ([("ce-data", "a")], "data"),
        ([("ce-a-b", "a")], "a-b"),
        ([("content-type", "text")], "datacontenttype"),
        ([("ce-time", "now")], "time"),
    ],
)
def test_fields_that_are_no_event(fields: list[tuple[str, str]], field: str) -> None:
    own = [(f"ce-{name}", value) for name, value in EVENT.items()]
    with pytest.raises(OMSMessageFormatException) as caught:
        read_binary_mode([*own, *fields], b"")
    assert (caught.value.code, caught.value.field) == (1400, field)


def test_texts_in_quotes() -> None:
    own = [(f"ce-{name}", value) for name, value in EVENT.items()]
    event = read_binary_mode([*own, ("ce-subject", '"say \\"hi\\" %C3%BC"'), ("host", "x")], b"")
    assert event.attributes["subject"] == 'say "hi" ü'
    assert ("ce-subject", "say%20%22hi%22%20%C3%BC") in write_binary_mode(event)


def test_modes() -> None:
    assert mode_of("application/cloudevents+json; charset=utf-8", False) is Mode.STRUCTURED
    assert mode_of("Application/CloudEvents-Batch+JSON", True) is Mode.BATCHED
    assert mode_of("application/json", True) is Mode.BINARY
    assert mode_of("application/json", False) is None
    with pytest.raises(OMSMessageFormatException) as caught:
        mode_of("application/cloudevents+avro", True)
    assert caught.value.field == "content-type"
    assert accepted_mode(["text/html", "application/cloudevents+json"], True) is Mode.STRUCTURED
    assert accepted_mode(["application/cloudevents-batch+json"], False) is Mode.BATCHED
    assert accepted_mode(["*/*"], True) is Mode.BINARY
    assert accepted_mode(["*/*"], False) is None


# ---- the official SDK as an independent check ----------------------------------------------------------------------

SENT = {
    **EVENT,
    "subject": 'order 7 "ü€" 50%',
    "datacontenttype": "application/json",
    "dataschema": "https://shop.example/order.json",
    "time": "2018-08-09T02:13:47.824519Z",
    "partitionkey": "alice b",
}
BODY = b'{"total":12.50}'


def of_sdk(event: Any) -> dict[str, str]:
    """The attributes that the SDK read, its times as text."""
    found = dict(event.get_attributes())
    return {**found, "time": found["time"].isoformat().replace("+00:00", "Z")}


def test_the_sdk_reads_what_is_written() -> None:
    event = CloudEvent(SENT, BODY)
    binary = from_binary(HTTPMessage(dict(write_binary_mode(event)), BODY), JSONFormat())
    structured = from_structured(
        HTTPMessage({"content-type": "application/cloudevents+json"}, write_structured_mode(event)), JSONFormat()
    )
    for read in (binary, structured):
        assert of_sdk(read) == SENT
        assert read.get_data() == {"total": 12.5}


def test_what_the_sdk_writes_is_read() -> None:
    import datetime

    attributes = {**SENT, "time": datetime.datetime.fromisoformat(SENT["time"])}
    event = SdkEvent(attributes=attributes, data={"total": 12.5})
    binary, structured = to_binary(event, JSONFormat()), to_structured(event, JSONFormat())
    for read in (
        read_binary_mode(list(binary.headers.items()), binary.body),
        read_structured_mode(structured.body),
    ):
        assert dict(read.attributes) == SENT
        assert json.loads(read.data) == {"total": 12.5}


def test_bytes_to_the_sdk_and_back() -> None:
    event = CloudEvent({**EVENT, "datacontenttype": "application/octet-stream"}, b"\x00\xff")
    read = from_structured(
        HTTPMessage({"content-type": "application/cloudevents+json"}, write_structured_mode(event)), JSONFormat()
    )
    assert read.get_data() == b"\x00\xff"
    again = read_structured_mode(to_structured(read, JSONFormat()).body)
    assert (again.attributes["datacontenttype"], again.data) == ("application/octet-stream", b"\x00\xff")
