import msgspec
import pytest

from openmessaging.broker import entry as ops
from openmessaging.broker.entry import Entry, Placed
from openmessaging.broker.state import merged
from openmessaging.model.spi import Backoff
from tests.broker.harness import QUEUE, Broker, config, offsets


def test_only_durable_messages_are_visible():
    broker = Broker(sync=False)
    broker.send("0")
    group = broker.join()
    broker.send("1")
    engine = broker.engine
    partition = engine.queue(QUEUE).partitions[0]
    engine.woken.clear()
    assert broker.receive(group) == []
    engine.set_durable(1)
    assert (partition.visible, engine.woken, engine.grown) == (1, {group.id}, {partition.id})
    assert offsets(broker.receive(group)) == [0]
    assert broker.receive(group) == []
    engine.set_durable(2)
    assert offsets(broker.receive(group)) == [1]


def test_what_is_durable_already_is_visible_when_applied():
    broker = Broker(sync=False)
    broker.send("0")
    broker.engine.set_durable(9)
    partition = broker.engine.queue(QUEUE).partitions[0]
    broker.engine.apply_send(partition, 5, 9)
    assert (partition.end, partition.visible) == (6, 6)
    broker.engine.apply_send(partition, 1, 10)
    assert (partition.end, partition.visible) == (7, 6)


def test_a_copy_and_a_batch_of_a_deleted_queue_change_nothing():
    broker = Broker()
    broker.send("0", "1")
    before = broker.engine.snapshot()
    batch = broker.batch("0")
    broker.engine.apply(Entry(0, (), [Placed(1, 0, 1, 0), Placed(77, 0, 1, 0)], [batch, batch]), 5)
    assert broker.engine.snapshot() == before


@pytest.mark.parametrize(
    "operation",
    [
        ops.UpdateQueue(77, {}),
        ops.DeleteQueue(77),
        ops.CreateGroup(77, 5, "g", {}, [0]),
        ops.UpdateGroup(77, {}),
        ops.DeleteGroup(77),
        ops.Settle(77),
        ops.Retry(77, None, 5),
        ops.Extend(77, 5),
        ops.Seek(77, 1, 0),
        ops.Trim(77, 5),
        ops.DeleteNamespace("nowhere"),
    ],
)
def test_operations_on_what_is_gone_do_nothing(operation):
    broker = Broker()
    broker.send("0")
    before = broker.engine.snapshot()
    broker.engine.apply(Entry(0, (operation,)), 5)
    assert broker.engine.snapshot() == before


def test_groups_are_woken_when_they_may_get_something():
    broker = Broker()
    broker.send("0", "1")
    group = broker.join()
    woken = broker.engine.woken

    def wakes(call, *arguments) -> bool:
        woken.clear()
        call(*arguments)
        return woken == {group.id}

    (lease,) = broker.receive(group)
    assert wakes(broker.release, group, lease.lease_id, [0])
    assert wakes(broker.nack, group, lease.lease_id, [1], 0.0)
    (lease,) = broker.receive(group, 1)
    assert not wakes(broker.nack, group, lease.lease_id, None, 1.0)
    assert broker.engine.next_deadline() == broker.now + 1_000
    broker.now += 999
    assert not wakes(broker.tick)
    broker.now += 1
    assert wakes(broker.tick)
    broker.receive(group)
    assert wakes(broker.do, broker.engine.decide_release_all(broker.now))
    assert wakes(broker.do, broker.engine.decide_seek(broker.now, group, "earliest"))
    assert wakes(broker.send, "2")


def test_deadlines_of_leases_that_are_over_do_not_pile_up():
    broker = Broker()
    broker.send("0")
    group = broker.join()
    for _ in range(3_000):
        (lease,) = broker.receive(group)
        broker.release(group, lease.lease_id)
    assert len(broker.engine._deadlines) < 1_100
    (lease,) = broker.receive(group)
    assert broker.engine.next_deadline() == lease.deadline_ms


def test_deadlines_keep_their_order_when_outdated_ones_are_cleared():
    broker = Broker()
    broker.send("0", "1", "2", "3")
    group = broker.join()
    leases = broker.receive(group, 3, lambda _, start, __: start + 1)
    for number, lease in enumerate(leases):
        broker.do(broker.engine.decide_extend(broker.now, group.id, lease.lease_id, 20.0 - number))
    for _ in range(3_000):
        (lease,) = broker.receive(group)
        broker.release(group, lease.lease_id)
    for number in (2, 1, 0):
        assert broker.engine.next_deadline() == 1_000 + 20_000 - 1_000 * number
        broker.ack(group, leases[number].lease_id)


def test_memory_follows_what_is_open_not_the_backlog():
    broker = Broker()
    broker.send(*map(str, range(1_000)))
    group = broker.join()
    before = len(broker.engine.snapshot())
    for _ in range(20):
        (lease,) = broker.receive(group, 50)
        broker.ack(group, lease.lease_id)
    assert len(broker.engine.snapshot()) <= before + 10


def test_trim_cuts_leases_and_what_waits():
    broker = Broker()
    broker.send(*"012345")
    group = broker.join()
    one, two = broker.receive(group, 4, lambda _, start, end: min(start + 2, end))
    broker.nack(group, two.lease_id, [2, 3], 9.0)
    broker.do(Entry(0, (ops.Trim(1, 1),)))
    assert broker.engine.leases[one.lease_id].left == [1, 2]
    broker.do(Entry(0, (ops.Trim(1, 3),)))
    assert broker.engine.leases == {}
    assert group.cursors[0].unsettled() == [(3, 4)]
    broker.do(Entry(0, (ops.Trim(1, 6), ops.Trim(1, 2))))
    assert broker.engine.queue(QUEUE).partitions[0].start == 6
    assert (group.cursors[0].next, group.lag()) == (6, 0)


def test_trim_reaches_the_groups_behind_one_that_is_done():
    broker = Broker()
    broker.send(*"01")
    done, behind = broker.join("done"), broker.join("behind")
    broker.ack(done, broker.receive(done)[0].lease_id)
    broker.receive(behind, 1)
    broker.do(Entry(0, (ops.Trim(1, 2),)))
    assert broker.engine.leases == {}
    assert behind.cursors[0].next == 2


def test_merged_settings_change_only_what_is_given():
    old = config(invisible_time=4.0, max_delivery=3)
    assert merged(old, {"order": "key"}).invisible_time == 4.0
    assert merged(old, {"backoff": {"initial": 2.0}}).backoff == Backoff(initial=2.0)
    with pytest.raises(msgspec.ValidationError):
        merged(old, {"order": 5})
