import asyncio

from openmessaging.model.batch import KEYED
from openmessaging.model.errors import error
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Durability, Placement
from openmessaging.runtime.open_batch import OpenBatch
from openmessaging.runtime.outgoing import ANYWHERE
from openmessaging.runtime.result import SentOrigin


def filled(*partitions: int | None) -> OpenBatch:
    batch = OpenBatch("default://q")
    for partition in partitions:
        record = Record(b"xx", None if partition is None else "k", None, partition and {"partition": partition})
        batch.records.append(record)
        batch.messages.append(Message(record, "q"))
        batch.futures.append(asyncio.get_running_loop().create_future())
        batch.size += 2
        batch.directed |= partition is not None
    return batch


async def test_split_refuses_only_what_is_wrong() -> None:
    batch = filled(None, 1, 9, 1)
    batch.futures[3].cancel()
    refused: list[int] = []
    parts = batch.split(2, refused.append)
    assert {partition: part.size for partition, part in parts.items()} == {ANYWHERE: 2, (1, False, None): 4}
    assert refused == [2]
    assert batch.futures[2].exception().field == "partition"
    batches = parts[1, False, None], parts[ANYWHERE], filled(None)
    assert [each.attributes for each in batches] == [KEYED, 0, 0]


async def test_stored_and_failed_reach_all_that_still_wait() -> None:
    batch = filled(None, None)
    batch.futures[0].cancel()
    batch.stored(SentOrigin("q", 1, "h", 2, 3), Placement(0, 50, 6, Durability.FSYNC))
    assert batch.futures[1].result().offset == 51
    assert [message.offset for message in batch.messages] == [50, 51]
    failing = filled(None, None)
    failing.futures[0].cancel()
    failing.fail(error(1501, "no"))
    assert failing.futures[1].exception().code == 1501
