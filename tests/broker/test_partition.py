from tests.broker.harness import QUEUE, Broker


def test_consumed_before_is_the_lowest_floor_of_all_groups():
    broker = Broker()
    broker.send("0", "1", "2", "3")
    partition = broker.engine.queues[QUEUE].partitions[0]
    assert (partition.start, partition.end, partition.visible) == (0, 4, 4)
    assert partition.consumed_before() == 0
    one, other = broker.join("one"), broker.join("other", start="offset:3")
    assert partition.consumed_before() == 0
    (lease,) = broker.receive(one)
    broker.ack(one, lease.lease_id, [0, 1, 3])
    assert partition.consumed_before() == 2
    broker.ack(one, lease.lease_id)
    assert partition.consumed_before() == other.cursors[0].floor() == 3
