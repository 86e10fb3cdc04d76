"""The embedded driver for asyncio."""

from __future__ import annotations

import asyncio
import threading

import pytest

from openmessaging.broker.store import StoreOptions, open_store
from openmessaging.drivers.embedded.aio import EmbeddedDriver
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import GroupConfig, OutgoingBatch, SubscriptionSpec
from tests.broker.stores import QUEUE, SMALL, Client, CountingDisk, bodies, config, simulated
from tests.drivers.embedded.test_threads import outgoing as _outgoing

SPEC = SubscriptionSpec(QUEUE, "g", config())


def outgoing(driver, *messages):
    return _outgoing(driver._blocking, *messages)


def opened(directory, disk=None, **options):
    store = open_store(str(directory), StoreOptions(**{"segment_bytes": SMALL, **options}), disk=disk)
    return EmbeddedDriver(BlockingEmbeddedDriver(store, store.close))


async def wait_for(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


async def code_of(awaitable):
    try:
        await awaitable
    except OMSRuntimeException as failure:
        return failure.code
    raise AssertionError("no error")


def run(work, directory, **options):
    async def main():
        driver = opened(directory, **options)
        try:
            await work(driver)
        finally:
            await driver.close()

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("flush", ["always", "interval"])
def test_send_fetch_ack(tmp_path, flush):
    async def work(driver):
        assert driver.partition_count(QUEUE) == 1
        assert [p.base_offset for p in await driver.send([outgoing(driver, "a", "b")])] == [0]
        assert (await sent(driver, outgoing(driver, "c"))).base_offset == 2
        subscription = await driver.subscribe(SPEC)
        first, _ = await subscription.fetch(10, 1 << 20, 0)
        subscription.ack(first.lease_id, [0, 1, 2])
        await subscription.flush()
        assert await subscription.fetch(10, 1 << 20, 0.01) == []
        assert bodies(await driver.read(QUEUE, 0, 0, 10)) == ["a", "b", "c"]
        assert bodies([await driver.read_before(QUEUE, 0, 1)]) == ["a"]
        assert await driver.find_time(QUEUE, 0, 0) == 0
        await subscription.close()

    run(work, tmp_path, flush=flush)


def test_resources(tmp_path):
    async def work(driver):
        await driver.create_namespace("shop")
        assert await driver.list_namespaces() == ["default", "shop"]
        await driver.create_queue("shop://q", 2, {})
        await driver.update_queue("shop://q", {"retention_age": 9})
        assert await driver.list_queues("shop") == ["shop://q"]
        assert (await driver.describe_queue("shop://q")).config == {"retention_age": 9}
        await driver.subscribe(SubscriptionSpec("shop://q", "g", GroupConfig()))
        assert [group.name for group in await driver.list_groups("shop://q")] == ["g"]
        assert (await driver.describe_group("shop://q", "g")).lag == 0
        await driver.seek_group("shop://q", "g", "latest")
        await driver.delete_group("shop://q", "g")
        assert await driver.purge_queue("shop://q") == 0
        await driver.delete_queue("shop://q")
        await driver.delete_namespace("shop")
        assert await code_of(driver.describe_queue("shop://q")) == 1404

    run(work, tmp_path)


def test_sends_of_one_turn_share_a_sync(tmp_path):
    async def work(driver):
        await driver.send([outgoing(driver, "first")])
        before = disk.syncs
        await asyncio.gather(*(driver.send([outgoing(driver, f"{number}")]) for number in range(64)))
        assert disk.syncs - before == 1
        assert len(await driver.read(QUEUE, 0, 0, 100)) == 65

    disk = CountingDisk()
    run(work, tmp_path, disk=disk)


def test_a_slow_disk_never_holds_up_the_loop(tmp_path):
    async def work(driver):
        await driver.send([outgoing(driver, "first")])
        driver.runner.committer._recent_worst = 1.0
        disk.gate.clear()
        sending = asyncio.ensure_future(driver.send([outgoing(driver, "second")]))
        await asyncio.to_thread(disk.arrived.wait, 10)
        assert not sending.done()  # and the loop runs
        more = asyncio.ensure_future(driver.send([outgoing(driver, "third")]))
        await asyncio.sleep(0)
        assert bodies(await driver.read(QUEUE, 0, 0, 10)) == ["first"]
        disk.gate.set()
        await asyncio.gather(sending, more)

    disk = CountingDisk()
    run(work, tmp_path, disk=disk)


def test_a_send_that_cannot_be_does_not_harm_the_others(tmp_path):
    async def work(driver):
        wrong = driver.send([OutgoingBatch("none://q", None, outgoing(driver, "x").batch)])
        results = await asyncio.gather(driver.send([outgoing(driver, "a")]), wrong, return_exceptions=True)
        assert results[0][0].base_offset == 0
        assert results[1].code == 1405
        assert await code_of(driver.send([OutgoingBatch("none://q", None, outgoing(driver, "x").batch)])) == 1405

    run(work, tmp_path)


def test_a_cancelled_send_is_not_made_and_the_others_are(tmp_path):
    async def work(driver):
        wrong = driver._sender().send([OutgoingBatch("none://q", None, outgoing(driver, "x").batch)])
        gone = driver._sender().send([outgoing(driver, "gone")])
        good = driver._sender().send([outgoing(driver, "good")])
        wrong.cancel()
        gone.cancel()
        assert (await good)[0].base_offset == 0
        assert bodies(await driver.read(QUEUE, 0, 0, 10)) == ["good"]

    run(work, tmp_path)


def test_a_send_cancelled_while_it_is_written_may_be_there(tmp_path):
    async def work(driver):
        await driver.send([outgoing(driver, "first")])
        driver.runner.committer._recent_worst = 1.0
        disk.gate.clear()
        sending = asyncio.ensure_future(driver.send([outgoing(driver, "second")]))
        await asyncio.to_thread(disk.arrived.wait, 10)
        sending.cancel()
        disk.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await driver.send([outgoing(driver, "third")])
        assert bodies(await driver.read(QUEUE, 0, 0, 10)) == ["first", "second", "third"]

    disk = CountingDisk()
    run(work, tmp_path, disk=disk)


@pytest.mark.parametrize("slow", [False, True])
def test_a_failed_sync_reaches_every_sender(slow):
    async def work(driver):
        await driver.send([outgoing(driver, "a")])
        if slow:
            driver.runner.committer._recent_worst = 1.0
        disk.fail_sync_in = 1
        results = await asyncio.gather(
            *(driver.send([outgoing(driver, f"{number}")]) for number in range(3)), return_exceptions=True
        )
        assert [result.code for result in results] == [1501] * 3
        assert await code_of(driver.send([outgoing(driver, "more")])) == 1501
        assert bodies(await driver.read(QUEUE, 0, 0, 10)) == ["a"]
        assert await code_of(driver.close()) == 1501

    disk = simulated()
    run(work, "/store", disk=disk)


def test_fetch_and_read_wait(tmp_path):
    async def work(driver):
        subscription = await driver.subscribe(SPEC)
        fetching = asyncio.ensure_future(subscription.fetch(10, 1 << 20, 20))
        reading = asyncio.ensure_future(driver.read(QUEUE, 0, 0, 10, 20))
        await wait_for(lambda: driver.runner.receivers.waiting and driver.runner.readers.waiting)
        await asyncio.to_thread(driver._blocking.send, [outgoing(driver, "a")])
        assert bodies(await fetching) == bodies(await reading) == ["a"]

    run(work, tmp_path)


def test_a_cancelled_fetch_loses_nothing(tmp_path):
    async def work(driver):
        subscription = await driver.subscribe(SPEC)
        fetching = asyncio.ensure_future(subscription.fetch(10, 1 << 20, 20))
        await wait_for(lambda: driver.runner.receivers.waiting)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert driver.runner.receivers.waiting == {}
        await driver.send([outgoing(driver, "a")])
        (delivery,) = await subscription.fetch(10, 1 << 20, 0)
        assert delivery.attempt == 1

        fetching = asyncio.ensure_future(subscription.fetch(10, 1 << 20, 20))
        await wait_for(lambda: driver.runner.receivers.waiting)
        await driver.send([outgoing(driver, "b")])
        fetching.cancel()  # woken and cancelled, in whatever order
        await asyncio.wait([fetching])
        (delivery,) = await subscription.fetch(10, 1 << 20, 0) if fetching.cancelled() else fetching.result()
        assert (bodies([delivery]), delivery.attempt) == (["b"], 1)

    run(work, tmp_path)


def test_closing_ends_every_wait_with_1503(tmp_path):
    async def work(driver):
        subscription = await driver.subscribe(SPEC)
        waits = [
            asyncio.ensure_future(subscription.fetch(10, 1 << 20, 60)),
            asyncio.ensure_future(driver.read(QUEUE, 0, 0, 10, 60)),
        ]
        await wait_for(lambda: driver.runner.receivers.waiting and driver.runner.readers.waiting)
        await driver.close()
        assert [await code_of(wait) for wait in waits] == [1503, 1503]
        assert await code_of(driver.send([outgoing(driver, "a")])) == 1503

    run(work, tmp_path)


def test_a_loop_that_is_gone_holds_up_nobody(tmp_path):
    disk = CountingDisk()
    driver = opened(tmp_path, disk=disk)

    def other_thread():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(prepare())
        loop.close()

    async def prepare():
        await driver.send([outgoing(driver, "first")])
        await driver.subscribe(SPEC)
        driver.runner.committer._recent_worst = 1.0
        disk.gate.clear()
        driver._sender().send([outgoing(driver, "left behind")])
        await asyncio.sleep(0)
        await asyncio.to_thread(disk.arrived.wait, 10)

    thread = threading.Thread(target=other_thread, daemon=True)
    thread.start()
    thread.join(20)
    disk.gate.set()
    client = Client(_Store(driver))
    client.send("later")
    assert client.browse() == ["first", "left behind", "later"]

    async def another_loop():
        await driver.send([outgoing(driver, "another")])
        assert len(driver._senders) == 1

    asyncio.run(another_loop())
    asyncio.run(another_loop())
    asyncio.run(driver.close())


class _Store:
    def __init__(self, driver):
        self.runner = driver.runner


async def sent(driver, batch):
    answer = asyncio.get_running_loop().create_future()
    driver.submit(batch, lambda placement, _: answer.set_result(placement))
    return await answer
