from openmessaging.broker.describe import describe_group, describe_queue
from openmessaging.model.spi import QueueInfo
from tests.broker.harness import QUEUE, Broker


def test_a_queue_and_its_group():
    broker = Broker(sync=False)
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {"retention_age": 1}))
    broker.send("0", "1", partition=0)
    broker.now += 10
    broker.send("2", partition=1)
    broker.engine.set_durable(2)
    broker.send("3", partition=1)
    group = broker.join()
    assert describe_queue(broker.engine.queue(QUEUE)) == QueueInfo(
        QUEUE, 2, 3, [(0, 2), (0, 1)], ["g"], {"retention_age": 1}
    )
    info = describe_group(group, broker.contents)
    assert (info.name, info.queue, info.lag, info.floors, info.oldest_ms) == ("g", QUEUE, 3, [0, 0], 1_000)
    for lease in broker.receive(group):
        if lease.partition_id == 1:
            broker.ack(group, lease.lease_id)
    info = describe_group(group, broker.contents)
    assert (info.lag, info.in_flight, info.floors, info.oldest_ms) == (1, 1, [2, 0], 1_010)
    for lease_id in list(broker.engine.leases):
        broker.ack(group, lease_id)
    assert describe_group(group, broker.contents).oldest_ms is None
