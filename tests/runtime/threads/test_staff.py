# Generated from tests/runtime/aio/test_staff.py by scripts/unasync.py: change that file instead.
"""The workers of a service, fed by a queue and by hand."""

from time import monotonic

from openmessaging.blocking import connect
from openmessaging.model.mail import Handed
from openmessaging.model.message import Record
from openmessaging.model.spi import GroupConfig, SubscriptionSpec
from openmessaging.runtime.threads.primitives import Event, Task, sleep
from openmessaging.runtime.threads.staff import Staff


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

    def __enter__(self):
        self.access_point.__enter__()
        self.producer = self.access_point.create_producer()
        self.producer.start()
        driver = self.access_point.get_driver()
        self.subscription = driver.subscribe(SubscriptionSpec("default://q", "g", GroupConfig()))
        self.staff = Staff(self.subscription, self.concurrency, self.serve)
        self.staff.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self.staff.stop()
        end = monotonic() + 5
        self.staff.join(lambda: end - monotonic())
        self.staff.dismiss()
        self.subscription.close()
        self.access_point.__exit__(None, None, None)

    def serve(self, job, waits) -> None:
        self.begun.append(job.record.data)
        self.changed.set()
        self.go.wait()
        self.ended.append(job.record.data)
        self.changed.set()

    def send(self, *bodies: bytes) -> None:
        self.producer.send([self.producer.create_message("q", body) for body in bodies])

    def until(self, seen: list[bytes], count: int) -> None:
        end = monotonic() + 5
        while len(seen) < count and monotonic() < end:
            self.changed.clear()
            if len(seen) < count:
                self.changed.wait_within(0.05)
        assert len(seen) == count


def test_what_lies_in_the_queue_is_served_side_by_side_up_to_the_concurrency(memory: str) -> None:
    with Shop(memory, 2) as shop:
        shop.send(b"1", b"2", b"3", b"4")
        shop.until(shop.begun, 2)
        assert shop.staff.offer() is None
        sleep(0.05)
        assert len(shop.begun) == 2
        shop.go.set()
        shop.until(shop.ended, 4)
        assert sorted(shop.ended) == [b"1", b"2", b"3", b"4"]


def test_who_is_free_takes_what_is_handed_over_and_the_queue_gets_the_rest(memory: str) -> None:
    with Shop(memory, 2) as shop:
        for number in range(2):
            end = monotonic() + 5
            take = None
            while take is None and monotonic() < end:
                take = shop.staff.offer()
                sleep(0.001)
            take(handed(number))
        shop.until(shop.begun, 2)
        assert shop.staff.offer() is None
        shop.send(b"2")
        sleep(0.05)
        assert len(shop.begun) == 2
        shop.go.set()
        shop.until(shop.ended, 3)


def test_nothing_begins_once_it_is_stopped_and_what_was_fetched_is_left(memory: str) -> None:
    with Shop(memory, 1) as shop:
        shop.send(b"1", b"2")
        shop.until(shop.begun, 1)
        shop.staff.stop()
        assert shop.staff.offer() is None
        stopping = Task(shop.staff.join, lambda: 5.0)
        shop.go.set()
        assert stopping.join(5)
        assert shop.ended == [b"1"]
