"""Settlements that go again after a connection broke."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import openmessaging as oms
from openmessaging import blocking
from openmessaging.drivers.oms import driver as factory
from openmessaging.drivers.oms import subscription as part
from openmessaging.model.access_point import parse
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.wire import Verb
from openmessaging.wire.bodies import Step
from tests.firewall import Between
from tests.servers import Serving, serving

QUEUE = "default://queue"


async def filled(url: str, count: int) -> None:
    async with oms.connect(url) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message("queue", b"%d" % number) for number in range(count)])


async def settled(driver: Any, group: str) -> tuple[int, int]:
    """In flight and waiting."""
    info = await driver.describe_group(QUEUE, group)
    return info.in_flight, info.lag


@pytest.mark.parametrize("breaks", [False, True])
def test_what_may_have_been_done_takes_nothing_new_with_it(tmp_path: Path, breaks: bool) -> None:
    async def talk(url: str) -> None:
        await filled(url, 3)
        driver = await factory.open(parse(url), {})
        other = await driver.subscribe(SubscriptionSpec(QUEUE, "other", GroupConfig()))
        one = await driver.subscribe(SubscriptionSpec(QUEUE, "group", GroupConfig()))
        last = await driver.subscribe(SubscriptionSpec(QUEUE, "last", GroupConfig()))
        (delivery,) = await one.fetch(10, 1 << 20, 1)
        one.ack(delivery.lease_id, [0])
        await one.flush()
        told = Step(Verb.ACK, delivery.lease_id, [0])  # its confirmation was lost
        if breaks:
            one._unconfirmed[1_000_000] = [told]
            driver._channel.link.abort()
        else:
            one._steps = [told]
            one._again = {id(told)}
        one.ack(delivery.lease_id, [1])
        one.ack(delivery.lease_id, [2])
        if breaks:  # nobody flushes: it is told by itself
            while one._unconfirmed or one._steps:
                one._confirmed.clear()
                await one._confirmed.wait()
        await one.flush()
        assert await settled(driver, "group") == (0, 0)
        for each in (one, other, last):
            await each.close()
        await driver.close()

    with serving(f"oms:embedded://{tmp_path}/store") as server:
        asyncio.run(asyncio.wait_for(talk(server.url), 20))


@contextmanager
def between(port: int) -> Iterator[tuple[Between, asyncio.AbstractEventLoop]]:
    """A proxy in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="between")
    thread.start()
    try:
        proxy = asyncio.run_coroutine_threadsafe(Between(port).__aenter__(), loop).result(10)
        yield proxy, loop
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def cut_off_until_leases_expired(server: Serving, proxy: Between, loop: asyncio.AbstractEventLoop, closed: int) -> None:
    """Tear all connections, let none through until nothing is in flight any more, then all."""
    port, proxy.target = proxy.target, closed
    loop.call_soon_threadsafe(proxy.tear)
    with blocking.connect(server.url) as direct:
        manager = direct.resource_manager()
        while manager.describe_group("queue", "group").in_flight:
            threading.Event().wait(0.05)
    proxy.loses_requests = proxy.loses_answers = False
    proxy.target = port


@pytest.mark.parametrize("told", ["never", "in vain"])
def test_flush_names_what_came_too_late(tmp_path: Path, unused_port: int, told: str) -> None:
    """The server was away for longer than a lease lasts; acknowledgements had been told and got lost, or had not."""

    async def talk(server: Serving, proxy: Between, loop: asyncio.AbstractEventLoop) -> None:
        await filled(server.url, 8)
        async with (
            oms.connect(f"oms:oms://127.0.0.1:{proxy.port}/test") as access_point,
            access_point.create_pull_consumer("queue", group="group", invisible_time=1.0, prefetch=1) as consumer,
        ):
            messages = await consumer.batch_receive(3)
            proxy.loses_requests = True
            if told == "in vain":
                await consumer.ack(messages)
                await asyncio.sleep(0)
            await asyncio.to_thread(cut_off_until_leases_expired, server, proxy, loop, unused_port)
            if told == "never":
                await consumer.ack(messages)
            with pytest.raises(OMSRuntimeException, match=r"too late for lease \d+") as caught:
                await consumer.flush()
            assert caught.value.code == 1418
            await consumer.flush()  # it is told once
            again = await consumer.batch_receive(3, timeout=10)
            assert {each.data for each in again} <= {each.data for each in messages}
            await consumer.ack(again)
            await consumer.flush()

    with serving(f"oms:embedded://{tmp_path}/store") as server, between(server.port) as (proxy, loop):
        asyncio.run(asyncio.wait_for(talk(server, proxy, loop), 30))


def test_the_blocking_face_names_it_too(tmp_path: Path, unused_port: int) -> None:
    with serving(f"oms:embedded://{tmp_path}/store") as server, between(server.port) as (proxy, loop):
        asyncio.run(filled(server.url, 1))
        with (
            blocking.connect(f"oms:oms://127.0.0.1:{proxy.port}/test") as access_point,
            access_point.create_pull_consumer("queue", group="group", invisible_time=1.0, prefetch=1) as consumer,
        ):
            message = consumer.receive(timeout=10)
            assert message is not None
            cut_off_until_leases_expired(server, proxy, loop, unused_port)
            message.ack()
            with pytest.raises(OMSRuntimeException, match=r"1418 .*too late for lease"):
                consumer.flush()


def test_what_was_done_before_the_connection_broke_is_not_late(tmp_path: Path) -> None:
    async def talk(server: Serving, proxy: Between, loop: asyncio.AbstractEventLoop) -> None:
        await filled(server.url, 8)
        driver = await factory.open(parse(f"oms:oms://127.0.0.1:{proxy.port}/test"), {})
        direct = await factory.open(parse(server.url), {})
        one = await driver.subscribe(SubscriptionSpec(QUEUE, "group", GroupConfig()))
        (delivery,) = await one.fetch(8, 1 << 20, 1)
        one.extend(delivery.lease_id, 60)
        await one.flush()
        proxy.loses_answers = True
        one.ack(delivery.lease_id, None)
        while (await settled(direct, "group"))[1]:  # noqa: ASYNC110 - another process would tell as little
            await asyncio.sleep(0.01)
        proxy.loses_answers = False
        loop.call_soon_threadsafe(proxy.tear)
        await one.flush()
        await one.close()
        await driver.close()
        await direct.close()

    with serving(f"oms:embedded://{tmp_path}/store") as server, between(server.port) as (proxy, loop):
        asyncio.run(asyncio.wait_for(talk(server, proxy, loop), 20))


def test_leases_that_are_over_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "MANY_LEASES", 3)

    async def talk(url: str) -> None:
        for _ in range(6):
            await filled(url, 1)
        driver = await factory.open(parse(url), {})
        one = await driver.subscribe(SubscriptionSpec(QUEUE, "group", GroupConfig(invisible_time=0.05)))
        leases = set()
        while len(leases) < 6:
            leases.update(each.lease_id for each in await one.fetch(1, 1 << 20, 1))
            await asyncio.sleep(0.06)
        assert len(one._deadlines) <= 4
        await one.close()
        await driver.close()

    with serving(f"oms:embedded://{tmp_path}/store") as server:
        asyncio.run(asyncio.wait_for(talk(server.url), 20))


def test_an_error_names_a_few_and_counts_the_others() -> None:
    steps = [Step(Verb.ACK, number, [number, 7]) for number in range(8)]
    failure = part.too_late(SubscriptionSpec(QUEUE, "group", GroupConfig()), steps)
    assert re.search(r"lease 0, offsets 0, 7; lease 1.*; 3 more", failure.reason)
