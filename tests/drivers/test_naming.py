"""Names of queues in other systems."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.naming import Naming
from openmessaging.model.destination import why_invalid

NARROW = Naming()
WIDE = Naming(".")
QUEUES = st.text(st.characters(codec="utf-8") | st.sampled_from("_-p.3"), min_size=1, max_size=20).filter(
    lambda text: why_invalid(text) is None and "://" not in text
)
NAMESPACES = QUEUES.filter(lambda text: ":" not in text)


@pytest.mark.parametrize(
    ("full", "native"),
    [
        ("default://orders", "orders"),
        ("sales://orders", "sales__-orders"),
        ("default://orders.eu", "orders__2eeu"),
        ("default://a b", "a__20b"),
        ("default://a__b", "a__5f_b"),
        ("default://my_queue-1", "my_queue-1"),
        ("default://größe", "gr__c3__b6__c3__9fe"),
    ],
)
def test_usual_names_stay_and_others_are_escaped(full: str, native: str) -> None:
    assert NARROW.native(full) == native
    assert NARROW.full(native) == (full, None)


def test_a_system_may_allow_more() -> None:
    assert WIDE.native("default://orders.eu") == "orders.eu"


@given(NAMESPACES | st.just("default"), QUEUES, st.none() | st.integers(0, 999))
def test_every_name_comes_back_and_holds_allowed_characters_only(
    namespace: str, queue: str, partition: int | None
) -> None:
    full = f"{namespace}://{queue}"
    for naming in (NARROW, WIDE):
        native = naming.native(full, partition)
        assert re.fullmatch(r"[A-Za-z0-9_.\-]+", native)
        assert naming.full(native) == (full, partition)


@pytest.mark.parametrize("native", ["a.b", "a__2", "__zz", "a__C3", "x__ff", "a__p", "__-a", ""])
def test_names_that_are_not_ours_are_none(native: str) -> None:
    assert NARROW.full(native) is None
