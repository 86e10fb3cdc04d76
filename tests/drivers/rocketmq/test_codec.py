"""Messages as messages of RocketMQ and back: nothing is lost, and nothing foreign breaks it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.rocketmq.codec import from_native, to_native
from openmessaging.model.message import Record

types: Any = pytest.importorskip("rocketmq.grpc_protocol.definition_pb2")

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = TEXTS.filter(bool) | st.sampled_from(["TAGS", "KEYS", "oms-x-a", "a b", "oms-x-empty", "__x", "aB_c"])
VALUES = TEXTS | st.binary(max_size=8) | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1)
HEADERS = st.fixed_dictionaries(
    {"messageId": st.just("0192"), "bornTimestamp": st.integers(0, 1 << 40), "bornHost": st.just("h:1")},
    optional={"correlationId": TEXTS.filter(bool), "priority": st.integers(1, 10)},
)
RECORDS = st.builds(
    Record,
    st.binary(max_size=20),
    st.none() | TEXTS.filter(bool),
    st.none() | st.dictionaries(NAMES, VALUES, min_size=1, max_size=5),
    HEADERS,
)


@given(RECORDS)
def test_every_message_comes_back(record: Record) -> None:
    native = to_native(types, "orders", record)
    assert native.body
    for name, text in native.user_properties.items():
        assert name.isascii()
        assert name.upper() != name or name.startswith("oms-")
        assert text
        assert text.isprintable()
    back = from_native(types.Message.FromString(native.SerializeToString()))
    assert (back.data, back.message_key, back.properties) == (record.data, record.message_key, record.properties)
    assert back.headers == {**(record.headers or {}), "storeTimestamp": 0}


def test_the_properties_are_what_the_page_says() -> None:
    properties = {"service": "hello", "price": 2.5, "TAGS": "a\nb"}
    headers = {"messageId": "0192", "bornTimestamp": 1_000, "bornHost": "h"}
    native = to_native(types, "orders", Record(b"", "alice", properties, headers))
    assert dict(native.user_properties) == {
        "oms-messageId": "0192",
        "oms-bornTimestamp": "1000",
        "oms-bornHost": "h",
        "oms-messageKey": "alice",
        "service": "hello",
        "price": "2.5",
        "oms-types": "price=double",
        "oms-x-TAGS": "=a%0Ab",
        "oms-x-empty": "true",
    }
    assert (native.body, list(native.system_properties.keys), native.topic.name) == (b"\0", ["alice"], "orders")


def test_what_another_program_wrote_is_never_refused() -> None:
    system = types.SystemProperties(message_id="theirs", keys=["a", "b"], born_host="")
    odd = {"oms-x-%zz": "=%", "oms-x-y": "plain", "colour": "red", "oms-x-oms-messageKey": "=%zz"}
    record = from_native(types.Message(system_properties=system, user_properties=odd, body=b"b"))
    del odd["oms-x-oms-messageKey"]
    assert (record.data, record.message_key, record.properties) == (b"b", "a b", odd)
    assert (record.headers or {})["messageId"] == "theirs"
