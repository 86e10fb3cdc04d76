"""Threads that send at once: one batch for all that come while another send runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from openmessaging import blocking
from openmessaging.model.batch import decode
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Durability, Placement
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.threads.combining import Combiner, _Joined

THREADS = 12


class GatedDriver:
    """Takes batches one at a time, each when it is let through; fails where told to."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.failures: dict[int, BaseException] = {}
        self.stored = 0

    def send(self, batches):
        (outgoing,) = batches
        _, _, records = decode(outgoing.batch.head + outgoing.batch.payload)
        self.batches.append([record.data for record in records])
        number = len(self.batches)
        self.entered.release()
        self.gate.acquire()
        if number in self.failures:
            raise self.failures[number]
        self.stored += len(records)
        return [Placement(0, self.stored - len(records), 1, Durability.MEMORY)]


@pytest.fixture
def driver():
    return GatedDriver()


def start(combiner: Combiner, bodies: list[bytes], queue: Callable[[bytes], str] = lambda _: "q"):
    """A thread per body, the first one in the driver before the others begin."""
    results: dict[bytes, object] = {}

    def put(body: bytes) -> None:
        try:
            results[body] = combiner.put(Message(Record(body), queue(body)))
        except BaseException as failure:
            results[body] = failure

    threads = [threading.Thread(target=put, args=(body,), daemon=True) for body in bodies]
    threads[0].start()
    assert combiner._driver.entered.acquire(timeout=10)
    for thread in threads[1:]:
        joined = len(combiner._joined)
        thread.start()
        while len(combiner._joined) == joined:
            thread.join(0.001)
    return threads, results


def finish(driver: GatedDriver, threads: list[threading.Thread]) -> None:
    driver.gate.release(100)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_who_comes_during_a_send_shares_the_next(driver):
    bodies = [b"%d" % number for number in range(THREADS)]
    threads, results = start(Combiner(driver, Packer("default", "none"), 1 << 20), bodies)
    finish(driver, threads)
    assert driver.batches == [bodies[:1], bodies[1:]]
    assert [results[body].offset for body in bodies] == list(range(THREADS))
    assert len({results[body].message_id for body in bodies}) == THREADS


def test_a_batch_is_of_one_queue_and_of_bounded_size(driver):
    bodies = [b"%d" % number for number in range(7)]
    combiner = Combiner(driver, Packer("default", "none"), 2)
    threads, results = start(combiner, bodies, lambda body: "even" if int(body) % 2 == 0 else "odd")
    finish(driver, threads)
    assert driver.batches[0] == [b"0"]
    assert sorted(body for batch in driver.batches for body in batch) == bodies
    assert all(len(batch) <= 2 and len({int(body) % 2 for body in batch}) == 1 for batch in driver.batches)
    assert all(results[body].destination.endswith("odd" if int(body) % 2 else "even") for body in bodies)


def test_a_failure_is_told_to_all_of_its_batch_and_to_nobody_else(driver):
    failure = OMSRuntimeException(1501, "the disk is full")
    driver.failures[2] = failure
    threads, results = start(Combiner(driver, Packer("default", "none"), 1 << 20), [b"0", b"1", b"2", b"3"])
    finish(driver, threads)
    assert results[b"0"].offset == 0
    assert [results[body] for body in (b"1", b"2", b"3")] == [failure] * 3


def test_an_interrupt_of_the_sender_leaves_the_others_in_doubt(driver):
    driver.failures[2] = KeyboardInterrupt()
    threads, results = start(Combiner(driver, Packer("default", "none"), 1 << 20), [b"0", b"1", b"2", b"3"])
    finish(driver, threads)
    assert isinstance(results[b"1"], KeyboardInterrupt)
    assert [results[body].code for body in (b"2", b"3")] == [1410, 1410]
    combiner_is_free = Combiner(driver, Packer("default", "none"), 10)
    assert combiner_is_free.put(Message(Record(b"4"), "q")).offset == 1


def test_a_failed_lone_send_lets_the_next_through(driver):
    driver.failures[1] = OMSRuntimeException(1404, "no such queue")
    threads, results = start(Combiner(driver, Packer("default", "none"), 1 << 20), [b"0", b"1", b"2"])
    finish(driver, threads)
    assert results[b"0"].code == 1404
    assert [results[b"1"].offset, results[b"2"].offset] == [0, 1]


class Interrupted:
    """A lock whose first acquisition is interrupted."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._interrupts = 1

    def acquire(self) -> None:
        if self._interrupts:
            self._interrupts = 0
            raise KeyboardInterrupt
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()


def test_an_interrupted_thread_does_what_others_wait_for_before_it_goes(driver):
    combiner = Combiner(driver, Packer("default", "none"), 1 << 20)
    driver.gate.release(10)
    first, second = _Joined(Message(Record(b"1"), "q")), _Joined(Message(Record(b"2"), "q"))
    combiner._sending, combiner._joined = True, [first, second]
    first.woken = Interrupted(first.woken)
    combiner._pass_on()
    with pytest.raises(KeyboardInterrupt):
        combiner._wait(first)
    assert driver.batches == [[b"1", b"2"]]
    assert combiner._wait(second).offset == 1
    assert not combiner._sending


def test_threads_on_a_store(tmp_path):
    with (
        blocking.connect(f"oms:embedded://{tmp_path}/store") as access_point,
        access_point.create_producer() as producer,
    ):
        offsets: list[int] = []

        def send(name: int) -> None:
            bodies = [b"%d/%d" % (name, number) for number in range(50)]
            offsets.extend(producer.send(producer.create_message("q", body)).offset for body in bodies)

        threads = [threading.Thread(target=send, args=(name,)) for name in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(offsets) == list(range(THREADS * 50))
        with access_point.create_pull_consumer("q", group="g") as consumer:
            bodies = [message.data for message in consumer.batch_receive(THREADS * 50, timeout=5)]
    for name in range(THREADS):
        mine = [int(body.split(b"/")[1]) for body in bodies if body.startswith(b"%d/" % name)]
        assert mine == list(range(50))
