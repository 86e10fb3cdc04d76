from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pulsar")

from openmessaging.drivers.pulsar.link import refused, translated
from openmessaging.drivers.pulsar.records import offset_at, place_of, to_message
from openmessaging.drivers.pulsar.topics import full_name
from openmessaging.model.message import Record


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 20) - 1), st.integers(0, (1 << 11) - 1))
def test_places_are_offsets_and_back(ledger: int, entry: int, place: int) -> None:
    offset = offset_at(ledger, entry, place)
    assert offset is not None
    assert offset < 1 << 63
    assert place_of(offset) == (ledger, entry, place)


def test_offsets_go_the_way_of_places() -> None:
    places = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]
    offsets = [offset_at(*place) or 0 for place in places]
    assert offsets == sorted(offsets)
    assert [offset_at(1 << 32, 0), offset_at(0, 1 << 20), offset_at(0, 0, 1 << 11)] == [None] * 3


def test_a_delay_is_a_time_of_pulsar() -> None:
    record = Record(b"x", None, {"n": 1}, {"bornTimestamp": 1_000, "delayTime": 500, "messageId": "i"})
    message: dict[str, Any] = to_message(record)
    assert (message["deliver_at"], message["event_timestamp"], message["partition_key"]) == (1_500, 1_000, None)
    assert message["properties"]["oms-delayTime"] == "500"
    assert "deliver_at" not in to_message(Record(b"x", "k", None, {"bornTimestamp": 1}))


def test_topics_of_the_system_are_no_queues() -> None:
    assert full_name("default", "orders.eu") == "default://orders.eu"
    assert full_name("sales", "a__20b") == "sales://a b"
    assert full_name("default", "__change_events") is None
    assert full_name("default", "q__p3") is None


def test_errors_are_the_standards() -> None:
    import pulsar

    assert refused(409, '{"reason": "it is there"}').reason == "it is there"
    assert [refused(status, "").code for status in (401, 403, 404, 412, 500)] == [1401, 1403, 1404, 1418, 1500]
    assert translated(pulsar.Result.MessageTooBig).code == 1413
    assert translated(pulsar.Result.ConnectError).code == 1503
    assert translated(pulsar.Timeout("Timeout")).code == 1504
