"""Prepared messages: invisible until decided; checks; what a restart and a snapshot keep."""

import pytest

from openmessaging.broker import prepared
from openmessaging.broker.draft import Limits
from openmessaging.broker.entry import Checked, Decide, Entry
from openmessaging.broker.hall import MAX_DECIDED
from openmessaging.model.errors import OMSTransactionException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.transaction import Preparation, TransactionCheck
from tests.broker.harness import QUEUE, Broker, code_of, offsets

TIMES = TransactionCheck(first=6, interval=30, limit=2, expire=3_600)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def prepare(broker: Broker, name: str, times: TransactionCheck = TIMES, **where) -> None:
    batch = OutgoingBatch(where.get("queue", QUEUE), where.get("partition"), broker.batch(name))
    broker.do(prepared.decide_prepare(broker.engine, broker.now, Preparation(batch, name, "shop", times)))


def end(broker: Broker, name: str, commit: bool) -> None:
    entry = prepared.decide_end(broker.engine, broker.now, name, commit)
    if entry is not None:
        broker.do(entry)


def checks(broker: Broker, producer: str = "shop") -> list[str]:
    entry = prepared.decide_checks(broker.engine, broker.now, producer, 10)
    broker.do(entry)
    return [each.transaction_id for each in entry.operations]


def test_a_commit_makes_it_visible_and_a_rollback_drops_it(broker: Broker) -> None:
    prepare(broker, "a")
    prepare(broker, "b")
    group = broker.join()
    assert broker.receive(group) == []
    end(broker, "a", True)
    end(broker, "b", False)
    (lease,) = broker.receive(group)
    assert offsets([lease]) == [0]
    assert broker.contents.message(lease.partition_id, 0)[2].data == b"a"
    assert broker.replayed().snapshot() == broker.engine.snapshot()
    hall = broker.engine.prepared.hall
    assert (hall.end, hall.consumed_before()) == (2, 2)


def test_a_message_without_key_for_a_compacted_queue_is_refused_when_it_is_prepared(broker: Broker) -> None:
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 1, {"compact": True}))
    assert code_of(prepare, broker, "a") == 1418
    assert broker.engine.prepared.waiting == {}
    batch = OutgoingBatch(QUEUE, None, broker.batch(Record(b"b", "k")))
    broker.do(prepared.decide_prepare(broker.engine, broker.now, Preparation(batch, "b", "shop", TIMES)))
    end(broker, "b", True)
    assert broker.engine.queues[QUEUE].partitions[0].end == 1


def test_the_same_again_is_no_error_and_the_opposite_is(broker: Broker) -> None:
    prepare(broker, "a")
    end(broker, "a", True)
    end(broker, "a", True)
    with pytest.raises(OMSTransactionException, match="committed"):
        end(broker, "a", False)
    prepare(broker, "b")
    end(broker, "b", False)
    with pytest.raises(OMSTransactionException, match="rolled back"):
        end(broker, "b", True)
    with pytest.raises(OMSTransactionException, match="not known"):
        end(broker, "c", True)
    assert broker.engine.queues[QUEUE].partitions[0].end == 1
    batch = OutgoingBatch(QUEUE, None, broker.batch("x"))
    again = Preparation(batch, "a", "shop", TIMES)
    assert code_of(prepared.decide_prepare, broker.engine, broker.now, again) == 1418


def test_where_it_goes_is_checked_when_it_is_prepared(broker: Broker) -> None:
    assert code_of(prepare, broker, "a", queue="nowhere://q") == 1405
    assert code_of(prepare, broker, "a", partition=3) == 1418
    broker.engine.limits = Limits(auto_create=False)
    assert code_of(prepare, broker, "a") == 1404
    broker.engine.limits = Limits(max_prepared=1)
    prepare(broker, "a")
    assert code_of(prepare, broker, "b") == 1502


def test_a_queue_that_was_made_anew_with_fewer_partitions_still_gets_it(broker: Broker) -> None:
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 3, {}))
    prepare(broker, "a", partition=2)
    prepare(broker, "b", partition=1)
    broker.do(broker.engine.decide_delete_queue(broker.now, QUEUE))
    end(broker, "a", True)
    end(broker, "b", True)  # the first number that is not there
    assert broker.engine.queues[QUEUE].partitions[0].end == 2


def test_checks_come_at_their_times_and_the_limit_rolls_back(broker: Broker) -> None:
    prepare(broker, "a")
    assert checks(broker) == []
    broker.now += 6_000
    assert checks(broker, "other") == []
    assert checks(broker) == ["a"]
    assert checks(broker) == []
    broker.now += 29_999
    assert checks(broker) == []
    broker.now += 1
    assert checks(broker) == ["a"]
    assert broker.engine.next_deadline() == broker.now + 30_000
    broker.now += 29_999
    assert broker.tick() is None
    broker.now += 1
    assert checks(broker) == []
    assert broker.tick().operations == [Decide("a", False)]
    assert broker.engine.next_deadline() is None
    with pytest.raises(OMSTransactionException, match="rolled back"):
        end(broker, "a", True)


def test_with_nobody_to_ask_it_waits_until_it_expires(broker: Broker) -> None:
    prepare(broker, "a")
    assert broker.engine.next_deadline() == broker.now + 3_600_000
    broker.now += 3_599_999
    assert broker.tick() is None
    broker.now += 1
    assert broker.tick().operations == [Decide("a", False)]


def test_a_snapshot_keeps_who_waits_and_what_was_decided(broker: Broker) -> None:
    for name in "abc":
        prepare(broker, name)
    end(broker, "b", False)
    broker.now += 6_000
    assert checks(broker) == ["a", "c"]
    before = broker.engine.snapshot()
    broker.restart()
    assert broker.engine.snapshot() == before
    end(broker, "b", False)
    assert broker.engine.prepared.hall.consumed_before() == 0
    broker.now += 30_000
    assert checks(broker) == ["a", "c"]
    end(broker, "a", True)
    end(broker, "c", True)
    assert broker.engine.queues[QUEUE].partitions[0].end == 2
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_decisions_are_remembered_to_a_number(broker: Broker) -> None:
    for number in range(MAX_DECIDED + 1):
        prepare(broker, str(number))
        end(broker, str(number), False)
    with pytest.raises(OMSTransactionException, match="not known"):
        end(broker, "0", False)
    end(broker, "1", False)
    broker.do(Entry(broker.now, [Checked("0", 1), Decide("0", True)]))  # nothing waits: nothing happens
    assert broker.engine.prepared.waiting == {}


def test_what_else_a_batch_said_counts_at_the_commit(broker: Broker) -> None:
    batch = OutgoingBatch(QUEUE, None, broker.batch("a"), priority=9)
    broker.do(prepared.decide_prepare(broker.engine, broker.now, Preparation(batch, "a", "shop", TIMES)))
    broker.restart()
    end(broker, "a", True)
    assert list(broker.engine.queues[QUEUE].lanes) == [(0, 9)]


def test_a_hall_where_all_is_decided_is_empty_after_a_restart_too(broker: Broker) -> None:
    prepare(broker, "a")
    end(broker, "a", True)
    prepare(broker, "b")
    end(broker, "b", False)
    broker.restart()
    hall = broker.engine.prepared.hall
    assert hall is not None
    assert (hall.start, hall.end, hall.consumed_before()) == (0, 2, 2)
    prepare(broker, "c")
    assert hall.consumed_before() == 2
