"""How many bytes queues hold: what was sent, without what all groups have consumed, whatever happened in between."""

import random
import uuid

import openmessaging.blocking as oms
from openmessaging.broker.stored_bytes import StoredBytes
from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse

ORDERS = "default://orders"


def test_it_counts_what_is_needed_and_goes_on_from_there() -> None:
    url = f"oms:memory:{uuid.uuid4().hex}"
    with oms.connect(url) as access_point, access_point.create_producer() as producer:
        driver = embedded.open_blocking(parse(url), {})
        counted = StoredBytes(driver.runner)

        def of(name: str) -> int:
            return counted.of(lambda queue: queue == name)

        assert of(ORDERS) == 0
        for _ in range(10):
            producer.send(producer.create_message("orders", b"x" * 1000))
            producer.send(producer.create_message("other", b"y" * 10))
        assert 10_000 < of(ORDERS) < 12_000
        assert 100 < of("default://other") < 1_500
        assert counted.of(lambda _: True) == of(ORDERS) + of("default://other")
        with access_point.create_pull_consumer("orders", group="kitchen") as consumer:
            for _ in range(4):
                message = consumer.receive(timeout=5)
                assert message is not None
                message.ack()
            consumer.flush()
        assert 6_000 < of(ORDERS) < 7_000
        access_point.resource_manager().seek_group("orders", "kitchen", "earliest")
        assert 10_000 < of(ORDERS) < 12_000
        producer.send(producer.create_message("orders", b"z" * 5000, delay=3600))
        assert 15_000 < of(ORDERS) < 17_000
        access_point.resource_manager().purge_queue("orders")
        assert of(ORDERS) < 6_000
        access_point.resource_manager().delete_queue("orders")
        assert of(ORDERS) == 0
        driver.close()


def test_counting_on_gives_what_counting_anew_gives() -> None:
    url = f"oms:memory:{uuid.uuid4().hex}"
    chance = random.Random(7)
    with oms.connect(url) as access_point, access_point.create_producer() as producer:
        driver = embedded.open_blocking(parse(url), {})
        going_on = StoredBytes(driver.runner)
        with access_point.create_pull_consumer("orders", group="kitchen") as consumer:
            for _ in range(200):
                if chance.random() < 0.6:
                    bodies = [b"x" * chance.randrange(200) for _ in range(chance.randrange(1, 5))]
                    producer.send([producer.create_message("orders", body) for body in bodies])
                elif (message := consumer.receive(timeout=0.01)) is not None:
                    message.ack()
                    consumer.flush()
                anew = StoredBytes(driver.runner).of(lambda _: True)
                assert going_on.of(lambda _: True) == anew
        driver.close()
