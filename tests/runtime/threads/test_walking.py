# Generated from tests/runtime/aio/test_walking.py by scripts/unasync.py: change that file instead.
"""Going through a partition forwards and backwards, on both faces: every message once, whatever the batches."""

import pytest

from openmessaging.blocking import connect
from openmessaging.runtime.threads import walking
from openmessaging.runtime.threads.walking import before, between

QUEUE = "default://letters"
SIZES = (1, 1, 60, 1, 49, 50, 51, 1, 1, 1, 200, 3)


def fill(access_point: object, sizes: tuple[int, ...] = SIZES) -> int:
    """Batches of these sizes, bodies counted up; how many there are."""
    count = 0
    with access_point.create_producer() as producer:
        for size in sizes:
            create = producer.create_message
            producer.send([create("letters", b"%d" % number) for number in range(count, count + size)])
            count += size
    return count


def backwards(driver: object, end: int) -> list[int]:
    found = []
    for messages in before(driver, QUEUE, 0, end):
        assert messages
        found += [int(message.data) for message in messages]
    return found


def forwards(driver: object, start: int, end: int) -> list[int]:
    found = []
    for messages in between(driver, QUEUE, 0, start, end):
        found += [int(message.data) for message in messages]
    return found


@pytest.mark.parametrize("at_once", [500, 60, 7])
def test_every_message_once(memory: str, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(walking, "READ_MESSAGES", at_once)
    with connect(memory) as access_point:
        count = fill(access_point)
        driver = access_point.get_driver()
        for end in (count, count - 1, count - 3, 62, 61, 3, 1, 0):
            assert backwards(driver, end) == list(range(end))[::-1]
            for start in (0, 1, 62, count):
                assert forwards(driver, start, end) == list(range(start, end))


def test_the_beginning_of_what_is_left(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, (300, 1, 1))
        manager = access_point.resource_manager()
        manager.purge_queue("letters")
        driver = access_point.get_driver()
        assert backwards(driver, 302) == []
        fill(access_point, (1, 2))
        assert backwards(driver, 305) == [2, 1, 0]
        assert backwards(driver, 304) == [1, 0]


def test_messages_sent_one_by_one_are_read_many_at_a_time(memory: str) -> None:
    with connect(memory) as access_point:
        fill(access_point, (1,) * 600)
        driver = access_point.get_driver()
        steps = [len(messages) for messages in before(driver, QUEUE, 0, 600)]
        assert steps == [501, 99]
