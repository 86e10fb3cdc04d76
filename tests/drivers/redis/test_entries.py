"""Messages as entries."""

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.redis.entries import from_entry, to_entry
from openmessaging.model.message import Record

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",))),
    st.binary(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
HEADERS = st.fixed_dictionaries(
    {"messageId": st.just("m"), "bornTimestamp": st.integers(0, 1 << 40)},
    optional={
        "bornHost": st.sampled_from(["web:1", "a b"]),
        "priority": st.integers(1, 10),
        "traceId": st.just("Grüße"),
        "expireTime": st.integers(-5, 5),
    },
)
NAMES = st.one_of(TEXT, st.sampled_from(["body", "key", "oms", "oms-types", "oms-p-x", "oms-messageId"]))
KEYS = st.one_of(st.none(), st.just("alice"), st.just("ключ"))


@given(st.binary(), KEYS, st.dictionaries(NAMES, VALUES), HEADERS)
def test_an_entry_is_its_message(body: bytes, key: str | None, properties: dict, headers: dict) -> None:
    count, *arguments = to_entry(Record(body, key, properties or None, headers))
    assert count == len(arguments)
    flat = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    record = from_entry(b"7-3", flat)
    assert (record.data, record.message_key, record.properties or {}) == (body, key, properties)
    assert record.headers == {**headers, "offset": (7 << 20) + 3, "storeTimestamp": 7}


def test_entries_of_others() -> None:
    record = from_entry(b"5-0", [b"\xff", b"\xfe", b"oms-bornTimestamp", b"soon", b"key", b""])
    assert record.properties == {"\\xff": b"\xfe", "oms-bornTimestamp": "soon", "key": ""}
    assert (record.data, record.message_key) == (b"", None)
    for born in (b"\xff", b"id", b"id soon host"):
        record = from_entry(b"5-0", [b"oms", born])
        assert (list(record.properties or {}), record.headers) == (["oms"], {"storeTimestamp": 5, "offset": 5 << 20})
    assert from_entry(b"1-1048576", []).headers == {"storeTimestamp": 1}
