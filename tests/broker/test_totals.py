from openmessaging.broker.totals import QueueTotals, totals
from tests.broker.harness import QUEUE, Broker


def test_stored_settled_and_waiting_over_partitions_and_groups():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    broker.send("0", "1", partition=0)
    broker.send("2", partition=1)
    assert totals(broker.engine.queues.values()) == [QueueTotals(QUEUE, 3, 3, 0, 0, 0, 0)]
    group = broker.join()
    for lease in broker.receive(group):
        if lease.partition_id == 2:
            broker.ack(group, lease.lease_id)
    assert totals(broker.engine.queues.values()) == [QueueTotals(QUEUE, 3, 3, 0, 1, 2, 2)]
    assert (group.lag(), group.in_flight()) == (2, 2)
    for lease_id in list(broker.engine.leases):
        broker.nack(group, lease_id)
    (found,) = totals(broker.engine.queues.values())
    assert (found.lag, found.in_flight) == (group.lag(), group.in_flight()) == (2, 0)
