import pytest

from openmessaging.broker.group import MAX_BACKOFF_MS, Group
from openmessaging.broker.queue import Queue
from tests.broker.harness import QUEUE, Broker, config


def group(**settings) -> Group:
    return Group(1, "g", Queue(1, QUEUE, {}), config(**settings), [])


@pytest.mark.parametrize(
    ("attempt", "drawn", "expected"),
    [(1, 0.5, 1_000), (2, 0.5, 3_000), (3, 0.5, 9_000), (4, 0.5, 10_000), (2, 0.0, 1_500), (2, 1.0, 4_500)],
)
def test_backoff_grows_to_its_maximum_and_varies(attempt, drawn, expected):
    assert group(initial=1.0, factor=3.0, maximum=10.0, jitter=0.5).backoff_ms(attempt, drawn) == expected


def test_backoff_of_a_huge_attempt_is_the_maximum():
    assert group(factor=1e6, maximum=7.0).backoff_ms(10_000, 0.5) == 7_000
    assert group(initial=1e12, maximum=1e12).backoff_ms(1, 0.5) == MAX_BACKOFF_MS == 366 * 86_400_000


def test_counts():
    broker = Broker()
    broker.send("0", "1", "2", "3", "4")
    group = broker.join()
    (lease,) = broker.receive(group, 4)
    broker.nack(group, lease.lease_id, [0, 1], 60.0)
    broker.release(group, lease.lease_id, [2])
    assert (group.lag(), group.in_flight(), group.retrying()) == (5, 1, 2)
    assert group.dead_letter_queue == f"{QUEUE}.g.dead-letter"
