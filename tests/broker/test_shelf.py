from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker.queue import Queue
from openmessaging.broker.shelf import PIECE, Shelf


def shelf_of(end: int, start: int = 0) -> Shelf:
    return Shelf(7, 0, Queue(1, "default://q", {}), start, end)


def test_what_left_is_not_pending() -> None:
    shelf = shelf_of(10)
    shelf.leave(3)
    shelf.leave(3)
    assert not shelf.is_pending(3)
    assert shelf.is_pending(2)
    assert (shelf.floor, shelf.pending) == (0, 9)
    assert not shelf.is_pending(10)


def test_the_floor_rises_over_what_left_before() -> None:
    shelf = shelf_of(5)
    for offset in (1, 2, 0):
        shelf.leave(offset)
    assert (shelf.floor, shelf.pending, shelf.consumed_before()) == (3, 2, 3)


def test_a_piece_that_is_done_needs_no_bits() -> None:
    shelf = shelf_of(3 * PIECE)
    for offset in range(PIECE, 2 * PIECE):
        shelf.leave(offset)
    assert shelf.dump()[2] == [(1, b"")]
    assert shelf.pending == shelf.pending_in(0, 3 * PIECE) == 2 * PIECE
    for offset in range(PIECE):
        shelf.leave(offset)
    assert shelf.floor == 2 * PIECE
    assert shelf.dump()[2] == []


def test_messages_that_come_later_wait() -> None:
    shelf = shelf_of(2)
    shelf.leave(0)
    shelf.leave(1)
    shelf.end = 4
    assert list(shelf.waiting()) == [2, 3]
    shelf.leave(2)
    assert (shelf.floor, shelf.pending) == (3, 1)


@given(
    st.integers(0, 60),
    st.lists(
        st.one_of(st.tuples(st.just("leave"), st.integers(0, 99)), st.tuples(st.just("trim"), st.integers(0, 80)))
    ),
)
def test_it_is_a_set_of_offsets(start: int, steps: list[tuple[str, int]]) -> None:
    shift = 2 * PIECE - 50  # the steps are around a border of pieces
    shelf = shelf_of(shift + 100, shift + start)
    naive = set(range(shift + start, shift + 100))
    for step, number in steps:
        if step == "leave":
            shelf.leave(shift + number)
            naive.discard(shift + number)
        elif shift + number > shelf.start:
            shelf.trim(shift + number)
            naive = {offset for offset in naive if offset >= shift + number}
        assert shelf.pending == len(naive)
        assert shelf.floor == min(naive, default=shelf.end)
        assert list(shelf.waiting()) == sorted(naive)
        again = shelf_of(shelf.end, shelf.start)
        again.load(shelf.dump())
        assert again.dump() == shelf.dump()
        assert again.pending_in(shift + 20, shift + 70) == len(naive & set(range(shift + 20, shift + 70)))
        assert all(shelf.is_pending(offset) == (offset in naive) for offset in range(shift, shift + 101))
