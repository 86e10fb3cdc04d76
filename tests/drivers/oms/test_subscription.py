"""Settlements that go again after a connection broke."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.drivers.oms import driver as factory
from openmessaging.model.access_point import parse
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.wire import Verb
from openmessaging.wire.bodies import Step
from tests.servers import serving

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
