"""What a consumer holds while nobody pulls."""

import asyncio

import openmessaging as oms
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from tests.drivers.rabbitmq.test_access import run, send, take

SPEC = SubscriptionSpec("default://credit", "g", GroupConfig())


def test_one_that_fetched_and_works_gets_nothing_that_another_could_have(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, oms.connect(rabbit.url) as elsewhere:
            await send(access_point, "credit", b"first")
            busy = await (await elsewhere.get_driver()).subscribe(SPEC)
            (held,) = await busy.fetch(100, 1 << 20, 5.0)
            while busy._source._consumers:  # noqa: ASYNC110 - what comes before they have ended is pushed to it
                await asyncio.sleep(0.005)
            async with access_point.create_pull_consumer("credit", group="g") as idle:
                await send(access_point, "credit", *(b"%d" % number for number in range(50)))
                found = await take(idle, 50)
                assert {each.delivery_count for each in found} == {1}
                await idle.ack(found)
            busy.ack(held.lease_id, None)
            await busy.flush()
            assert await busy.fetch(100, 1 << 20, 0.1) == []
            await busy.close()

    run(go())


def test_what_was_pushed_and_not_pulled_goes_back_to_its_place(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point, oms.connect(rabbit.url) as elsewhere:
            await send(access_point, "surplus", *(b"%d" % number for number in range(20)))
            driver = await elsewhere.get_driver()
            greedy = await driver.subscribe(SubscriptionSpec("default://surplus", "g", GroupConfig()))
            taken = 0
            while taken < 2:  # what RabbitMQ pushes beyond is more than is asked for
                for delivery in await greedy.fetch(2 - taken, 1 << 20, 5.0):
                    taken += delivery.last - delivery.first
                    greedy.ack(delivery.lease_id, None)
            await greedy.close()
            async with access_point.create_pull_consumer("surplus", group="g") as other:
                found = await take(other, 18)
                assert [each.data for each in found] == [b"%d" % number for number in range(2, 20)]
                await other.ack(found)

    run(go())


def test_a_pull_that_does_not_wait_gets_what_is_there(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url) as access_point:
            await send(access_point, "now", b"1")
            subscription = await (await access_point.get_driver()).subscribe(
                SubscriptionSpec("default://now", "g", GroupConfig())
            )
            (found,) = await subscription.fetch(1, 1 << 20, 0.0)
            subscription.ack(found.lease_id, None)
            await subscription.flush()
            assert await subscription.fetch(1, 1 << 20, 0.0) == []
            await subscription.close()

    run(go())
