"""A subscription over a source that hands out messages one by one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from openmessaging.drivers.consuming import ForeignSubscription, Received, check_spec
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException, error
from openmessaging.model.message import Record
from openmessaging.model.spi import Backoff, GroupConfig, SubscriptionSpec


class Script:
    """A source that hands out what a test puts in."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Received] = asyncio.Queue()
        self.told: list[tuple[str, Any]] = []
        self.failure: Exception | None = None
        self.closing = asyncio.Event()

    async def pull(self, maximum: int, wait: float) -> Sequence[Received]:
        getting = asyncio.ensure_future(self.incoming.get())
        closing = asyncio.ensure_future(self.closing.wait())
        await asyncio.wait([getting, closing], timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not getting.done():
            getting.cancel()
            return []
        found = [getting.result()]
        while not self.incoming.empty() and len(found) < maximum:
            found.append(self.incoming.get_nowait())
        return found

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append(("ack", [each.receipt for each in messages]))

    async def give_back(self, messages: Sequence[Received], delay: float, counted: bool) -> None:
        self.told.append(("back", ([each.receipt for each in messages], delay, counted)))

    async def extend(self, messages: Sequence[Received], seconds: float) -> None:
        self.told.append(("extend", [each.receipt for each in messages]))

    async def close(self) -> None:
        self.closing.set()


class Fixture:
    def __init__(self, redelivers: bool = True, **config: Any) -> None:
        backoff = Backoff(initial=2.0, jitter=0.0, max_delivery=3)
        spec = SubscriptionSpec("default://q", "g", GroupConfig(backoff=backoff, **config))
        self.source = Script()
        self.no_grave = False
        self.buried: list[tuple[str, list[Record]]] = []
        self.subscription = ForeignSubscription(self.source, spec, self.bury, redelivers)

    async def bury(self, queue: str, records: list[Record]) -> None:
        if self.no_grave:
            raise error(1404, "nobody takes dead letters")
        self.buried.append((queue, records))

    def arrive(self, *attempts: int) -> None:
        for number, attempt in enumerate(attempts):
            self.source.incoming.put_nowait(Received(Record(b"%d" % number), number, attempt))


async def settling() -> None:
    it = Fixture()
    it.arrive(1, 1, 2, 1)
    deliveries = await it.subscription.fetch(10, 1 << 20, 1.0)
    assert [(each.first, each.last, each.attempt) for each in deliveries] == [(0, 2, 1), (0, 1, 2), (0, 1, 1)]
    assert len({each.lease_id for each in deliveries}) == 1
    lease, base = deliveries[0].lease_id, deliveries[0].base_offset
    it.subscription.ack(lease, [base, base + 1])
    it.subscription.ack(lease, [base])  # again is no error
    it.subscription.nack(lease, [base + 2], None, "broken")
    it.subscription.release(lease, None)
    await it.subscription.flush()
    assert it.source.told == [("ack", [0, 1]), ("back", ([2], 4.0, True)), ("back", ([3], 0.0, False))]
    with pytest.raises(OMSRuntimeException, match="1418"):
        it.subscription.ack(lease, None)
    await it.subscription.close()


def test_messages_are_settled_under_leases() -> None:
    asyncio.run(settling())


async def dying() -> None:
    it = Fixture()
    it.arrive(3, 1)
    last, first = await it.subscription.fetch(10, 1 << 20, 1.0)
    it.subscription.nack(last.lease_id, [last.base_offset], None, "broken")
    it.subscription.reject(first.lease_id, [first.base_offset], "never")
    await it.subscription.flush()
    assert [queue for queue, _ in it.buried] == ["default://q.g.dead-letter"] * 2
    facts = it.buried[0][1][0].properties or {}
    assert (facts["dead-letter.reason"], facts["dead-letter.delivery-count"]) == ("broken", 3)
    assert it.source.told == [("ack", [0]), ("ack", [1])]
    await it.subscription.close()


def test_the_last_delivery_makes_a_dead_letter() -> None:
    asyncio.run(dying())


async def failing() -> None:
    it = Fixture()
    it.arrive(1)
    (delivery,) = await it.subscription.fetch(10, 1 << 20, 1.0)
    it.source.failure = error(1503, "gone")
    it.subscription.ack(delivery.lease_id, None)
    with pytest.raises(OMSRuntimeException, match="1503"):
        await it.subscription.flush()
    await it.subscription.flush()
    await it.subscription.close()


def test_a_settlement_that_failed_is_told_by_flush_once() -> None:
    asyncio.run(failing())


async def cancelling() -> None:
    it = Fixture()
    fetching = asyncio.ensure_future(it.subscription.fetch(10, 1 << 20, 30.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fetching.cancel()
    it.arrive(1, 1)
    (delivery,) = await it.subscription.fetch(1, 1 << 20, 1.0)
    assert delivery.last == 1
    await it.subscription.close()
    assert it.source.told in ([("back", ([1], 0.0, False))], [])


def test_a_cancelled_fetch_loses_nothing() -> None:
    asyncio.run(cancelling())


async def expiring(redelivers: bool) -> list[tuple[str, Any]]:
    it = Fixture(redelivers, invisible_time=0.05)
    it.arrive(1)
    (delivery,) = await it.subscription.fetch(1, 1 << 20, 1.0)
    assert it.subscription.extend(delivery.lease_id, 0.02)
    over = asyncio.Event()
    it.subscription._loop.call_later(0.1, over.set)
    await over.wait()
    with pytest.raises(OMSRuntimeException, match="1418"):
        it.subscription.ack(delivery.lease_id, None)
    await it.subscription.flush()
    await it.subscription.close()
    return it.source.told


def test_an_expired_lease_is_over_and_goes_back_where_the_system_does_not_do_it() -> None:
    assert asyncio.run(expiring(redelivers=True)) == [("extend", [0])]
    assert asyncio.run(expiring(redelivers=False)) == [("extend", [0]), ("back", ([0], 0.0, True))]


def test_what_a_driver_cannot_do_is_refused() -> None:
    spec = SubscriptionSpec("default://q", "g", GroupConfig(order="key"))
    check_spec(spec, order=True)
    with pytest.raises(OMSUnsupportException, match="order"):
        check_spec(spec)


async def wearing_out() -> None:
    it = Fixture()
    it.arrive(4, 3)
    (delivery,) = await it.subscription.fetch(10, 1 << 20, 1.0)
    assert (delivery.attempt, delivery.last) == (3, 1)
    await it.subscription.flush()
    ((queue, (dead,)),) = it.buried
    assert queue == "default://q.g.dead-letter"
    assert (dead.properties or {})["dead-letter.delivery-count"] == 4
    assert it.source.told == [("ack", [0])]
    await it.subscription.close()


def test_what_takes_down_every_consumer_becomes_a_dead_letter() -> None:
    asyncio.run(wearing_out())


async def waiting_too_long(redelivers: bool) -> int:
    it = Fixture(redelivers, invisible_time=0.05)
    it.arrive(1, 1)
    await it.subscription.fetch(10, 1, 1.0)
    over = asyncio.Event()
    it.subscription._loop.call_later(0.1, over.set)
    await over.wait()
    left = await it.subscription.fetch(1, 1 << 20, 0.0)
    await it.subscription.close()
    return len(left)


def test_what_was_not_asked_for_within_its_lease_is_another_consumers() -> None:
    assert asyncio.run(waiting_too_long(redelivers=True)) == 0
    assert asyncio.run(waiting_too_long(redelivers=False)) == 1


async def losing() -> None:
    it = Fixture(redelivers=False)
    it.arrive(1, 1, 1)
    (delivery,) = await it.subscription.fetch(10, 1 << 20, 1.0)
    lease, base = delivery.lease_id, delivery.base_offset
    it.arrive(1)
    (other,) = await it.subscription.fetch(10, 1 << 20, 1.0)
    it.arrive(1, 1)
    (third,) = await it.subscription.fetch(1, 1 << 20, 1.0)  # the second waits
    it.subscription.lose(lambda message: message.receipt == 1 and message.record.data == b"1")
    it.subscription.ack(lease, [base])
    for offsets in ([base + 1], [base + 1, base + 2], None):
        with pytest.raises(OMSRuntimeException, match="went to another consumer") as gone:
            it.subscription.ack(lease, offsets)
        assert gone.value.code == 1418
    it.subscription.ack(lease, [base + 2])
    it.subscription.lose(lambda message: True)
    for whole in (other, third):
        with pytest.raises(OMSRuntimeException, match="is over"):
            it.subscription.ack(whole.lease_id, None)
    await it.subscription.flush()
    assert it.source.told == [("ack", [0]), ("ack", [2])] or it.source.told == [("ack", [0, 2])]
    await it.subscription.close()


def test_what_the_system_takes_away_cannot_be_settled() -> None:
    asyncio.run(losing())


async def having_no_grave(redelivers: bool) -> list[tuple[str, Any]]:
    it = Fixture(redelivers)
    it.no_grave = True
    it.arrive(1)
    (delivery,) = await it.subscription.fetch(1, 1 << 20, 1.0)
    it.subscription.reject(delivery.lease_id, None, "never")
    with pytest.raises(OMSRuntimeException, match="1404"):
        await it.subscription.flush()
    await it.subscription.close()
    return it.source.told


def test_a_dead_letter_that_nobody_takes_is_not_acknowledged() -> None:
    assert asyncio.run(having_no_grave(redelivers=True)) == []
    assert asyncio.run(having_no_grave(redelivers=False)) == [("back", ([0], 2.0, False))]
