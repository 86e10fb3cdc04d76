"""The driver of the documentation's example does what the page says: basic use, over an SQLite file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import openmessaging as oms
import openmessaging.blocking as blocking
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException

URL = "oms:sqlite://localhost/shop"
ATTRIBUTES = {"DRIVER_IMPL": "examples.sqlite_driver:driver"}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shop() -> Iterator[blocking.AccessPoint]:
    with blocking.connect(URL, ATTRIBUTES) as access_point:
        yield access_point


def test_a_message_keeps_all_it_has(shop: blocking.AccessPoint) -> None:
    properties = {"s": "größe", "i": 1 << 60, "d": 2.5, "b": True, "x": b"\xff"}
    with shop.create_producer() as producer:
        sent = producer.send(producer.create_message("q", b"\x00", message_key="k", properties=properties))
    with shop.create_pull_consumer("q", group="g") as consumer:
        message = consumer.receive(timeout=5)
        assert message is not None
        assert (message.data, message.message_key, dict(message.properties)) == (b"\x00", "k", properties)
        assert (message.message_id, message.offset, message.delivery_count) == (sent.message_id, 0, 1)
        message.ack()


def test_what_is_not_acknowledged_comes_again_after_a_restart(shop: blocking.AccessPoint) -> None:
    with shop.create_producer() as producer:
        producer.send([producer.create_message("q", b"%d" % number) for number in range(10)])
    with shop.create_pull_consumer("q", group="g", invisible_time=1.0) as consumer:
        consumer.ack(consumer.batch_receive(5, timeout=5)[:3])
    shop.close()
    with blocking.connect(URL, ATTRIBUTES) as again:
        with again.create_pull_consumer("q", group="g") as consumer:
            left: set[int] = set()
            while len(left) < 7:
                left.update(int(message.data) for message in consumer.batch_receive(10, timeout=5))
            assert left == set(range(3, 10))
        assert again.resource_manager().describe_group("q", "g").lag == 7


def test_workers_share_and_a_lease_that_ends_gives_its_messages_to_others(shop: blocking.AccessPoint) -> None:
    with shop.create_producer() as producer:
        producer.send([producer.create_message("q", b"%d" % number) for number in range(4)])
    common = {"queue": "q", "group": "g", "prefetch": 0}
    with shop.create_pull_consumer(**common, invisible_time=30) as one:
        kept = one.batch_receive(2, timeout=5)
        with shop.create_pull_consumer(**common) as other:
            assert {message.data for message in other.batch_receive(4, timeout=5)}.isdisjoint({m.data for m in kept})
            kept[0].extend(0.01)
            again = other.receive(timeout=5)
            assert again is not None
            assert again.delivery_count == 2
            with pytest.raises(OMSRuntimeException, match="1418"):
                one.ack(kept)


def test_queues(shop: blocking.AccessPoint) -> None:
    manager = shop.resource_manager()
    manager.create_queue("q")
    for wrong, code in ((lambda: manager.create_queue("q"), 1406), (lambda: manager.create_queue("p", 2), 1418)):
        with pytest.raises(OMSRuntimeException) as caught:
            wrong()
        assert caught.value.code == code
    assert manager.list_queues() == {"default://q"}
    manager.delete_queue("q")
    with pytest.raises(OMSRuntimeException, match="1404"):
        manager.describe_queue("q")


async def pushing() -> None:
    async with oms.connect(URL, ATTRIBUTES) as access_point:
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        async with access_point.create_push_consumer("g") as consumer:
            await consumer.bind_queue("q", lambda message, _: arrived.put_nowait(message.data))
            async with access_point.create_producer() as producer:
                await producer.send(producer.create_message("q", b"hello"))
            assert await asyncio.wait_for(arrived.get(), 5) == b"hello"
        found = [m.data async for m in access_point.resource_manager().browse("q")]
        assert found == [b"hello"]


def test_listeners_and_browsing() -> None:
    asyncio.run(pushing())


def test_what_it_cannot_do_is_refused(shop: blocking.AccessPoint) -> None:
    with pytest.raises(OMSUnsupportException, match="order"):
        shop.create_pull_consumer("q", group="g", order="key").startup()
    with pytest.raises(OMSUnsupportException, match="peek"):
        shop.resource_manager().peek("q", "g")
