"""Waits of requesters and services, threads."""

import threading

from openmessaging.runtime.threads.waits import Interruptible, Slot, Slots, Worker, as_stream, end_stream, in_scope


def test_a_slot_takes_one_value() -> None:
    slot = Slot(Slots())
    assert slot.take("first")
    assert not slot.take("second")
    assert slot.wait(5) == "first"


def test_a_slot_that_was_waited_for_in_vain_takes_nothing_more() -> None:
    slot = Slot(Slots())
    assert slot.wait(0.01) is None
    assert not slot.take("too late")


def test_a_worker_does_what_he_is_given_one_after_the_other() -> None:
    done: list[tuple[str, threading.Thread]] = []
    ready = threading.Semaphore(0)

    def work(worker: Worker) -> None:
        goes_on = True
        while goes_on:
            worker.rest()
            ready.release()
            goes_on = worker.job()

    worker = Worker(work, lambda job, _: done.append((job, threading.current_thread())), lambda _: None)
    for job in ("a", "b", None):
        assert ready.acquire(timeout=5)
        worker.give(job)
    assert worker.join(5)
    assert worker.is_done()
    assert [job for job, _ in done] == ["a", "b"]
    assert threading.current_thread() not in {thread for _, thread in done}


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
