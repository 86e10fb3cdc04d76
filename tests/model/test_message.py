from typing import Any

import pytest

from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.key_value import KeyValue
from openmessaging.model.message import Message, Record, as_body, body_too_large


class Place:
    """What a delivery knows of its messages."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def header(self, name: str, position: int) -> Any:
        values = self.fields.get(name)
        return values[position] if values else None


def message(**fields: Any) -> Message:
    return Message(Record(b"x", **fields), "orders")


def test_parts() -> None:
    it = message()
    assert (it.version, it.data, it.properties, it.destination) == ("1.0.0", b"x", {}, "orders")
    assert it.header.destination == "orders"
    assert it.extension_header.message_key is None
    for name in ("message_id", "message_key", "delivery_count", "partition", "offset"):
        assert getattr(it, name) is None


@pytest.mark.parametrize("value", [b"y", bytearray(b"y"), memoryview(b"y"), type("Blob", (bytes,), {})(b"y")])
def test_a_body_is_bytes(value: Any) -> None:
    it = message()
    it.data = value
    assert type(it.record.data) is bytes
    assert it.data == as_body(value) == b"y"


@pytest.mark.parametrize("value", ["y", None, 1, [1]])
def test_a_body_is_nothing_else(value: Any) -> None:
    it = message()
    with pytest.raises(OMSMessageFormatException, match=r"str.encode\(\)") as caught:
        it.data = value
    assert (caught.value.code, caught.value.field) == (1400, "data")
    assert it.data == b"x"


def test_properties_are_checked_and_kept_in_the_record() -> None:
    it = message()
    it.properties["a"] = 1
    assert it.record.properties == {"a": 1}
    assert it.properties is it.record.properties
    with pytest.raises(OMSMessageFormatException):
        it.properties["b"] = None  # type: ignore[assignment]
    received = message(properties={"a": 1})
    assert type(received.properties) is KeyValue
    assert received.properties.get_int("a") == 1


def test_headers_by_name() -> None:
    it = message()
    it.set_header("correlationId", "c")
    it.set_header("messageKey", "alice")
    it.set_header("destination", "bills")
    assert it.record == Record(b"x", "alice", None, {"correlationId": "c"})
    assert (it.get_header("destination"), it.destination, it.message_key) == ("bills", "bills", "alice")
    it.set_header("correlationId", None)
    it.set_header("correlationId", None)
    it.message_key = None
    assert it.record == Record(b"x")
    it.set_header("traceId", "t")
    it.set_header("qos", 2)
    it.set_header("qos", None)
    assert it.record.headers == {"traceId": "t"}


@pytest.mark.parametrize(
    ("name", "value"), [("destination", None), ("destination", ""), ("qos", 3), ("messageKey", 5), ("x", 1)]
)
def test_what_is_refused_changes_nothing(name: str, value: Any) -> None:
    it = message()
    with pytest.raises(OMSMessageFormatException) as caught:
        it.set_header(name, value)
    assert caught.value.field == name
    assert (it.record, it.destination) == (Record(b"x"), "orders")


def test_the_providers_values_win() -> None:
    it = message(headers={"partition": 1, "traceId": "t", "messageId": "mine"})
    it.origin, it.position = Place(messageId=["a", "b"], partition=[7, 8], offset=[0, 1], deliveryCount=[1, 2]), 1
    assert (it.message_id, it.partition, it.offset, it.delivery_count) == ("b", 8, 1, 2)
    assert it.get_header("traceId") == "t"


def test_body_too_large() -> None:
    error = body_too_large(2000, 1000)
    assert (error.code, error.field) == (1413, "data")
    assert "2,000 bytes, the limit is 1,000" in str(error)
