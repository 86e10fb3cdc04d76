"""The embedded driver for threads."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from openmessaging.broker.store import StoreOptions, open_memory, open_store
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.spi import OutgoingBatch, SubscriptionSpec
from tests.broker.stores import QUEUE, SMALL, Client, bodies, code_of, config, eventually, finish, in_thread, simulated


@pytest.fixture(params=["always", "never", "memory"])
def driver(tmp_path, request):
    if request.param == "memory":
        store = open_memory(StoreOptions())
    else:
        store = open_store(str(tmp_path), StoreOptions(flush=request.param, segment_bytes=SMALL))
    driver = BlockingEmbeddedDriver(store, store.close)
    yield driver
    driver.close()


def outgoing(driver, *messages):
    return OutgoingBatch(QUEUE, None, Client(_Store(driver.runner)).batch(*messages))


class _Store:
    def __init__(self, runner):
        self.runner = runner


def submitted(driver, batch):
    """Submit; a future of the placement."""
    future = Future()

    def done(placement, failure):
        if failure is None:
            future.set_result(placement)
        else:
            future.set_exception(failure)

    driver.submit(batch, done)
    return future


def subscribe(driver, name="g", *, broadcast=False, **settings):
    return driver.subscribe(SubscriptionSpec(QUEUE, name, config(**settings), broadcast=broadcast))


def test_send_fetch_ack(driver):
    assert driver.partition_count(QUEUE) == 1
    assert [placement.base_offset for placement in driver.send([outgoing(driver, "a", "b")])] == [0]
    subscription = subscribe(driver)
    (delivery,) = subscription.fetch(10, 1 << 20, 0)
    subscription.ack(delivery.lease_id, [0])
    subscription.nack(delivery.lease_id, [1], 0, "again")
    (again,) = subscription.fetch(10, 1 << 20, 5)
    assert (bodies([again]), again.attempt) == (["b"], 2)
    subscription.release(again.lease_id, None)
    (third,) = subscription.fetch(10, 1 << 20, 5)
    assert third.attempt == 2
    deadline = subscription.extend(third.lease_id, 300)
    assert deadline > third.deadline_ms
    subscription.ack(third.lease_id, None)
    subscription.flush()
    assert subscription.fetch(10, 1 << 20, 0) == []
    assert code_of(subscription.ack, third.lease_id, None) == 1418
    assert code_of(subscription.extend, third.lease_id, 1) == 1418
    subscription.close()


def test_submitted_batches_are_stored_in_order(driver):
    futures = [submitted(driver, outgoing(driver, f"{number}")) for number in range(50)]
    assert [future.result(10).base_offset for future in futures] == list(range(50))
    assert bodies(driver.read(QUEUE, 0, 0, 100)) == [f"{number}" for number in range(50)]


def test_what_cannot_be_stored_is_refused_at_once(driver):
    with pytest.raises(Exception, match="1405"):
        submitted(driver, OutgoingBatch("none://q", None, outgoing(driver, "a").batch))


def test_a_callback_may_send(driver):
    done = threading.Event()
    answers = []

    def answer(placement, failure):
        answers.append(driver.send([outgoing(driver, "answer")])[0].base_offset)
        done.set()

    driver.submit(outgoing(driver, "question"), answer)
    submitted(driver, outgoing(driver, "another"))
    assert done.wait(10)
    assert answers[0] > 0


def test_fetch_waits_for_a_message(driver):
    subscription = subscribe(driver)
    got = []
    fetcher, _ = in_thread(lambda: got.extend(subscription.fetch(10, 1 << 20, 20)))
    eventually(lambda: driver.runner.receivers.waiting)
    driver.send([outgoing(driver, "a")])
    finish(fetcher)
    assert bodies(got) == ["a"]
    assert subscription.fetch(10, 1 << 20, 0.01) == []
    assert driver.runner.receivers.waiting == {}


def test_read_waits_at_the_end(driver):
    driver.send([outgoing(driver, "a")])
    got = []
    reader, _ = in_thread(lambda: got.extend(driver.read(QUEUE, 0, 1, 10, 20)))
    eventually(lambda: driver.runner.readers.waiting)
    driver.send([outgoing(driver, "b")])
    finish(reader)
    assert bodies(got) == ["b"]
    assert driver.read(QUEUE, 0, 2, 10, 0.01) == []
    assert driver.runner.readers.waiting == {}


def test_closing_ends_every_wait_with_1503(driver):
    driver.send([outgoing(driver, "a")])
    subscription = subscribe(driver, start="latest")
    waits = [
        in_thread(lambda: subscription.fetch(10, 1 << 20, 60)),
        in_thread(lambda: subscription.fetch(10, 1 << 20, 60)),
        in_thread(lambda: driver.read(QUEUE, 0, 1, 10, 60)),
    ]
    eventually(lambda: sum(map(len, driver.runner.receivers.waiting.values())) == 2 and driver.runner.readers.waiting)
    driver.close()
    driver.close()
    finish(*(thread for thread, _ in waits))
    assert [failures[0].code for _, failures in waits] == [1503] * 3
    assert code_of(submitted, driver, outgoing(driver, "b")) == 1503


def test_deleting_the_queue_ends_waits_with_1404(driver):
    driver.send([outgoing(driver, "a")])
    subscription = subscribe(driver, start="latest")
    waits = [
        in_thread(lambda: subscription.fetch(10, 1 << 20, 60)),
        in_thread(lambda: driver.read(QUEUE, 0, 1, 10, 60)),
    ]
    eventually(lambda: driver.runner.receivers.waiting and driver.runner.readers.waiting)
    driver.delete_queue(QUEUE)
    finish(*(thread for thread, _ in waits))
    assert [failures[0].code for _, failures in waits] == [1404] * 2


def test_a_broadcast_group_ends_with_its_consumer(driver):
    driver.send([outgoing(driver, "a")])
    one, two = subscribe(driver, "one", broadcast=True), subscribe(driver, "two", broadcast=True)
    assert bodies(one.fetch(1, 1 << 20, 0)) == bodies(two.fetch(1, 1 << 20, 0)) == ["a"]
    one.close()
    one.close()
    assert [group.name for group in driver.list_groups()] == ["two"]
    driver.delete_queue(QUEUE)
    two.close()


def test_a_failed_disk_reaches_those_who_submitted():
    disk = simulated()
    store = open_store("/store", StoreOptions(), disk=disk)
    driver = BlockingEmbeddedDriver(store, store.close)
    submitted(driver, outgoing(driver, "a")).result(10)
    disk.fail_sync_in = 1
    future = submitted(driver, outgoing(driver, "b"))
    assert future.exception(10).code == 1501
    with pytest.raises(Exception, match="1501"):
        submitted(driver, outgoing(driver, "c"))
    with pytest.raises(Exception, match="1501"):
        driver.send([outgoing(driver, "c")])
    assert code_of(driver.close) == 1501
