import itertools

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker import ranges

OFFSETS = st.sets(st.integers(0, 20))


def bounds_of(offsets: set[int]) -> list[int]:
    return [bound for pair in ranges.from_offsets(sorted(offsets)) for bound in pair]


def offsets_of(spans: list[tuple[int, int]]) -> list[int]:
    return [offset for start, end in spans for offset in range(start, end)]


@given(st.lists(st.integers(-3, 20)))
def test_offsets_become_ranges_that_do_not_touch(offsets):
    spans = ranges.from_offsets(offsets)
    assert offsets_of(spans) == sorted(set(offsets))
    assert all(one[1] < other[0] for one, other in itertools.pairwise(spans))


@given(OFFSETS, st.integers(0, 20), st.integers(1, 10))
def test_holds_means_every_offset(offsets, start, length):
    assert ranges.holds(bounds_of(offsets), start, start + length) == (set(range(start, start + length)) <= offsets)


@given(OFFSETS, st.integers(0, 20), st.integers(1, 10))
def test_subtract_takes_what_is_there(offsets, start, length):
    bounds = bounds_of(offsets)
    taken = ranges.subtract(bounds, start, start + length)
    wanted = set(range(start, start + length))
    assert offsets_of(taken) == sorted(offsets & wanted)
    assert all(begin < end for begin, end in taken)
    assert bounds == bounds_of(offsets - wanted)
    assert ranges.size(bounds) == len(offsets - wanted)
    assert offsets_of(ranges.pairs(bounds)) == sorted(offsets - wanted)
