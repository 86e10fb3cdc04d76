"""The parts of a receive: leases within the bound, selections, skips."""

from __future__ import annotations

from openmessaging.broker.entry import Lease, Select, Skip
from openmessaging.broker.reception import Reception
from tests.broker.harness import Broker


def test_leases_stop_where_the_bound_says_and_when_enough_is_there() -> None:
    broker = Broker()
    broker.send(*"abcdefgh")
    group = broker.join(invisible_time=2)
    (cursor,) = group.cursors
    reception = Reception(7, group, 1_000, 5, lambda _, __, end: min(end, 6) if end > 3 else end, broker.contents)
    reception.lease(cursor, 0, 3, 0)
    reception.lease(cursor, 3, 8, 1)
    assert reception.operations == [
        Lease(7, group.id, 1, 0, 3, 1, 3_000),
        Lease(8, group.id, 1, 3, 5, 2, 3_000),
    ]
    assert not reception.open


def test_a_selection_is_one_lease() -> None:
    broker = Broker()
    broker.send(*"abcdefgh")
    group = broker.join(invisible_time=2)
    (cursor,) = group.cursors
    reception = Reception(7, group, 1_000, 5, lambda _, __, end: end, broker.contents)
    reception.skip(cursor, [])
    reception.select(cursor, 8, [1, 3, 5, 6])
    assert reception.operations == [Select(7, group.id, 1, 8, [1, 3, 5, 6], 3_000)]
    assert (reception.open, reception.messages) == (True, 2)
    reception.skip(cursor, [(0, 1)])
    assert reception.operations[1:] == [Skip(group.id, 1, [(0, 1)])]
