"""The outbox of the asyncio face: batches by turn, bounded bytes, time limits, drivers that answer later."""

import asyncio

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException, OMSTimeOutException, error
from openmessaging.model.message import Message, Record
from openmessaging.runtime.aio.outbox import Outbox
from openmessaging.runtime.outgoing import Packer
from tests.runtime.wrapping import Distant


class Case:
    """An outbox over a distant driver over a store in memory."""

    def __init__(self, url: str, *, linger: float = 0.0, buffer_bytes: int = 1000, timeout: float = 5.0) -> None:
        self._access_point = connect(url)
        self._settings = (linger, 400, buffer_bytes, timeout)

    async def __aenter__(self) -> "Case":
        self.driver = Distant(await self._access_point.get_driver())
        self.outbox = Outbox(self.driver, Packer("default", "none"), *self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.driver.gate.set()
        await self.outbox.flush()
        self.outbox.close()
        await self._access_point.close()

    async def stored(self, queue: str = "q") -> int:
        return (await self._access_point.resource_manager().describe_queue(queue)).messages


def message(size: int = 10, **fields: object) -> Message:
    made = Message(Record(b"x" * size), "q")
    for name, value in fields.items():
        made.set_header(name, value)
    return made


async def test_sends_of_one_turn_share_a_batch(memory: str) -> None:
    async with Case(memory) as case:
        results = await asyncio.gather(*[case.outbox.put(message()) for _ in range(20)])
        assert len({id(result.origin) for result in results}) == 1
        assert [result.offset for result in results] == list(range(20))
        alone = await case.outbox.put(message())
        assert alone.origin is not results[0].origin


async def test_a_full_batch_goes_at_once_and_a_linger_collects(memory: str) -> None:
    async with Case(memory, linger=0.01, buffer_bytes=10_000) as case:
        first = case.outbox.submit(message())
        await asyncio.sleep(0)
        second = case.outbox.submit(message())
        assert (await first).origin is (await second).origin
        big = [case.outbox.submit(message(150)) for _ in range(3)]
        later = case.outbox.submit(message())
        assert len({id((await future).origin) for future in big}) == 1
        assert (await later).origin is not (await big[0]).origin


async def test_a_full_buffer_makes_send_wait_in_line_and_refuses_submit(memory: str) -> None:
    async with Case(memory, buffer_bytes=100) as case:
        case.driver.gate.clear()
        first = asyncio.ensure_future(case.outbox.put(message(80)))
        waiting = [asyncio.ensure_future(case.outbox.put(message(60))) for _ in range(3)]
        many = asyncio.ensure_future(case.outbox.put_many([message(50), message(50)]))
        await asyncio.sleep(0.01)
        refused = case.outbox.submit(message(60))
        with pytest.raises(OMSRuntimeException) as caught:
            await refused
        assert caught.value.code == 1502
        waiting[1].cancel()
        case.driver.gate.set()
        results = [await first, await waiting[0], await waiting[2]]
        assert [result.offset for result in results[:2]] == [0, 1]
        assert len(await many) == 2
        assert await case.stored() == 5


async def test_no_room_in_time_and_no_answer_in_time(memory: str) -> None:
    async with Case(memory, buffer_bytes=100, timeout=0.05) as case:
        case.driver.gate.clear()
        first = asyncio.ensure_future(case.outbox.put(message(80)))
        await asyncio.sleep(0.02)
        with pytest.raises(OMSTimeOutException, match="no room"):
            await case.outbox.put(message(60))
        with pytest.raises(OMSTimeOutException, match="no answer") as caught:
            await first
        assert caught.value.indefinite
        case.driver.gate.set()
        await case.outbox.flush()
        case.driver.gate.clear()
        with pytest.raises(OMSTimeOutException, match="no answer"):
            await case.outbox.put_many([message()])
        assert await case.stored() == 1


async def test_a_count_of_partitions_that_comes_later_keeps_the_order(memory: str) -> None:
    async with Case(memory) as case:
        await case.driver.create_queue("default://q", 4, {})
        futures = [case.outbox.submit(message(messageKey=f"k{number % 5}")) for number in range(10)]
        await asyncio.sleep(0)
        futures += [case.outbox.submit(message(messageKey=f"k{number % 5}")) for number in range(10)]
        wrong = case.outbox.submit(message(partition=4))
        await case.outbox.flush()
        results = [await future for future in futures]
        for key in range(5):
            mine = [result for number, result in enumerate(results) if number % 5 == key]
            assert len({result.partition for result in mine}) == 1
            assert [result.offset for result in mine] == sorted(result.offset for result in mine)
        with pytest.raises(OMSRuntimeException, match="partition 4"):
            await wrong
        assert case.driver.counted == 1
        assert len(await case.outbox.put_many([message(messageKey="a"), message(messageKey="b")])) == 2


@pytest.mark.parametrize("size", [0, 10])
async def test_a_flush_waits_for_the_answer_to_an_empty_message_too(memory: str, size: int) -> None:
    async with Case(memory) as case:
        case.driver.gate.clear()
        future = case.outbox.submit(message(size))
        flushing = asyncio.ensure_future(case.outbox.flush())
        await asyncio.wait([flushing], timeout=0.05)
        assert not flushing.done()
        case.driver.gate.set()
        await flushing
        assert future.done()


async def test_failures_reach_every_sender(memory: str) -> None:
    async with Case(memory) as case:
        case.driver.fail = error(1501, "the disk is full")
        plain = [case.outbox.submit(message()) for _ in range(2)]
        await case.outbox.flush()
        keyed = [case.outbox.submit(message(messageKey="k")) for _ in range(2)]
        await case.outbox.flush()
        for future in plain + keyed:
            with pytest.raises(OMSRuntimeException, match="disk is full"):
                await future
        failing = case.outbox.submit_many([message()])
        with pytest.raises(OMSRuntimeException, match="disk is full"):
            await failing
        case.driver.fail = None
        assert (await case.outbox.put(message())).offset == 0


async def test_a_driver_that_raises_at_once(memory: str) -> None:
    async with Case(memory) as case:
        real = case.driver.partition_count
        case.driver.partition_count = _raises  # type: ignore[method-assign]
        with pytest.raises(OMSRuntimeException, match="gone"):
            await case.outbox.put(message(messageKey="k"))
        case.driver.partition_count = real  # type: ignore[method-assign]
        case.driver.submit = lambda batch, _: _raises(batch)  # type: ignore[method-assign,assignment]
        with pytest.raises(OMSRuntimeException, match="gone"):
            await case.outbox.put(message())


async def test_without_atomic_batches_a_list_over_queues_is_refused(memory: str) -> None:
    async with Case(memory) as case:
        case.driver.capabilities = frozenset()
        with pytest.raises(OMSRuntimeException, match="whole"):
            await case.outbox.put_many([message(), Message(Record(b""), "other")])


def _raises(_: object) -> object:
    raise error(1404, "gone")


async def test_a_lone_sender_gets_its_result_in_order_with_what_it_sent_before(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        offsets = [(await producer.send(message())).offset for _ in range(20)]
        before = producer.send_async(message())
        offsets += [before.result().offset for _ in [await producer.send(message())]]
        offsets += [result.offset for result in await asyncio.gather(*[producer.send(message()) for _ in range(5)])]
        last = message()
        offsets.append((await producer.send(last)).offset)
        assert offsets == [*range(21), *range(22, 28)]
        assert (last.offset, last.partition) == (27, 0)
        for _ in range(20):
            await producer.send(message())
        with pytest.raises(OMSRuntimeException, match="1405"):
            await producer.send(Message(Record(b""), "none://q"))
        assert (await producer.send(message())).offset == 48


async def test_lone_senders_let_others_have_their_turn(memory: str) -> None:
    async with connect(memory) as access_point, access_point.create_producer() as producer:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        for _ in range(100):
            await producer.send(message())
        other.cancel()
        assert turns >= 99
