"""Messages as RabbitMQ has them, both ways."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import decode, encode, frame
from pamqp.header import ContentHeader

from openmessaging.drivers.rabbitmq.messages import (
    ATTEMPTS,
    MAX_HEADER_BYTES,
    Properties,
    attempt_of,
    copy_of,
    from_native,
    to_native,
)
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record

BORN = 1_700_000_000_123
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)
NAMES = TEXT.filter(lambda name: name and not name.startswith("x-"))
VALUES = (
    TEXT | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.binary(max_size=20)
)


def over_the_wire(properties: Properties) -> Properties:
    _, _, arrived = frame.unmarshal(frame.marshal(ContentHeader(properties=properties), 1))
    assert isinstance(arrived, ContentHeader)
    return arrived.properties


@given(st.binary(max_size=50), st.none() | TEXT.filter(bool), st.dictionaries(NAMES, VALUES, max_size=5))
def test_every_message_comes_back(body: bytes, key: str | None, properties: dict[str, Any]) -> None:
    headers = {"messageId": "id", "bornTimestamp": BORN, "bornHost": "here", "correlationId": "ü" * 128, "qos": 1}
    record = Record(body, key, properties or None, headers)
    found = from_native(body, over_the_wire(to_native(record, BORN)))
    assert found == record
    assert {name: type(value) for name, value in (found.properties or {}).items()} == {
        name: type(value) for name, value in properties.items()
    }


def test_what_rabbitmq_has_a_place_for_stands_there() -> None:
    headers = {
        "messageId": "m1",
        "bornTimestamp": BORN,
        "correlationId": "c1",
        "expireTime": BORN + 5000,
    }
    native = over_the_wire(to_native(Record(b"", "k", {"n": 5, "f": 0.1, "b": b"\xff"}, headers), BORN + 1000))
    assert native.delivery_mode == 2
    assert (native.message_id, native.correlation_id, native.expiration) == ("m1", "c1", "4000")
    assert native.timestamp == datetime.fromtimestamp(BORN // 1000, UTC)
    assert native.headers == {
        "oms-messageKey": "k",
        "oms-bornTimestamp": BORN,
        "oms-expireTime": BORN + 5000,
        "n": 5,
        "f": "0.1",
        "b": "/w==",
        "oms-types": "f=double,b=binary",
    }


def test_a_life_longer_than_rabbitmq_can_be_told_is_in_the_header_alone() -> None:
    native = to_native(Record(b"", None, None, {"bornTimestamp": BORN, "expireTime": BORN + (1 << 32)}), BORN)
    assert native.expiration is None
    assert from_native(b"", native).headers == {"bornTimestamp": BORN, "expireTime": BORN + (1 << 32)}


def test_a_message_of_another_program_has_its_headers_as_properties() -> None:
    headers: dict[str, Any] = {
        "text": "t",
        "n": 7,
        "raw": bytearray(b"\xff"),
        "list": [1, 2],
        "x-delivery-count": 3,
        "x-death": [{"count": 1}],
        "x-first-death-queue": "q",
        "oms-messageKey": "k",
        "oms-strange": "s",
    }
    native = Properties(headers=headers, message_id="m", correlation_id="c", timestamp=datetime.fromtimestamp(5, UTC))
    found = from_native(b"body", native)
    assert found.properties == {"text": "t", "n": 7, "raw": b"\xff", "list": "[1, 2]", "oms-strange": "s"}
    assert found.message_key == "k"
    assert found.headers == {"messageId": "m", "correlationId": "c", "bornTimestamp": 5000}
    assert from_native(b"", Properties()) == Record(b"")


def test_attempts_are_rabbitmq_s_on_top_of_those_of_earlier_copies() -> None:
    assert attempt_of(Properties(), False) == 1
    assert attempt_of(Properties(), True) == 2
    assert attempt_of(Properties(headers={"x-delivery-count": 2}), True) == 3
    assert attempt_of(Properties(headers={"x-delivery-count": 2, ATTEMPTS: 4}), True) == 7
    assert attempt_of(Properties(headers={ATTEMPTS: "many"}), False) == 1


def test_a_copy_is_the_same_message_and_does_not_expire_where_it_waits() -> None:
    record = Record(b"", "k", {"b": b"\xff", "n": 1}, {"messageId": "m", "bornTimestamp": BORN, "expireTime": BORN + 9})
    first = over_the_wire(to_native(record, BORN))
    first.headers = {**(first.headers or {}), "x-delivery-count": 2}
    copy = over_the_wire(copy_of(first, 3))
    assert copy.expiration is None
    assert attempt_of(copy, False) == 4
    assert from_native(b"", copy) == record


@pytest.mark.parametrize(
    "properties", [{"n" * 129: 1}, {"ü" * 65: 1}, {"a": "x" * MAX_HEADER_BYTES}, {"a": "ü" * (MAX_HEADER_BYTES // 2)}]
)
def test_what_does_not_fit_is_refused_before_it_is_sent(properties: dict[str, Any]) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        to_native(Record(b"", None, properties, {"bornTimestamp": BORN}), BORN)
    assert caught.value.code == 1411


def test_the_client_writes_fractions_with_32_bits_which_is_why_they_are_text() -> None:
    """When this fails, the client has become exact, and the driver can leave numbers as they are."""
    _, read = decode.field_table(encode.field_table({"f": 0.1}))
    assert read["f"] != 0.1
