from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue
from tests.broker.harness import Broker


def test_name_and_turns():
    queue = Queue(1, "shop://orders", {})
    queue.partitions = [Partition(number, number, queue) for number in range(3)]
    assert queue.namespace == "shop"
    assert [queue.next_partition() for _ in range(6)] == [1, 2, 0, 1, 2, 0]


def test_consumed_before_per_partition():
    broker = Broker()
    name = "default://two"
    broker.do(broker.engine.decide_create_queue(0, name, 2, {}))
    broker.send("a", "b", queue=name, partition=1)
    group = broker.join(queue=name)
    (lease,) = broker.receive(group)
    broker.ack(group, lease.lease_id)
    assert broker.engine.queue(name).consumed_before() == [0, 2]
