"""A message as a record of Kafka, both ways."""

from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, Message
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.kafka.records import Native, natives, to_record
from openmessaging.model.batch import encode, encode_own, encode_shared
from openmessaging.model.cloud_event import CloudEvent, from_cloudevent, to_cloudevent
from openmessaging.model.message import Message as OurMessage
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch

BORN = 1_533_780_827_824
ID = "01651c761eb0a1b2c3d4e50000000001"


def sent(*records: Record, compact: bool = False) -> list[Native]:
    shared = encode_shared({"bornHost": "web-1:4711"})
    batch = encode(records, shared=shared, born_ms=BORN, producer_id=0xA1B2C3D4E5, first_sequence=1)
    return list(natives(OutgoingBatch("default://q", 0, batch), compact))


def read(native: Native, offset: int = 7) -> Record:
    key = native.key.encode() if isinstance(native.key, str) else native.key
    headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in native.headers]
    stamp = (TIMESTAMP_CREATE_TIME, native.timestamp_ms)
    message = Message(
        topic="q", partition=0, offset=offset, key=key, value=native.value, headers=headers, timestamp=stamp
    )
    return to_record(message)


def test_a_plain_message_costs_one_header() -> None:
    first, second = sent(Record(b"a"), Record(b"b", "alice"))
    assert first == Native(b"a", None, BORN, [("oms", f"{ID} {BORN} web-1:4711")])
    assert (second.key, second.headers) == ("alice", [("oms", f"{ID[:-1]}2 {BORN} web-1:4711")])
    record = read(second)
    assert (record.data, record.message_key, record.properties) == (b"b", "alice", None)
    place = {"bornTimestamp": BORN, "storeTimestamp": BORN, "offset": 7}
    assert record.headers == {"messageId": ID[:-1] + "2", "bornHost": "web-1:4711", **place}


def test_properties_and_fields_are_headers_too() -> None:
    properties: dict[str, Any] = {"s": "x", "n": 7, "f": 2.5, "b": True, "raw": b"\xff", "oms-x": "y"}
    (native,) = sent(Record(b"a", None, properties, {"priority": 9, "traceId": "t"}))
    assert dict(native.headers)["oms-types"] == "n=long,f=double,b=boolean,raw=binary"
    record = read(native)
    assert record.properties == properties
    assert record.headers is not None
    assert (record.headers["priority"], record.headers["traceId"]) == (9, "t")
    assert (record.headers["bornTimestamp"], record.headers["messageId"]) == (BORN, ID)


def test_where_the_broker_writes_its_own_time_the_senders_is_a_header() -> None:
    for record in (Record(b"a"), Record(b"a", None, {"x": "y"})):
        (native,) = sent(record)
        later = native._replace(timestamp_ms=BORN + 5)
        found = read(later).headers
        assert found is not None
        assert (found["bornTimestamp"], found["storeTimestamp"]) == (BORN, BORN + 5)


def test_an_empty_body_is_a_tombstone_where_the_queue_is_compacted() -> None:
    assert [each.value for each in sent(Record(b"", "k"), Record(b"v", "k"), compact=True)] == [None, b"v"]
    assert [each.value for each in sent(Record(b"", "k"))] == [b""]
    assert read(Native(None, "k", BORN, [])).data == b""


def test_what_other_programs_write_is_kept() -> None:
    record = read(Native(b"x", b"\xff\x00", BORN, [("h", b"v"), ("bin", b"\xff"), ("none", None)]))
    assert record.properties == {"kafka-key": b"\xff\x00", "h": "v", "bin": b"\xff", "none": ""}
    assert record.message_key is None
    odd = read(Native(b"x", None, BORN, [("oms", b"not ours"), ("oms", None)]))
    assert odd.properties == {"oms": ""}
    batch = encode_own([Record(b"x", None, record.properties, {"messageId": "m", "bornTimestamp": 5})], 9)
    (native,) = natives(OutgoingBatch("default://q", 0, batch), False)
    assert (native.key, native.timestamp_ms) == (b"\xff\x00", 5)
    assert dict(native.headers) == {
        "oms-messageId": "m", "oms-bornTimestamp": "5", "h": "v", "bin": "/w==", "none": "", "oms-types": "bin=binary",
    }  # fmt: skip


def test_an_event_is_one_of_the_binding_for_kafka() -> None:
    given = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}
    event = CloudEvent(given, b"{}")
    message = from_cloudevent(event, "default://q")
    (native,) = sent(message.record)
    headers = dict(native.headers)
    assert (headers["content-type"], headers["ce_id"], headers["ce_specversion"]) == ("application/json", "1", "1.0")
    assert "ce_datacontenttype" not in headers
    record = read(native)
    back = to_cloudevent(OurMessage(Record(record.data, record.message_key, record.properties), "default://q"))
    assert back.data == b"{}"
    assert {name: back.attributes[name] for name in event.attributes} == event.attributes
    foreign = [("ce_specversion", b"1.0"), ("ce_type", b"t"), ("content-type", b"text/plain")]
    assert read(Native(b"", None, BORN, foreign)).properties == {
        "ce_specversion": "1.0", "ce_type": "t", "ce_datacontenttype": "text/plain",
    }  # fmt: skip


names = st.text(min_size=1).filter(lambda name: "\x00" not in name) | st.sampled_from(
    ["oms", "content-type", "ce_specversion", "ce_datacontenttype", "oms-types", "oms-p-x", "kafka-key"]
)
values = st.text() | st.binary() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)


@given(st.binary(), st.none() | st.text(min_size=1), st.dictionaries(names, values, max_size=6))
def test_whatever_we_send_comes_back(body: bytes, key: str | None, properties: dict[str, Any]) -> None:
    (native,) = sent(Record(body, key, properties or None))
    record = read(native)
    assert (record.data, record.message_key, record.properties or {}) == (body, key, properties)
