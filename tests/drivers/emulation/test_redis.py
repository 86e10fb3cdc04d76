"""What Redis lacks, emulated over a real one; what this driver leaves in Redis is read by its own client."""

import time
import uuid
from collections.abc import Iterator

import pytest

import openmessaging.blocking as blocking
from openmessaging.model.errors import OMSUnsupportException
from openmessaging.testing.servers import Server
from openmessaging.testing.servers.redis import Redis
from tests.drivers.real import real


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with real(Redis) as started:
        yield started


@pytest.fixture
def queue() -> str:
    return f"orders-{uuid.uuid4().hex[:8]}"


def test_delay_filter_and_expiry_over_redis(server: Server, queue: str) -> None:
    with blocking.connect(
        server.url, requires=["delay", "filter", "expiry"], emulate=["delay", "filter", "expiry"]
    ) as access_point:
        with access_point.create_pull_consumer(queue, group="g"):
            pass  # now the group is there
        assert access_point.emulated == {"delay", "filter", "expiry"}
        with access_point.create_producer() as producer:
            begin = time.time()
            for body, headers in ((b"late", {"delay": 2.0}), (b"old", {"ttl": 0.001}), (b"now", {}), (b"other", {})):
                colour = "blue" if body == b"other" else "red"
                producer.send(producer.create_message(queue, body, properties={"colour": colour}, **headers))
            time.sleep(0.01)
        with access_point.create_pull_consumer(
            queue, group="g", filter="colour = 'red'", invisible_time=0.3
        ) as consumer:
            for expected in (b"now", b"late"):
                message = consumer.receive(timeout=5)
                assert message is not None
                assert (message.data, message.delivery_count) == (expected, 1)
                message.ack()
            assert time.time() - begin >= 2.0
            assert consumer.receive(timeout=0.5) is None
            consumer.flush()
        group = access_point.resource_manager().describe_group(queue, "g")
        assert (group.lag, group.expired) == (0, 1)


def test_another_consumer_gets_what_was_held_when_its_holder_is_gone(server: Server, queue: str) -> None:
    """A connection that ends without a word: the message comes again, late by no more than the invisible time."""
    with blocking.connect(server.url, emulate=["delay"]) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message(queue, b"held", delay=1.0))
        holder = blocking.connect(server.url, emulate=["delay"])
        held = holder.create_pull_consumer(queue, group="g", invisible_time=1.0)
        held.startup()
        assert held.receive(timeout=0.3) is None
        held.shutdown()
        holder.close()
        with access_point.create_pull_consumer(queue, group="g", invisible_time=1.0) as consumer:
            message = consumer.receive(timeout=10)
            assert message is not None
            assert message.data == b"held"
            message.ack()


def test_without_leave_it_is_refused(server: Server, queue: str) -> None:
    with pytest.raises(OMSUnsupportException, match="delay, filter: required"):
        blocking.connect(server.url, requires=["delay", "filter"]).startup()
    with blocking.connect(server.url) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSUnsupportException, match="delayTime"):
            producer.send(producer.create_message(queue, b"", delay=1))
        with pytest.raises(OMSUnsupportException, match="filter"):
            access_point.create_pull_consumer(queue, group="g", filter="a = 1").startup()
