"""The first filter."""

from openmessaging.model.routing import Filter, Sample
from openmessaging.routing.leading import behind_filter, leading_filter


def test_only_a_filter_that_stands_first_leads():
    assert leading_filter([Filter("a = 1"), Filter("b = 2")]) == "a = 1"
    assert behind_filter([Filter("a = 1"), Filter("b = 2")]) == [(1, Filter("b = 2"))]
    assert leading_filter([Sample(0.5), Filter("a = 1")]) is None
    assert behind_filter([Sample(0.5), Filter("a = 1")]) == [(0, Sample(0.5)), (1, Filter("a = 1"))]
    assert (leading_filter([]), behind_filter([])) == (None, [])
