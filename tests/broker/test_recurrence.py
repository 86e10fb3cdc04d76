from __future__ import annotations

import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker.recurrence import check, passed, resumed
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.message import Record
from openmessaging.model.schedule import ScheduleSpec

NOW = 1_700_000_000_000
MINUTE, HOUR = 60_000, 3_600_000


def every(every_ms: int, **more: int) -> ScheduleSpec:
    return ScheduleSpec("s", "default://q", Record(b""), every_ms=every_ms, **more)


def cron(text: str, zone: str = "UTC", **more: int) -> ScheduleSpec:
    return ScheduleSpec("s", "default://q", Record(b""), text, zone, **more)


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_an_interval_begins_one_interval_from_now_or_at_its_start() -> None:
    assert check(every(5_000), NOW) == NOW + 5_000
    assert check(every(5_000, start_ms=NOW + 7), NOW) == NOW + 7
    assert check(every(5_000, start_ms=NOW), NOW) == NOW
    assert check(every(5_000, start_ms=NOW - 12_000), NOW) == NOW + 3_000  # the next of those that begin there
    assert check(every(5_000, end_ms=NOW + 5_000), NOW) == NOW + 5_000


def test_cron_begins_after_now_and_not_before_its_start() -> None:
    now = ms("2026-03-01T08:30:00")
    assert check(cron("30 8 * * *"), now) == ms("2026-03-02T08:30:00")
    assert check(cron("30 8 * * *"), now - 1) == now
    assert check(cron("30 8 * * *", start_ms=ms("2026-04-01T08:30:00")), now) == ms("2026-04-01T08:30:00")
    assert check(cron("0 12 * * MON-FRI"), now) == ms("2026-03-02T12:00:00")  # 1 March 2026 is a Sunday
    assert check(cron("*/10 * * * * *"), now) == now + 10_000


@pytest.mark.parametrize(
    "spec",
    [
        every(5_000, end_ms=NOW + 4_999),
        cron("0 0 30 2 *"),
        cron("0 0 31 4,6 *"),
        cron("0 0 1 1 *", end_ms=NOW + 1),
        cron("* * *"),
        cron("61 * * * *"),
        cron("* * * * *", "Europe/Nowhere"),
        cron("* * * * *", "../../etc/passwd"),
        cron("* * * * *", ""),
    ],
)
def test_what_never_occurs_or_cannot_be_read(spec: ScheduleSpec) -> None:
    with pytest.raises(OMSRuntimeException) as failure:
        check(spec, NOW)
    assert failure.value.code == 1418
    assert failure.value.reason


def test_without_the_package_cron_is_unsupported_and_intervals_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    assert check(every(1_000), NOW) == NOW + 1_000
    with pytest.raises(OMSUnsupportException, match=r"openmessaging\[cron\]"):
        check(cron("* * * * *"), NOW)


def test_in_time_there_is_one_and_the_next() -> None:
    assert passed(every(5_000), NOW, NOW + 3) == ([NOW], 0, NOW + 5_000)
    at = ms("2026-03-01T08:30:00")
    assert passed(cron("30 8 * * *"), at, at + 3) == ([at], 0, ms("2026-03-02T08:30:00"))


def test_the_newest_that_were_missed_are_kept() -> None:
    assert passed(every(10, catch_up=2), NOW, NOW + 45) == ([NOW + 30, NOW + 40], NOW + 20, NOW + 50)
    assert passed(every(10, catch_up=5), NOW, NOW + 45) == ([NOW + at for at in (0, 10, 20, 30, 40)], 0, NOW + 50)
    at = ms("2026-03-01T00:00:00")
    days = [at + day * 24 * HOUR for day in range(31)]
    assert passed(cron("0 0 * * *", catch_up=3), at, days[10] + 1) == (days[8:11], days[7], days[11])
    assert passed(cron("0 0 * * *"), at, days[10] + 1) == (days[:11], 0, days[11])


def test_nothing_is_after_the_end() -> None:
    assert passed(every(10, end_ms=NOW + 20), NOW, NOW + 45) == ([NOW, NOW + 10, NOW + 20], 0, 0)
    at = ms("2026-03-01T00:00:00")
    assert passed(cron("0 0 * * *", end_ms=at + 25 * HOUR), at, at + 99 * HOUR) == ([at, at + 24 * HOUR], 0, 0)
    assert passed(cron("0 0 * * *", end_ms=at + 25 * HOUR), at, at + HOUR) == ([at], 0, at + 24 * HOUR)


def test_a_year_of_minutes_is_not_counted() -> None:
    at = ms("2026-03-01T00:00:00")
    late = passed(cron("* * * * *", catch_up=2), at, at + 365 * 24 * HOUR + 1)
    newest = at + 365 * 24 * HOUR
    assert late == ([newest - MINUTE, newest], newest - 2 * MINUTE, newest + MINUTE)


