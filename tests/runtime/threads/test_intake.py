# Generated from tests/runtime/aio/test_intake.py by scripts/unasync.py: change that file instead.
"""What a pull consumer holds ready, on its own; `test_pull.py` shows it at work."""

from openmessaging.blocking import connect
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.runtime.threads.intake import Intake


def test_what_lands_after_the_unbinding_goes_back(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("q", b"") for _ in range(4)])
        driver = access_point.get_driver()
        subscription = driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        intake = Intake(2, 30.0)
        intake.bind("default://q", subscription)
        assert intake.subscription("default://q") is subscription
        late = subscription.fetch(2, 1000, 0.0)
        assert (intake.take(0.0)).offset == 2
        intake.unbind("default://q")
        intake._land(subscription, late)
        assert intake.subscription("default://q") is None
        info = driver.describe_group("default://q", "g")
        assert (info.lag, info.in_flight) == (4, 1)
        intake.close()
        assert intake.take(None) is None
        assert intake.take_many(5, None) == []


def test_messages_that_another_consumer_has_meanwhile_are_dropped(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        for _ in range(3):
            producer.send([producer.create_message("q", b"") for _ in range(2)])
        driver = access_point.get_driver()
        subscription = driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        intake = Intake(10, 30.0)
        intake.bind("default://q", subscription)
        assert (intake.take(0.0)).offset == 0
        driver.seek_group("default://q", "g", "offset:4")
        intake._renew()
        assert [message.offset for message in intake.take_many(10, 5.0)] == [4, 5]
        intake.close()
