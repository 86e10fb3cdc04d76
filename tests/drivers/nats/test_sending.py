"""Batches into streams: whole, and once however often they are sent."""

import asyncio

from openmessaging.drivers.nats.sending import Sender
from openmessaging.model.batch import encode_own
from openmessaging.model.message import Record
from openmessaging.model.spi import Durability, OutgoingBatch, Placement
from openmessaging.testing.servers import Nats
from tests.drivers.nats.test_driver import connect


def batch(queue: str, count: int, size: int = 1) -> OutgoingBatch:
    records = [
        Record(b"x" * size, headers={"messageId": f"{at:032x}", "bornTimestamp": 1_000, "bornHost": "h"})
        for at in range(count)
    ]
    return OutgoingBatch(f"default://{queue}", 0, encode_own(records, 1_000))


async def again(server: Nats, queue: str) -> None:
    """As after a connection that broke before the answer."""
    async with connect(server) as access_point:
        driver = await access_point.get_driver()
        first = await driver.put([batch(queue, 700), batch(queue, 600), batch(queue, 1)])
        assert [(each.base_offset, each.durability) for each in first] == [
            (1, Durability.FSYNC),
            (701, Durability.FSYNC),
            (1301, Durability.FSYNC),
        ]
        sender = Sender(driver._connection, driver._streams, False)
        sender._prefix = driver._sender._prefix  # the same ids again
        second = await sender.put([batch(queue, 700), batch(queue, 600), batch(queue, 1)])
        offsets = [each.base_offset for each in second if isinstance(each, Placement)]
        assert offsets[0] == 1
        assert [each.durability for each in second if isinstance(each, Placement)] == [Durability.MEMORY] * 3
        assert (await driver.describe_queue(f"default://{queue}")).messages <= 1_302


def test_what_is_sent_again_is_stored_once(server: Nats, queue: str) -> None:
    asyncio.run(again(server, queue))


async def apart(server: Nats, queue: str) -> None:
    async with connect(server) as access_point:
        driver = await access_point.get_driver()
        good, large, other = batch(queue, 2), batch(queue, 1, 1 << 20), batch(f"{queue}-other", 3)
        outcomes = await driver.put([good, large, batch(queue, 2), other])
        assert isinstance(outcomes[0], Placement)
        assert outcomes[1].code == 1413
        assert [outcomes[2].base_offset, outcomes[3].base_offset] == [3, 1]
        await driver.delete_queue(f"default://{queue}")
        (placed,) = await driver.put([batch(queue, 2)])
        assert placed.base_offset == 1, "the queue was made again"


def test_each_batch_is_stored_or_refused_by_itself(server: Nats, queue: str) -> None:
    asyncio.run(apart(server, queue))


async def deleted_behind_its_back(server: Nats, queue: str) -> None:
    async with connect(server) as access_point, connect(server) as other:
        driver = await access_point.get_driver()
        await driver.put([batch(queue, 1)])
        await other.resource_manager().delete_queue(queue)
        for count in (1, 2):
            (placed,) = await driver.put([batch(queue, count)])
            assert isinstance(placed, Placement)


def test_a_queue_that_another_deleted_is_made_again(server: Nats, queue: str) -> None:
    asyncio.run(deleted_behind_its_back(server, queue))
