"""The workers of a service, fed by a queue and by hand."""

from time import monotonic

from openmessaging import connect
from openmessaging.model.mail import Handed
from openmessaging.model.message import Record
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.runtime.aio.primitives import Event, Task, sleep
from openmessaging.runtime.aio.staff import Staff


def handed(number: int) -> Handed:
    return Handed("default://q", 0, Record(b"%d" % number), "id", "box", 0, 0, 1, "host", 1, number)


class Shop:
    """A staff that serves a queue, and holds what it serves until `go` is set."""

    def __init__(self, url: str, concurrency: int) -> None:
        self.access_point = connect(url)
        self.concurrency = concurrency
        self.begun: list[bytes] = []
        self.ended: list[bytes] = []
        self.changed = Event()
        self.go = Event()

    async def __aenter__(self):
        await self.access_point.__aenter__()
        self.producer = self.access_point.create_producer()
        await self.producer.start()
        driver = await self.access_point.get_driver()
        self.subscription = await driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        self.staff = Staff(self.subscription, self.concurrency, self.serve)
        self.staff.start()
        return self

    async def __aexit__(self, *_):
        self.go.set()
        self.staff.stop()
        end = monotonic() + 5
        await self.staff.join(lambda: end - monotonic())
        await self.staff.dismiss()
        await self.subscription.close()
        await self.access_point.__aexit__(None, None, None)

    async def serve(self, job, waits) -> None:
        self.begun.append(job.record.data)
        self.changed.set()
        await self.go.wait()
        self.ended.append(job.record.data)
        self.changed.set()

    async def send(self, *bodies: bytes) -> None:
        await self.producer.send([self.producer.create_message("q", body) for body in bodies])

    async def until(self, seen: list[bytes], count: int) -> None:
        end = monotonic() + 5
        while len(seen) < count and monotonic() < end:
            self.changed.clear()
            if len(seen) < count:
                await self.changed.wait_within(0.05)
        assert len(seen) == count


async def test_what_lies_in_the_queue_is_served_side_by_side_up_to_the_concurrency(memory: str) -> None:
    async with Shop(memory, 2) as shop:
        await shop.send(b"1", b"2", b"3", b"4")
        await shop.until(shop.begun, 2)
        assert shop.staff.offer() is None
        await sleep(0.05)
        assert len(shop.begun) == 2
        shop.go.set()
        await shop.until(shop.ended, 4)
        assert sorted(shop.ended) == [b"1", b"2", b"3", b"4"]


async def test_who_is_free_takes_what_is_handed_over_and_the_queue_gets_the_rest(memory: str) -> None:
    async with Shop(memory, 2) as shop:
        for number in range(2):
            end = monotonic() + 5
            take = None
            while take is None and monotonic() < end:
                take = shop.staff.offer()
                await sleep(0.001)
            take(handed(number))
        await shop.until(shop.begun, 2)
        assert shop.staff.offer() is None
        await shop.send(b"2")
        await sleep(0.05)
        assert len(shop.begun) == 2
        shop.go.set()
        await shop.until(shop.ended, 3)


async def test_nothing_begins_once_it_is_stopped_and_what_was_fetched_is_left(memory: str) -> None:
    async with Shop(memory, 1) as shop:
        await shop.send(b"1", b"2")
        await shop.until(shop.begun, 1)
        shop.staff.stop()
        assert shop.staff.offer() is None
        stopping = Task(shop.staff.join, lambda: 5.0)
        shop.go.set()
        assert await stopping.join(5)
        assert shop.ended == [b"1"]
