"""Messages as fields of text and back: nothing is lost, and nothing foreign breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.mapping import from_fields, packed, to_fields, unpacked
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from openmessaging.runtime.lease import DeliveryOrigin

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
NAMES = TEXTS.filter(bool) | st.sampled_from(["oms-x", "oms-types", "oms-p-a", "a=b,c", "oms-priority"])
VALUES = (
    TEXTS | st.binary(max_size=8) | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "messageId": TEXTS.filter(bool),
        "bornTimestamp": st.integers(0, 1 << 50),
        "bornHost": TEXTS.filter(bool),
        "correlationId": TEXTS.filter(bool),
        "priority": st.integers(1, 10),
        "expireTime": st.integers(0, 1 << 50),
    },
)
RECORDS = st.builds(
    Record,
    st.binary(max_size=20),
    st.none() | TEXTS,
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=5) | st.none(),
    HEADERS.map(lambda found: found or None),
)


@given(RECORDS)
def test_every_message_comes_back(record: Record) -> None:
    assert from_fields(record.data, record.message_key, to_fields(record)) == record


@given(RECORDS)
def test_bytes_for_text_are_the_same(record: Record) -> None:
    """Systems whose fields hold bytes."""
    fields = [(name, text.encode()) for name, text in to_fields(record)]
    assert from_fields(record.data, record.message_key, fields) == record


def test_the_fields_are_what_the_page_says() -> None:
    record = Record(b"", "k", {"service": "hello", "price": 2.5, "oms-x": "y"}, {"messageId": "0192", "priority": 7})
    assert dict(to_fields(record)) == {
        "oms-messageId": "0192",
        "oms-priority": "7",
        "service": "hello",
        "price": "2.5",
        "oms-p-oms-x": "y",
        "oms-types": "price=double",
    }


@given(st.lists(st.tuples(st.sampled_from(["oms-types", "oms-priority", "oms-nonsense", "a"]) | TEXTS, st.binary())))
def test_whatever_another_program_writes_is_read(fields: list[tuple[str, bytes]]) -> None:
    record = from_fields(b"body", None, fields)
    assert record.data == b"body"


def test_what_is_no_field_of_ours_is_a_property() -> None:
    record = from_fields(b"", None, [("oms-priority", "high"), ("oms-odd", "1"), ("raw", b"\xff"), ("t", b"text")])
    assert record.properties == {"oms-priority": "high", "oms-odd": "1", "raw": b"\xff", "t": "text"}
    assert record.headers is None


def test_a_type_that_does_not_fit_leaves_a_text() -> None:
    record = from_fields(b"", None, [("n", "many"), ("oms-types", "n=long,m=long,n%=double,b")])
    assert record.properties == {"n": "many"}


def test_a_batch_gives_its_messages_with_ids_and_times() -> None:
    shared = encode_shared({"bornHost": "h"})
    batch = encode([Record(b"a"), Record(b"b", "k")], shared=shared, born_ms=77, producer_id=1, first_sequence=5)
    first, second = unpacked(OutgoingBatch("default://q", None, batch, priority=9))
    assert (first.headers or {}) | {"messageId": ""} == {
        "messageId": "", "bornTimestamp": 77, "bornHost": "h", "priority": 9,
    }  # fmt: skip
    assert second.message_key == "k"
    assert (first.headers or {})["messageId"] < (second.headers or {})["messageId"]


@pytest.mark.parametrize("known", [{}, {"offset": 17, "storeTimestamp": 99}])
def test_a_delivery_says_what_the_system_says_and_no_more(known: dict[str, int]) -> None:
    record = Record(b"a", None, None, {"messageId": "m", "bornTimestamp": 1, **known})
    delivery = packed("default://q", [record], 50, base_offset=-3, lease_id=1, attempt=2)
    origin = DeliveryOrigin(delivery)
    assert origin.header("messageId", 0) == "m"
    assert origin.header("offset", 0) is None
    assert origin.header("storeTimestamp", 0) is None
    assert origin.header("deliveryCount", 0) == 2
    assert (origin.records[0].headers or {}).get("offset") == known.get("offset")


def test_a_message_of_another_program_is_born_when_it_comes() -> None:
    delivery = packed("default://q", [Record(b"a")], 50)
    assert DeliveryOrigin(delivery).header("bornTimestamp", 0) == 50


def test_a_message_of_another_program_has_an_id_of_its_own() -> None:
    def ids(*known: dict[str, int]) -> list[str]:
        delivery = packed("default://q", [Record(b"a", None, None, dict(each)) for each in known], 50)
        return [DeliveryOrigin(delivery).header("messageId", place) for place in range(len(known))]

    placed = {"offset": 17, "storeTimestamp": 99}
    assert ids(placed) == ids(placed)
    assert len({*ids(placed), *ids({}, {}), *ids({})}) == 4
    assert ids(placed, {})[0][:12] == f"{99:012x}"