def test_clocks_that_are_set_forward_and_back() -> None:
    """In Berlin 02:30 is missing on 29 March 2026 and comes twice on 25 October: as Debian's cron, once on each day."""
    spec = cron("30 2 * * *", "Europe/Berlin")
    before = ms("2026-03-28T02:30:00", "Europe/Berlin")
    assert passed(spec, before, before).next_ms == ms("2026-03-29T01:00:00")
    before = ms("2026-10-24T02:30:00", "Europe/Berlin")
    twice = passed(spec, before, before).next_ms
    assert twice == ms("2026-10-25T00:30:00")
    assert passed(spec, twice, twice).next_ms == ms("2026-10-26T01:30:00")
    assert passed(spec, twice, twice + 40 * MINUTE).next_ms == ms("2026-10-26T01:30:00")
    hourly = cron("0 * * * *", "Europe/Berlin")
    assert [passed(hourly, twice, twice + hours * HOUR).next_ms for hours in range(3)] == [
        ms(f"2026-10-25T0{hour}:00:00") for hour in (1, 2, 3)
    ]


def test_what_was_paused_goes_on_after_now() -> None:
    assert resumed(every(10), NOW, NOW + 45) == NOW + 50
    assert resumed(every(10), NOW, NOW - 1) == NOW
    assert resumed(every(10, end_ms=NOW + 45), NOW, NOW + 45) == 0


@given(
    step=st.integers(1, 10_000),
    gap=st.integers(0, 100_000),
    end=st.none() | st.integers(0, 100_000),
    catch_up=st.integers(1, 50),
)
def test_intervals_are_those_that_a_loop_gives(step: int, gap: int, end: int | None, catch_up: int) -> None:
    spec = every(step, end_ms=0 if end is None else NOW + end, catch_up=catch_up)
    times = [NOW + at for at in range(0, gap + step + 1, step) if end is None or at <= end]
    due, later = [time for time in times if time <= NOW + gap], [time for time in times if time > NOW + gap]
    left_out = due[-catch_up - 1] if len(due) > catch_up else 0
    assert passed(spec, NOW, NOW + gap) == (due[-catch_up:], left_out, later[0] if later else 0)


@given(
    text=st.sampled_from(["* * * * *", "*/7 * * * *", "0 3 * * *", "30 2 * * *", "15 1-3 * * SUN", "0 0 1 * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    begin=st.integers(0, 300 * 24),
    hours=st.integers(0, 60 * 24),
    catch_up=st.sampled_from([1, 3, 40]),
)
def test_cron_in_a_gap_is_what_it_is_step_by_step(text: str, zone: str, begin: int, hours: int, catch_up: int) -> None:
    start = ms("2026-02-01T00:00:00") + begin * HOUR
    spec = cron(text, zone, catch_up=catch_up)
    first = check(spec, start)
    now = first + hours * HOUR // 60
    one_by_one, at = [], first
    while at <= now:
        one_by_one.append(at)
        at = passed(spec, at, at).next_ms
    found = passed(spec, first, now)
    assert found.times == one_by_one[-catch_up:]
    assert found.next_ms == at
    assert bool(found.left_out_ms) == (len(one_by_one) > catch_up)
    assert all(datetime.fromtimestamp(each / 1000, UTC).second == 0 for each in found.times)


DAY = 86_400_000


def growing(**more):
    return ScheduleSpec("s", "default://q", Record(b""), every_ms=2_000, growth=2.0, **more)


def occurrences(spec, first_ms, until_ms):
    """By the definition: each step is so many times the one before, at most a day."""
    found, at, step = [], first_ms, spec.every_ms
    while at <= until_ms:
        found.append(at)
        step = min(step * spec.growth, max(DAY, spec.every_ms))
        at += round(step)
    return found, at


def test_steps_grow_up_to_a_day():
    found, _ = occurrences(growing(), 2_000, 3 * DAY)
    assert found[:4] == [2_000, 6_000, 14_000, 30_000]
    assert check(growing(), 0) == 2_000
    result = passed(growing(), 2_000, 3 * DAY, 2_000)
    assert (result.times, result.left_out_ms) == (found, 0)


@given(
    st.integers(100, 200_000_000),
    st.floats(1.1, 50),
    st.integers(1, 10**13),
    st.integers(0, 400 * DAY),
    st.integers(0, 60),
    st.integers(1, 20),
)
def test_whenever_one_looks_the_same_occurrences_follow(every, growth, first, later, gone, catch_up):
    spec = msgspec.structs.replace(growing(catch_up=catch_up), every_ms=every, growth=growth)
    now = first + later
    all_of_them, following = occurrences(spec, first, now)
    at = all_of_them[min(gone, len(all_of_them) - 1)]
    left = [time for time in all_of_them if time >= at]
    result = passed(spec, at, now, first)
    assert result.times == left[-catch_up:]
    assert result.left_out_ms == (left[-catch_up - 1] if len(left) > catch_up else 0)
    assert result.next_ms == following
    assert resumed(spec, at, now, first) == following
    ended = msgspec.structs.replace(spec, end_ms=now)
    assert passed(ended, at, now, first).next_ms == 0
    started = msgspec.structs.replace(spec, start_ms=first)
    assert check(started, now + 1) == following
