from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Capability, Timing
from openmessaging.model.timing import unpack_times
from openmessaging.runtime import timing
from openmessaging.runtime.timing import (
    DELIVER_AT,
    MAX_DELAY_MS,
    in_parts,
    is_delayed,
    is_timed,
    ms_of,
    parts_of_delays,
    set_times,
    timing_of,
    timing_of_delays,
)

ALL = frozenset(Capability)


def of(*headers: dict[str, Any] | None, born: int = 1000) -> tuple[Timing | None, list[dict[str, Any] | None]]:
    records = [Record(b"", None, None, each) for each in headers]
    return timing_of(records, born, ALL), [record.headers for record in records]


def test_a_time_becomes_a_delay_when_the_born_time_is_known() -> None:
    found, headers = of({DELIVER_AT: 5000}, {"delayTime": 7})
    assert found is not None
    assert (list(unpack_times(found.dues or b"", 2)), found.expires) == ([5000, 1007], False)
    assert headers == [{"delayTime": 4000}, {"delayTime": 7}]


def test_what_is_past_goes_at_once() -> None:
    assert of({DELIVER_AT: 5}) == (None, [{"delayTime": 0}])


def test_expiry_that_counts_and_that_does_not() -> None:
    assert of({"expireTime": 1000}, None) == (Timing(None, True), [{"expireTime": 1000}, None])
    assert of({"expireTime": 999})[0] is None
    found, _ = of({"expireTime": 1005, "delayTime": 6})
    assert found is not None
    assert found.dues is not None
    assert not found.expires


@pytest.mark.parametrize(("headers", "field"), [({"delayTime": 1}, "delayTime"), ({"expireTime": 9999}, "expireTime")])
def test_a_system_that_cannot(headers: dict[str, Any], field: str) -> None:
    with pytest.raises(OMSUnsupportException) as caught:
        timing_of([Record(b"", None, None, headers)], 1000, frozenset())
    assert caught.value.field == field


def test_what_is_delayed_and_what_is_timed() -> None:
    assert [is_delayed(each) for each in (None, {}, {"delayTime": 0}, {"delayTime": 1}, {DELIVER_AT: 5})] == [
        False, False, False, True, True,
    ]  # fmt: skip
    assert [is_timed(each) for each in (None, {}, {"expireTime": 5}, {"delayTime": 1})] == [False, False, True, True]


def test_seconds_and_datetimes() -> None:
    assert ms_of(1.5, "deliver_at") == 1500
    assert ms_of(datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC), "deliver_at") == 2000
    with pytest.raises(OMSRuntimeException):
        ms_of(float("inf"), "deliver_at")


def test_a_lifetime_counts_from_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing.wall, "time_ns", lambda: 1_000_000_000)
    for wanted, headers in (
        ({"ttl": 2.0}, {"expireTime": 3000}),
        ({"ttl": 2.0, "delay": 1.0}, {"delayTime": 1000, "expireTime": 4000}),
        ({"ttl": 2.0, "deliver_at": 0.0}, {DELIVER_AT: 0, "expireTime": 3000}),
        ({"delay": None}, None),
    ):
        message = Message(Record(b""), "q")
        given: dict[str, Any] = dict(wanted)
        set_times(message, given)
        assert message.record.headers == headers
        assert given == {}


def test_parts_are_due_one_after_the_other() -> None:
    records = [Record(b"", None, None, {"delayTime": 10_000 - number}) for number in range(1030)]
    parts = list(in_parts(range(1030), records))
    assert [len(part) for part in parts] == [512, 512, 6]
    assert parts[0][:2] == [1029, 1028]


def test_delays_that_are_known_say_what_the_messages_say() -> None:
    delays = [5, 7_000, 1]
    assert timing_of_delays(delays, 1000, ALL) == of(*({"delayTime": delay} for delay in delays))[0]
    with pytest.raises(OMSUnsupportException):
        timing_of_delays(delays, 1000, frozenset())
    with pytest.raises(OMSRuntimeException, match="century"):
        timing_of_delays([1, MAX_DELAY_MS + 1], 1000, ALL)


def test_parts_of_known_delays_are_those_of_the_messages() -> None:
    delays = [10_000 - number % 700 for number in range(1030)]
    records = [Record(b"", None, None, {"delayTime": delay}) for delay in delays]
    assert list(parts_of_delays(delays)) == list(in_parts(range(1030), records))
    assert list(parts_of_delays(delays[:512])) == [range(512)]
