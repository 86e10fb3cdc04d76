"""Messages as messages of NATS and back: nothing is lost, and nothing foreign breaks it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.nats.codec import Place, to_headers, to_record
from openmessaging.model.message import Record

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = TEXTS.filter(bool) | st.sampled_from(["Nats-TTL", "oms-x-a", "ce-type", "ce_type", "Status", "a b", "oms-x-%"])
VALUES = TEXTS | st.binary(max_size=8) | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1)
HEADERS = st.fixed_dictionaries(
    {"messageId": TEXTS.filter(bool)}, optional={"correlationId": TEXTS.filter(bool), "priority": st.integers(1, 10)}
)
EVENTS = st.just({"ce_specversion": "1.0", "ce_type": "a b%"})
PROPERTIES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)
RECORDS = st.builds(
    Record,
    st.binary(max_size=20),
    st.none() | TEXTS.filter(bool),
    st.none() | PROPERTIES | st.builds(lambda event, others: {**others, **event}, EVENTS, PROPERTIES),
    HEADERS,
)
PLACE = Place("q", 7, 1_000, 0)
A_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@given(RECORDS)
def test_every_message_comes_back(record: Record) -> None:
    headers = to_headers(record)
    for name, text in headers.items():
        assert A_NAME.fullmatch(name)
        assert text == text.strip()
        assert not re.search(r"[\r\n\x00]", text)
        assert not name.lower().startswith("nats-")
    back = to_record({**headers, "Nats-Msg-Id": "1"}, record.data, PLACE)
    assert (back.data, back.message_key, back.properties) == (record.data, record.message_key, record.properties)
    assert back.headers == {**(record.headers or {}), "offset": 7, "storeTimestamp": 1_000}


def test_the_headers_are_what_the_page_says() -> None:
    properties = {"service": "hello", "price": 2.5, "two words": "a\nb", "Nats-TTL": "1"}
    assert to_headers(Record(b"", "alice", properties, {"messageId": "0192"})) == {
        "oms-messageId": "0192",
        "oms-messageKey": "alice",
        "service": "hello",
        "price": "2.5",
        "oms-types": "price=double",
        "oms-x-two%20words": "a%0Ab",
        "oms-x-Nats-TTL": "1",
    }


def test_events_have_the_headers_of_their_binding() -> None:
    event = {"ce_specversion": "1.0", "ce_type": "order placed", "ce_size": 3, "plain": "x"}
    headers = to_headers(Record(b"", None, event))
    assert headers == {
        "ce-specversion": "1.0",
        "ce-type": "order%20placed",
        "ce-size": "3",
        "plain": "x",
        "oms-types": "ce_size=long",
    }
    assert to_record(headers, b"", PLACE).properties == event


def test_what_another_program_wrote_is_never_refused() -> None:
    odd = {"ce-type": "100%", "oms-x-%zz": "%", "oms-messageKey": "", "X": "y"}
    record = to_record(odd, b"b", PLACE)
    assert (record.message_key, record.properties) == (None, {"ce-type": "100%", "oms-x-%zz": "%", "X": "y"})
    assert to_record({"oms-x-oms-messageKey": "%zz"}, b"", PLACE).message_key is None
    assert to_record(None, b"", PLACE).properties is None
