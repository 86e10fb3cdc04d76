"""A driver that has only a part of the SPI."""

import asyncio
from collections.abc import Sequence

import pytest

from openmessaging.drivers.partial import Outcome, PartialDriver
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Durability, OutgoingBatch, Placement


class Heap(PartialDriver):
    """Stores nothing, and says what it was given."""

    capabilities = frozenset()
    max_body_bytes = 100

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        self.puts.append([batch.destination for batch in batches])
        await self.gate.wait()
        if any(batch.destination == "crash" for batch in batches):
            raise ZeroDivisionError("within")
        return [
            error(1404, "gone") if batch.destination == "gone" else Placement(0, at, 1, Durability.MEMORY)
            for at, batch in enumerate(batches)
        ]

    async def disconnect(self) -> None:
        self.puts.append(["disconnected"])


def batch(name: str) -> OutgoingBatch:
    return OutgoingBatch(name, None, encode_own([Record(b"x", None, None, {"bornTimestamp": 1})], 1))


async def sending() -> None:
    heap = Heap()
    heap.gate.clear()
    first = asyncio.ensure_future(heap.send([batch("a"), batch("b")]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    heap.soon(lambda: heap.submit(batch("c"), lambda *_: None))
    second = asyncio.ensure_future(heap.send([batch("d")]))
    await asyncio.sleep(0)
    heap.gate.set()
    assert [each.base_offset for each in await first] == [0, 1]
    await second
    assert [sorted(names) for names in heap.puts] == [["a", "b"], ["c", "d"]]
    await heap.close()
    assert heap.puts[-1] == ["disconnected"]
    with pytest.raises(OMSRuntimeException, match="1503"):
        await heap.send([batch("a")])


def test_what_arrives_during_a_put_shares_the_next() -> None:
    asyncio.run(sending())


async def failing() -> None:
    heap = Heap()
    results = await asyncio.gather(heap.send([batch("gone")]), heap.send([batch("a")]), return_exceptions=True)
    assert isinstance(results[0], OMSRuntimeException)
    assert results[0].code == 1404
    assert isinstance(results[1], list)
    with pytest.raises(OMSRuntimeException, match=r"1500.*ZeroDivisionError: within"):
        await heap.send([batch("crash")])


def test_each_batch_fails_by_itself_and_foreign_errors_have_a_code() -> None:
    asyncio.run(failing())


async def refusing() -> None:
    heap = Heap()
    with pytest.raises(OMSUnsupportException, match="cancel_delayed"):
        await heap.cancel_delayed("q", "id")
    with pytest.raises(AttributeError):
        heap.no_method_of_the_interface  # noqa: B018
    assert heap.send_now(batch("a")) is None


def test_what_it_does_not_define_is_refused() -> None:
    asyncio.run(refusing())
