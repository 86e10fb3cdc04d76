"""Checks, partitions and encoding of what is sent."""

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.batch import KEYED, MAX_MESSAGES, decode, parse_header
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Capability
from openmessaging.runtime import outgoing
from openmessaging.runtime.outgoing import (
    ANYWHERE,
    Packer,
    checked_record,
    checked_records,
    new_message,
    partition_of,
    spread,
)


def message(**fields: object) -> Message:
    return new_message("q", b"x", None, None, fields)


@given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.integers(1, 64))
def test_a_key_has_one_stable_partition(key: str, count: int) -> None:
    found = partition_of(message(message_key=key), count)
    assert found == google_crc32c.value(key.encode()) % count


def test_known_partitions_of_keys() -> None:
    assert [partition_of(message(message_key=key), 16) for key in ("alice", "bob", "Zoë")] == [
        google_crc32c.value(key.encode()) % 16 for key in ("alice", "bob", "Zoë")
    ]
    assert partition_of(message(), 16) is None
    assert partition_of(message(partition=3, message_key="alice"), 16) == 3
    with pytest.raises(OMSRuntimeException) as caught:
        partition_of(message(partition=16), 16)
    assert caught.value.field == "partition"


def test_messages_are_spread_in_their_order() -> None:
    messages = [message(partition=1), message(), message(partition=1), message(message_key="a"), message(delay=1)]
    assert spread(messages, 2) == {
        (1, False, None): [0, 2, *([3] if partition_of(messages[3], 2) == 1 else [])],
        ANYWHERE: [1],
        (None, True, None): [4],
        **({(0, False, None): [3]} if partition_of(messages[3], 2) == 0 else {}),
    }


def test_a_priority_is_a_way_of_its_own_unless_it_is_the_default() -> None:
    messages = [message(priority=each) for each in (9, 5, None, 11, 9)] + [message(priority=9, partition=1)]
    assert spread(messages, 2) == {(None, False, 9): [0, 4], ANYWHERE: [1, 2, 3], (1, False, 9): [5]}
    assert checked_records([messages[0]], 10).directed
    assert checked_record(messages[0], 10).headers == {"priority": 9}


def test_a_priority_is_refused_where_a_driver_has_none() -> None:
    packer = Packer("default", "none")
    packer.capabilities = frozenset(Capability) - {Capability.PRIORITY}
    with pytest.raises(OMSUnsupportException) as caught:
        packer.pack("default://q", None, [Record(b"")], 0, False, 9)
    assert caught.value.field == "priority"
    packer.capabilities = frozenset(Capability)
    assert packer.pack("default://q", None, [Record(b"")], 0, False, 9)[0].priority == 9


def test_fields_that_only_direct_the_sending_are_not_stored() -> None:
    sent = message(partition=1, correlation_id="c", qos=0)
    sent.record.headers["messageId"] = "forged"  # type: ignore[index]
    record = checked_record(sent, 10)
    assert record.headers == {"correlationId": "c"}
    assert sent.record.headers["partition"] == 1  # type: ignore[index]
    assert checked_record(message(partition=1), 10).headers is None
    checked = checked_records([message(), sent], 10)
    assert (checked.records[1], checked.directed, checked.size) == (record, True, 2)
    assert checked_records([message(trace_id="t")], 10).directed is False
    assert checked_records([message(message_key="k")], 10).directed is True


def test_a_packer_numbers_its_messages_and_marks_keyed_batches() -> None:
    packer = Packer("shop", "none")
    first, origin = packer.pack(packer.full("q"), None, [Record(b"a"), Record(b"b")])
    second, later = packer.pack("shop://q", 3, [Record(b"c", "k")], KEYED)
    assert (first.destination, second.partition) == ("shop://q", 3)
    assert (origin.first_sequence, later.first_sequence) == (0, 2)
    header, shared, records = decode(first.batch.head + first.batch.payload)
    assert (header.message_id(1), shared) == (origin.header("messageId", 1), {"bornHost": origin.born_host})
    assert [record.data for record in records] == [b"a", b"b"]
    assert not header.attributes & KEYED
    assert parse_header(second.batch.head + second.batch.payload).attributes & KEYED
    with pytest.raises(OMSRuntimeException, match="one batch"):
        packer.pack("shop://q", None, [Record(b"")] * (MAX_MESSAGES + 1))


def test_remembered_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "_MAX_NAMES", 3)
    packer = Packer("default", "none")
    for number in range(10):
        assert packer.full(f"q{number}") == f"default://q{number}"
    assert len(packer._names) <= 3
    assert packer.full("other://q") == "other://q"


def test_messages_that_are_delayed_and_nothing_else_are_told_by_their_delays() -> None:
    alike = [message(delay_time=5), message(delay_time=7, correlation_id="c")]
    checked = checked_records(alike, 10)
    assert (checked.delays, checked.directed, checked.timed, checked.size) == ([5, 7], True, True, 2)
    assert checked.records == [checked_record(each, 10) for each in alike]
    for other in (
        message(),
        message(trace_id="t"),
        message(delay_time=0),
        message(delay_time=5, priority=9),
        message(delay_time=5, partition=0),
        message(delay_time=5, expire_time=9),
        message(delay_time=5, message_key="k"),
        new_message("q", b"x", None, {"p": 1}, {"delay_time": 5}),
        message(deliver_at=5.0),
    ):
        assert checked_records([*alike, other], 10).delays is None
        assert checked_records([other, *alike], 10).delays is None
    with pytest.raises(OMSUnsupportException):
        checked_records([*alike, message(delay_time=5, qos=2)], 10)
    with pytest.raises(OMSRuntimeException, match="limit"):
        checked_records([message(delay_time=5)], 0)
