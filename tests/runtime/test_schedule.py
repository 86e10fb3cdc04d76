from datetime import UTC, datetime
from typing import Any

import pytest

from openmessaging.model.errors import OMSMessageFormatException, OMSRuntimeException
from openmessaging.runtime.schedule import Rule, scheduled_message, spec_of

GOOD: dict[str, Any] = {
    "cron": None, "every": 60.0, "zone": "UTC", "start": None, "end": None, "count": None, "catch_up": 5
}  # fmt: skip


def spec(**changes: Any):
    return spec_of(
        "s", "default://q", scheduled_message("q", b"body", "k", {"a": 1}, {"priority": 7}), Rule(**GOOD | changes)
    )


def test_seconds_become_milliseconds() -> None:
    made = spec(every=0.25, start=datetime(2026, 3, 1, tzinfo=UTC), end=1_800_000_000.5, count=7)
    assert (made.every_ms, made.start_ms, made.end_ms, made.count, made.catch_up) == (
        250, 1_772_323_200_000, 1_800_000_000_500, 7, 5,
    )  # fmt: skip
    assert (made.record.data, made.record.message_key, made.record.headers) == (b"body", "k", {"priority": 7})
    assert dict(made.record.properties or {}) == {"a": 1}


def test_blanks_in_cron_do_not_matter() -> None:
    assert spec(every=None, cron="  0  3 * *   MON ").cron == "0 3 * * MON"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"every": None}, "cron"),
        ({"cron": "* * * * *"}, "cron"),
        ({"every": None, "cron": 5}, "cron"),
        ({"zone": None}, "zone"),
        ({"every": -1}, "every"),
        ({"every": "soon"}, "every"),
        ({"count": 0}, "count"),
        ({"count": 1.5}, "count"),
        ({"count": True}, "count"),
        ({"catch_up": 2.0}, "catch_up"),
        ({"start": "tomorrow"}, "start"),
        ({"end": -5}, "end"),
        ({"end": 1e300}, "end"),
    ],
)
def test_what_is_no_rule(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(OMSRuntimeException) as failure:
        spec(**wrong)
    assert (failure.value.code, failure.value.field) == (1418, field)


@pytest.mark.parametrize("name", ["delay", "deliver_at", "ttl", "delay_time", "expire_time", "partition", "qos"])
def test_fields_that_a_scheduled_message_cannot_have(name: str) -> None:
    with pytest.raises(OMSRuntimeException, match=name) as failure:
        scheduled_message("q", b"", None, None, {name: 1})
    assert failure.value.field == name


def test_a_message_is_checked_as_every_other() -> None:
    with pytest.raises(OMSMessageFormatException, match="nonsense"):
        scheduled_message("q", b"", None, None, {"nonsense": 1})


def test_growth_is_a_number() -> None:
    message = scheduled_message("q", b"", None, None, {})
    rule = Rule(None, 2.0, "UTC", None, None, None, 1, 3)
    assert spec_of("s", "default://q", message, rule).growth == 3.0
    with pytest.raises(OMSRuntimeException, match="growth"):
        spec_of("s", "default://q", message, Rule(None, 2.0, "UTC", None, None, None, 1, "much"))  # type: ignore[arg-type]
