"""The checker sees each thing that may not be, and allows each that may."""

import pytest

from openmessaging.conformance.checker import Entry, Event, judge

SENT, UNSURE, GOT, DONE = Event.SENT, Event.UNSURE, Event.GOT, Event.DONE


def history(*events: tuple[Event, int]) -> list[Entry]:
    return [Entry(event, "k", number) for event, number in events]


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([(SENT, 0), (SENT, 1), (GOT, 0)], "lost"),
        ([(SENT, 0), (GOT, 0), (GOT, 1)], "phantom"),
        ([(SENT, 0), (GOT, 0), (DONE, 0), (GOT, 0)], "doubled"),
        ([(SENT, 0), (SENT, 1), (GOT, 1), (GOT, 0)], "disordered"),
    ],
)
def test_what_may_not_be_is_named(events: list[tuple[Event, int]], kind: str) -> None:
    verdict = judge(history(*events))
    assert not verdict
    assert [name for name in ("lost", "phantom", "doubled", "disordered") if getattr(verdict, name)] == [kind]
    assert str(verdict) != "all is well"


@pytest.mark.parametrize(
    "events",
    [
        [(SENT, 0), (GOT, 0), (DONE, 0)],
        [(GOT, 0), (SENT, 0), (DONE, 0)],
        [(SENT, 0), (GOT, 0), (GOT, 0), (DONE, 0)],
        [(UNSURE, 0), (SENT, 0), (GOT, 0), (DONE, 0), (GOT, 0), (DONE, 0)],
        [(UNSURE, 0)],
        [(UNSURE, 0), (GOT, 0)],
    ],
)
def test_what_may_be_is_allowed(events: list[tuple[Event, int]]) -> None:
    verdict = judge(history(*events))
    assert verdict
    assert str(verdict) == "all is well"


def test_redeliveries_are_counted_and_order_may_be_left_out() -> None:
    verdict = judge(history((SENT, 0), (SENT, 1), (GOT, 1), (GOT, 0), (GOT, 0)), ordered=False)
    assert verdict
    assert verdict.redelivered == 1
