"""What becomes of each message of a delivery, against what one at a time would say."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.emulation.sieve import Sieve, single
from openmessaging.filters import compile_condition
from openmessaging.model.batch import encode, encode_shared, thin
from openmessaging.model.message import Record
from openmessaging.model.spi import Delivery

NOW = 1_000_000
SHARED = encode_shared({"bornHost": "h"})
TIMES = st.dictionaries(st.sampled_from(["delayTime", "expireTime"]), st.sampled_from([0, 5, NOW - 5, NOW + 5]))
MESSAGES = st.lists(st.tuples(st.integers(0, 2), TIMES), min_size=1, max_size=12)


def delivered(messages: list[tuple[int, dict[str, Any]]], first: int = 0) -> Delivery:
    records = [Record(b"", None, {"n": n}, dict(times) or None) for n, times in messages]
    batch = encode(records, shared=SHARED, born_ms=10, producer_id=1, first_sequence=0)
    return Delivery("default://q", 0, 100, 5, batch.head + batch.payload, first, len(records), lease_id=7)


def fate(n: int, times: dict[str, Any]) -> str:
    due, expires = 10 + times.get("delayTime", 0), times.get("expireTime", 0)
    if n != 1:
        return "dropped"
    if due > NOW:
        return "early"
    return "expired" if due <= expires <= NOW and expires else "passes"


@given(MESSAGES, st.data())
def test_each_message_has_its_fate(messages: list[tuple[int, dict[str, Any]]], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(messages) - 1))
    found = Sieve(compile_condition("n = 1"), True, True).sift(delivered(messages, first), NOW)
    fates = {place: fate(*messages[place]) for place in range(first, len(messages))}
    passing = [place for begin, end in found.passing for place in range(begin, end)]
    assert passing == [place for place, what in fates.items() if what == "passes"]
    assert found.dropped == [place for place, what in fates.items() if what in ("dropped", "expired")]
    assert found.expired == list(fates.values()).count("expired")
    assert [place for _, place in found.early] == [place for place, what in fates.items() if what == "early"]
    assert all(due == 10 + messages[place][1]["delayTime"] for due, place in found.early)


def test_nothing_to_look_at_is_not_looked_into() -> None:
    sieve = Sieve(None, False, False)
    delivery = Delivery("default://q", 0, 0, 0, b"not looked into", 3, 9)
    assert sieve.is_open
    assert sieve.sift(delivery, NOW).passing == [(3, 9)]


def test_conditions_on_headers_and_gaps() -> None:
    whole = delivered([(0, {}), (1, {}), (2, {})])
    gap = thin(whole.data, [0, 2])
    delivery = Delivery("default://q", 3, 100, 5, gap.head + gap.payload, 0, 3)
    for text, passing in (
        ("header.offset >= 102", [(2, 3)]),
        ("header.partition = 3 AND header.storeTimestamp = 5", [(0, 1), (2, 3)]),
        ("header.destination = 'default://other'", []),
    ):
        assert Sieve(compile_condition(text), False, False).sift(delivery, NOW).passing == passing
    assert (single(delivery, 2).first, single(delivery, 2).last) == (2, 3)
