"""Messages as PUBLISH packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from openmessaging.drivers.mqtt.packets import from_publish, is_expired, to_properties, topic_of
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.message import Record

ANY = st.characters(exclude_categories=("Cs",))
LETTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
VALUES = st.one_of(
    st.text(ANY), st.binary(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False)
)
NAMES = st.one_of(st.text(LETTERS, min_size=1), st.sampled_from(["oms-messageKey", "oms-types", "oms-p-x"]))
HEADERS = st.fixed_dictionaries(
    {"messageId": st.just("m"), "bornTimestamp": st.integers(0, 1 << 40)},
    optional={"priority": st.integers(1, 10), "correlationId": st.just("Grüße"), "expireTime": st.just(0)},
)


def carried(body: bytes, properties: Properties) -> MQTTMessage:
    """What arrives of a packet that went over a wire."""
    arrived = Properties(PacketTypes.PUBLISH)
    arrived.unpack(properties.pack())
    message = MQTTMessage()
    message.payload, message.properties = body, arrived
    return message


@given(st.binary(), st.sampled_from([None, "alice", "ключ"]), st.dictionaries(NAMES, VALUES), HEADERS)
def test_a_packet_is_its_message(body: bytes, key: str | None, properties: dict, headers: dict) -> None:
    record = Record(body, key, properties or None, headers)
    read = from_publish(carried(body, to_properties(record, 5_000)), 5_000)
    assert (read.data, read.message_key, read.properties or {}, read.headers) == (body, key, properties, headers)


def test_topics() -> None:
    assert topic_of("default://orders") == "orders"
    assert topic_of("sales://orders.eu.north") == "sales__-orders/eu/north"
    assert topic_of("default://a+b#$") == "a__2bb__23__24"


def test_what_no_text_can_hold_is_refused() -> None:
    with pytest.raises(OMSMessageFormatException, match=r"a name in MQTT holds no control characters"):
        to_properties(Record(b"", None, {"pri\nce": "1"}), 0)
    with pytest.raises(OMSMessageFormatException, match="1411"):
        to_properties(Record(b"", None, {"note": "x" * 65_536}), 0)


def test_expiry_is_the_systems_too() -> None:
    record = Record(b"", None, None, {"bornTimestamp": 1_000, "expireTime": 4_500, "messageId": "m"})
    properties = to_properties(record, 2_000)
    assert properties.MessageExpiryInterval == 3
    assert from_publish(carried(b"", properties), 9_000).headers == record.headers
    assert not is_expired(record, 4_499)
    assert is_expired(record, 4_500)


def test_what_other_programs_write() -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("colour", "red"), ("oms-messageKey", "\n"), ("oms-bornTimestamp", "soon")]
    properties.CorrelationData = b"\xff"
    properties.MessageExpiryInterval = 7
    record = from_publish(carried(b"x", properties), 1_000)
    assert record.properties == {"colour": "red", "oms-bornTimestamp": "soon"} | {"oms-messageKey": "\n"}
    assert record.headers == {"expireTime": 8_000}
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("oms-base64-a", "YQo="), ("oms-base64-b", "?")]
    properties.CorrelationData = b"c-1"
    assert from_publish(carried(b"x", properties), 1_000).properties == {"a": "a\n", "oms-base64-b": "?"}
    assert (from_publish(carried(b"x", properties), 1_000).headers or {})["correlationId"] == "c-1"
