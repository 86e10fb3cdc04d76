import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.cli.line import at_line, body_of, from_line, to_line
from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException, error

PROPERTIES = st.dictionaries(
    st.text(st.characters(categories=["L"]), min_size=1, max_size=8),
    st.text() | st.binary() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    max_size=4,
)


@given(
    body=st.binary(),
    key=st.none() | st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
    properties=PROPERTIES,
)
def test_what_receive_writes_send_reads(body: bytes, key: str | None, properties: dict[str, object]) -> None:
    first = from_line(json.dumps({"body_base64": b64encode(body).decode(), "key": key}).encode(), 1, "orders")
    for name, value in properties.items():
        first.properties[name] = value  # type: ignore[assignment]
    first.set_header("correlationId", "c-1")
    line = to_line(first)
    again = from_line(json.dumps(line).encode(), 1, "copies")
    assert (again.destination, again.data, again.message_key) == ("copies", body, key)
    assert dict(again.properties) == properties
    assert again.get_header("correlationId") == "c-1"


@pytest.mark.parametrize(
    ("body", "data"), [("text", b"text"), ({"a": 1}, b'{"a":1}'), (7, b"7"), (None, b"null"), ("", b"")]
)
def test_bodies(body: object, data: bytes) -> None:
    assert from_line(json.dumps({"body": body}).encode(), 1, "orders").data == data


def test_body_of() -> None:
    assert body_of(b"text") == {"body": "text"}
    assert body_of(b"\xff") == {"body_base64": "/w=="}


def test_the_document_of_the_standard() -> None:
    document = {
        "message": {
            "version": "1.0.0",
            "header": {"destination": "elsewhere"},
            "properties": {},
            "data": b64encode(b"x").decode(),
        }
    }
    message = from_line(json.dumps(document).encode(), 1, "orders")
    assert (message.destination, message.data) == ("orders", b"x")


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (b"{", 1400, "document"),
        (b"\xff", 1400, "document"),
        (b"[1]", 1400, "document"),
        (b"[" * 100_000, 1400, "document"),
        (b"{}", 1402, "body"),
        (b'{"body": 1, "colour": 2}', 1400, "colour"),
        (b'{"body": 1, "headers": []}', 1400, "headers"),
        (b'{"body": 1, "headers": [1]}', 1400, "headers"),
        (b'{"body": 1, "properties": []}', 1400, "properties"),
        (b'{"body": 1, "properties": {"price": []}}', 1400, "properties.price"),
        (b'{"body": 1, "headers": {"colour": 2}}', 1400, "header.colour"),
        (b'{"body_base64": "?"}', 1400, "body_base64"),
        (b'{"body_base64": 7}', 1400, "body_base64"),
    ],
)
def test_a_wrong_line_names_itself_and_the_field(line: bytes, code: int, field: str) -> None:
    with pytest.raises(OMSMessageFormatException) as raised:
        from_line(line, 7, "orders")
    assert raised.value.code == code
    assert raised.value.field == field
    assert raised.value.reason.startswith("line 7: ")


def test_at_line_keeps_class_and_next_step() -> None:
    found: OMSRuntimeException = at_line(error(1413, "large", next_step="less", field="data"), 3)
    assert isinstance(found, OMSMessageFormatException)
    assert (found.code, found.reason, found.next_step, found.field) == (1413, "line 3: large", "less", "data")
