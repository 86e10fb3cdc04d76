"""Waits of requesters and services, threads."""

import threading

from openmessaging.runtime.threads.waits import Interruptible, Slot, Slots, Turn, as_stream, end_stream, in_scope


def test_a_slot_takes_one_value() -> None:
    slot = Slot(Slots())
    assert slot.take("first")
    assert not slot.take("second")
    assert slot.wait(5) == "first"


def test_a_slot_that_was_waited_for_in_vain_takes_nothing_more() -> None:
    slot = Slot(Slots())
    assert slot.wait(0.01) is None
    assert not slot.take("too late")


def test_a_turn_goes_on_when_its_holder_begins_its_work() -> None:
    free: list[bool] = []
    turn = Turn(lambda: free.append(True))
    turn.take("a")
    turn.take("a")
    other = threading.Thread(target=turn.take, args=("b",))
    other.start()
    turn.run(other.join, 5)
    assert not other.is_alive()
    assert free == [True]


def test_what_a_thread_waits_for_is_not_interrupted() -> None:
    waits = Interruptible()
    waits.interrupt()
    assert waits.run(b"here") == b"here"


def test_calls_run_where_they_are_made() -> None:
    came: list[int] = []
    in_scope(came.append)(1)
    assert came == [1]


def test_generators_are_streams() -> None:
    def plain():
        yield from (1, 2)

    assert list(as_stream(plain())) == [1, 2]
    assert as_stream(b"bytes") is None
    stream = as_stream(plain())
    end_stream(stream)
    assert list(stream) == []
