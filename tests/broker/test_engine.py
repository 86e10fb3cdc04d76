import pytest

from openmessaging.broker import engine as module
from openmessaging.broker.draft import Limits
from openmessaging.broker.entry import Entry, Extend, Lease, Retry, Settle
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import OutgoingBatch
from tests.broker.harness import QUEUE, Broker, code_of, offsets


def test_send_makes_the_queue_once():
    broker = Broker()
    assert len(broker.send("0").operations) == 1
    entry = broker.send("1", "2")
    assert entry.operations == ()
    assert (entry.placed[0].base_offset, entry.placed[0].count) == (1, 2)


def test_send_takes_partitions_in_turn():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    assert [broker.send("x").placed[0].partition_id for _ in range(4)] == [2, 1, 2, 1]
    assert broker.send("x", partition=1).placed[0].partition_id == 2
    for bad in (2, -1):
        assert code_of(broker.send, "x", partition=bad) == 1418


def test_send_to_several_queues_is_one_entry():
    broker = Broker()
    batches = [OutgoingBatch(f"default://{name}", None, broker.batch(name)) for name in "aba"]
    broker.do(broker.engine.decide_send(0, batches))
    assert [queue.partitions[0].end for queue in broker.engine.queues.values()] == [2, 1]


def test_send_where_queues_are_not_made():
    assert code_of(Broker(Limits(auto_create=False)).send, "x") == 1404
    assert code_of(Broker().send, "x", queue="nowhere://x") == 1405
    broker = Broker()
    assert code_of(broker.send, "x", partition=1) == 1418
    assert broker.engine.queues == {}


def test_receive_takes_partitions_in_turn():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 4, {}))
    for number in range(4):
        broker.send("x", "y", partition=number)
    group = broker.join()
    assert [broker.receive(group, 1)[0].partition_id for _ in range(8)] == [2, 3, 4, 1] * 2


def test_receive_serves_what_is_due_before_what_is_new():
    broker = Broker()
    broker.send(*"0123")
    group = broker.join()
    (lease,) = broker.receive(group, 2)
    broker.nack(group, lease.lease_id, delay=1.0)
    broker.now += 999
    assert offsets(broker.receive(group, 1)) == [2]
    broker.now += 1
    again = broker.receive(group)
    assert [(found.start, found.end, found.attempt) for found in again] == [(0, 2, 2), (3, 4, 1)]
    assert [found.lease_id for found in again] == [3, 4]


def test_receive_stops_where_the_bound_says_no_more():
    broker = Broker()
    broker.send(*"0123456789")
    group = broker.join()
    left = [3, 2, 0]
    leases = broker.receive(group, 100, lambda _, start, __: start + left.pop(0))
    assert [(lease.start, lease.end) for lease in leases] == [(0, 3), (3, 5)]
    assert left == []
    assert broker.receive(group, 0) == []


def test_receive_asks_no_further_partition_when_there_is_no_more_room():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 3, {}))
    for number in range(3):
        broker.send("x", "y", partition=number)
    group = broker.join()
    room = [2, 1, 0]
    assert len(offsets(broker.receive(group, 100, lambda _, start, __: start + room.pop(0)))) == 3
    assert room == []


def test_receive_of_a_deleted_group():
    broker = Broker()
    broker.send("0")
    group = broker.join()
    broker.do(broker.engine.decide_delete_group(0, QUEUE, "g"))
    assert code_of(broker.receive, group) == 1404


@pytest.fixture
def leased():
    broker = Broker()
    broker.send(*"0123456789")
    group = broker.join(max_delivery=2)
    (lease,) = broker.receive(group)
    return broker, group, lease


def test_ack_some_then_the_rest(leased):
    broker, group, lease = leased
    assert broker.ack(group, lease.lease_id, [5, 3, 4, 9]) == Settle(lease.lease_id, [(3, 6), (9, 10)])
    assert group.cursors[0].floor() == 0
    broker.ack(group, lease.lease_id, [])
    broker.ack(group, lease.lease_id, range(3))
    assert group.cursors[0].floor() == 6
    broker.ack(group, lease.lease_id)
    assert (group.cursors[0].floor(), broker.engine.leases) == (10, {})


def test_wrong_receipts_say_what_is_wrong(leased):
    broker, group, lease = leased
    other = broker.join("other")
    ack = broker.engine.decide_ack

    def reason(*arguments) -> str:
        with pytest.raises(OMSRuntimeException) as caught:
            ack(*arguments)
        assert caught.value.code == 1418
        assert caught.value.next_step
        return caught.value.reason

    assert "belongs to group g" in reason(other.id, lease.lease_id, None)
    assert "never given out" in reason(group.id, lease.lease_id + 1, None)
    broker.ack(group, lease.lease_id, [4])
    for gone in ([4], [3, 4], [10], [-1], [-1, 3]):
        assert "does not hold" in reason(group.id, lease.lease_id, gone)
    broker.ack(group, lease.lease_id)
    assert "expired" in reason(group.id, lease.lease_id, None)


