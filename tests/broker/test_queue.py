import pytest

from openmessaging.broker.partition import Partition
from openmessaging.broker.queue import Queue
from openmessaging.model.errors import OMSRuntimeException
from tests.broker.harness import Broker


def test_name_and_turns():
    queue = Queue(1, "shop://orders", {})
    queue.partitions = [Partition(number, number, queue) for number in range(3)]
    queue.count = 3
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


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"retention": "all"}, "retention"),
        ({"colour": 1}, "colour"),
        ({"retention_age": "x"}, "retention_age"),
        ({"retention_bytes": -1}, "retention_bytes"),
        ({"retention_bytes": (1 << 62) + 1}, "retention_bytes"),
        ({"retention_age": float("nan")}, "retention_age"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(config, named):
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, "default://good", 1, {"retention": "keep", "retention_age": 0}))
    for decide in (
        lambda: broker.engine.decide_create_queue(0, "default://bad", 1, config),
        lambda: broker.engine.decide_update_queue(0, "default://good", config),
    ):
        with pytest.raises(OMSRuntimeException, match=named) as failure:
            decide()
        assert failure.value.code == 1418


def test_the_largest_settings():
    broker = Broker()
    config = {"retention_age": float(1 << 62), "retention_bytes": 1 << 62}
    broker.do(broker.engine.decide_create_queue(0, "default://good", 1, config))
    assert broker.engine.queue("default://good").config == config
