import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker.waiting import Waiting

STEP = st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 8), st.integers(0, 2), st.sampled_from([0, 10, 20]))


def spans(waiting: Waiting) -> list[tuple[int, int, int, int]]:
    return [(span.start, span.end, span.attempt, span.visible_ms) for span in waiting]


@given(st.lists(STEP, max_size=40))
def test_against_a_dictionary(steps):
    waiting, model = Waiting(), {}
    for adds, start, length, attempt, visible_ms in steps:
        inside = range(start, start + length)
        if adds and not model.keys() & set(inside):
            waiting.add(start, start + length, attempt, visible_ms)
            model.update(dict.fromkeys(inside, (attempt, visible_ms)))
        elif not adds:
            waiting.remove(start, start + length)
            for offset in inside:
                model.pop(offset, None)
        found = {o: (s.attempt, s.visible_ms) for s in waiting for o in range(s.start, s.end)}
        assert found == model
        assert waiting.first() == min(model, default=None)
        assert len(waiting) == len(list(waiting))
        for offset in range(40):
            span = waiting.at(offset)
            assert (None if span is None else (span.attempt, span.visible_ms)) == model.get(offset)
        due = [o for s in waiting.due(10, 1_000) for o in range(s.start, s.end)]
        assert sorted(due) == sorted(o for o, (_, visible_ms) in model.items() if visible_ms <= 10)


def test_neighbours_that_are_alike_become_one():
    waiting = Waiting()
    for start in (4, 0, 2):
        waiting.add(start, start + 2, 1, 5)
    waiting.add(6, 7, 2, 5)
    waiting.add(7, 8, 2, 6)
    assert spans(waiting) == [(0, 6, 1, 5), (6, 7, 2, 5), (7, 8, 2, 6)]
    waiting.add(8, 9, 2, 6)
    waiting.add(20, 21, 1, 5)
    waiting.add(9, 10, 2, 6)
    assert spans(waiting)[2:] == [(7, 10, 2, 6), (20, 21, 1, 5)]


def test_due_comes_in_order_of_time_and_stops_when_there_is_enough():
    waiting = Waiting()
    waiting.add(0, 2, 1, 30)
    waiting.add(2, 4, 1, 10)
    waiting.add(4, 6, 1, 20)
    waiting.add(6, 8, 1, 40)
    assert [span.start for span in waiting.due(30, 3)] == [2, 4]
    assert [span.start for span in waiting.due(30, 100)] == [2, 4, 0]
    assert [span.start for span in waiting.due(9, 100)] == []
    assert [span.start for span in waiting.due(30, 0)] == []


def test_outdated_times_do_not_pile_up():
    waiting = Waiting()
    for i in range(10_000):
        waiting.add(0, 1, 1, i)
        waiting.remove(0, 1)
    waiting.add(5, 6, 1, 3)
    assert len(waiting._heap) < 200
    assert [span.start for span in waiting.due(3, 9)] == [5]


@pytest.mark.parametrize("outdated", range(60, 100))
def test_order_of_time_survives_the_clearing_of_outdated_times(outdated):
    waiting = Waiting()
    for start in range(0, 20, 2):
        waiting.add(start, start + 1, 1, 1_000 - start)
    for i in range(outdated):
        waiting.add(100, 101, 1, i)
        waiting.remove(100, 101)
    assert [span.start for span in waiting.due(1_000, 99)] == list(range(18, -2, -2))