def test_a_late_ack_counts_until_the_lease_is_ended(leased):
    broker, group, lease = leased
    broker.now = lease.deadline_ms
    broker.ack(group, lease.lease_id, [0])
    broker.tick()
    assert code_of(broker.ack, group, lease.lease_id, [1]) == 1418


def test_nack_by_backoff_by_delay_and_to_the_end(leased):
    broker, group, lease = leased
    now = broker.now
    assert broker.nack(group, lease.lease_id, [0]).operations == [Retry(lease.lease_id, [(0, 1)], now + 1_000)]
    assert broker.nack(group, lease.lease_id, [1], 0.5).operations == [Retry(lease.lease_id, [(1, 2)], now + 500)]
    year = 366 * 86_400
    assert broker.nack(group, lease.lease_id, [9], year).operations[0].visible_ms == now + year * 1_000
    for bad in (-1.0, float("inf"), float("nan"), year + 0.5):
        assert code_of(broker.nack, group, lease.lease_id, [2], bad) == 1418
    broker.now += 1_000
    leases = broker.receive(group)
    assert [(lease.start, lease.attempt) for lease in leases] == [(1, 2), (0, 2)]
    entry = broker.nack(group, leases[0].lease_id)
    assert len(entry.placed) == 1
    assert broker.nack(group, lease.lease_id, []).operations == [Retry(lease.lease_id, [], broker.now + 1_000)]


def test_released_messages_come_back_as_if_never_given(leased):
    broker, group, lease = leased
    assert broker.release(group, lease.lease_id, [7]).operations == (Retry(lease.lease_id, [(7, 8)], 0, counted=False),)
    (again,) = broker.receive(group)
    assert (again.start, again.end, again.attempt) == (7, 8, 1)


def test_extend(leased):
    broker, group, lease = leased
    entry = broker.do(broker.engine.decide_extend(broker.now, group.id, lease.lease_id, 60.0))
    assert entry.operations == (Extend(lease.lease_id, broker.now + 60_000),)
    assert broker.engine.next_deadline() == broker.now + 60_000
    broker.now = lease.deadline_ms
    assert broker.tick() is None
    year = 366 * 86_400.0
    (extend,) = broker.engine.decide_extend(0, group.id, lease.lease_id, year).operations
    assert extend.deadline_ms == year * 1_000
    for bad in (0.0, -1.0, float("nan"), float("inf"), year + 0.5):
        assert code_of(broker.engine.decide_extend, broker.now, group.id, lease.lease_id, bad) == 1418
    assert code_of(broker.engine.decide_extend, broker.now, group.id, 99, 1.0) == 1418


def test_an_expired_lease_is_failed_by_the_tick(leased):
    broker, group, lease = leased
    broker.ack(group, lease.lease_id, [0])
    assert broker.engine.next_deadline() == lease.deadline_ms
    broker.now = lease.deadline_ms - 1
    assert broker.tick() is None
    broker.now += 1
    assert broker.engine.tick(broker.now).operations == [Retry(lease.lease_id, None, broker.now + 1_000)]
    assert broker.tick().operations == [Retry(lease.lease_id, None, broker.now + 1_000)], "a lost entry comes again"
    assert (group.in_flight(), group.retrying()) == (0, 9)
    assert broker.engine.next_deadline() == broker.now + 1_000
    broker.now += 1_000
    assert broker.tick() is None
    assert broker.engine.next_deadline() is None
    (again,) = broker.receive(group)
    broker.now = again.deadline_ms
    entry = broker.tick()
    assert entry.operations[-1] == Settle(again.lease_id)
    assert entry.placed[0].count == 9


def test_a_lease_that_was_extended_to_the_same_time_ends_once(leased):
    broker, _group, lease = leased
    for _ in range(2):
        broker.do(Entry(0, (Extend(lease.lease_id, lease.deadline_ms),)))
    broker.now = lease.deadline_ms
    assert len(broker.tick().operations) == 1


@pytest.mark.parametrize(("name", "max_delivery"), [("_MAX_EXPIRED", 2), ("_MAX_BURIED", 1)])
def test_a_tick_is_bounded_and_goes_on(monkeypatch, name, max_delivery):
    monkeypatch.setattr(module, name, 3)
    broker = Broker()
    broker.send(*"01234")
    group = broker.join(max_delivery=max_delivery)
    leases = broker.receive(group, bound=lambda _, start, __: start + 1)
    assert all(isinstance(lease, Lease) for lease in leases)
    broker.now = leases[0].deadline_ms
    ended = []
    while (deadline := broker.engine.next_deadline()) is not None and deadline <= broker.now:
        entry = broker.tick()
        ended.append(sum(isinstance(operation, Retry | Settle) for operation in entry.operations))
    assert ended == [3, 2]


def test_what_gets_another_delivery_does_not_count_as_buried(monkeypatch):
    monkeypatch.setattr(module, "_MAX_BURIED", 2)
    broker = Broker()
    broker.send(*"01234")
    leases = broker.receive(broker.join(), bound=lambda _, start, __: start + 1)
    broker.now = leases[0].deadline_ms
    assert len(broker.tick().operations) == 5
