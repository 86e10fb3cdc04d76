"""What a pull consumer holds ready, on its own; `test_pull.py` shows it at work."""

from openmessaging import connect
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.runtime.aio.intake import Intake


async def test_what_lands_after_the_unbinding_goes_back(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        await producer.send([producer.create_message("q", b"") for _ in range(4)])
        driver = await access_point.get_driver()
        subscription = await driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        intake = Intake(2, 30.0)
        intake.bind("default://q", subscription)
        assert intake.subscription("default://q") is subscription
        late = await subscription.fetch(2, 1000, 0.0)
        assert (await intake.take(0.0)).offset == 2
        await intake.unbind("default://q")
        intake._land(subscription, late)
        assert intake.subscription("default://q") is None
        info = await driver.describe_group("default://q", "g")
        assert (info.lag, info.in_flight) == (4, 1)
        await intake.close()
        assert await intake.take(None) is None
        assert await intake.take_many(5, None) == []


async def test_messages_that_another_consumer_has_meanwhile_are_dropped(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        for _ in range(3):
            await producer.send([producer.create_message("q", b"") for _ in range(2)])
        driver = await access_point.get_driver()
        subscription = await driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        intake = Intake(10, 30.0)
        intake.bind("default://q", subscription)
        assert (await intake.take(0.0)).offset == 0
        await driver.seek_group("default://q", "g", "offset:4")
        intake._renew()
        assert [message.offset for message in await intake.take_many(10, 5.0)] == [4, 5]
        await intake.close()
