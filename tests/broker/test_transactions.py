"""One entry for sends and settlements, all or nothing."""

import pytest

from openmessaging.broker.draft import Limits
from openmessaging.broker.entry import CreateQueue, Settle
from openmessaging.broker.transactions import Settled
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import OutgoingBatch
from tests.broker.harness import QUEUE, Broker, code_of, offsets

OTHER = "default://invoices"


@pytest.fixture
def broker() -> Broker:
    broker = Broker()
    broker.send("a", "b", "c")
    return broker


def outgoing(broker: Broker, *messages: str, queue: str = OTHER, partition: int | None = None) -> OutgoingBatch:
    return OutgoingBatch(queue, partition, broker.batch(*messages))


def test_sends_to_several_queues_and_settlements_of_several_groups_are_one_entry(broker: Broker) -> None:
    first, second = broker.join("first"), broker.join("second")
    (one,), (two,) = broker.receive(first), broker.receive(second)
    before = len(broker.log)
    batches = [outgoing(broker, "x"), outgoing(broker, "y", queue=QUEUE), outgoing(broker, "z")]
    settled = [Settled(first.id, one.lease_id, [0]), Settled(second.id, two.lease_id, None)]
    entry = broker.do(broker.engine.decide_commit(broker.now, batches, settled).entry)
    assert len(broker.log) == before + 1
    assert [placed.base_offset for placed in entry.placed] == [0, 3, 1]
    kinds = [type(operation) for operation in entry.operations]
    assert kinds == [CreateQueue, Settle, Settle]
    assert first.lag() == 3
    assert second.lag() == 1
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_a_message_named_twice_is_settled_once(broker: Broker) -> None:
    group = broker.join()
    (lease,) = broker.receive(group)
    settled = [Settled(group.id, lease.lease_id, [1, 1]), Settled(group.id, lease.lease_id, [0, 1])]
    entry = broker.do(broker.engine.decide_commit(broker.now, [], settled).entry)
    assert entry.operations == [Settle(lease.lease_id, [(0, 2)])]
    settled = [Settled(group.id, lease.lease_id, None), Settled(group.id, lease.lease_id, [2])]
    entry = broker.do(broker.engine.decide_commit(broker.now, [], settled).entry)
    assert entry.operations == [Settle(lease.lease_id, None)]
    assert group.lag() == 0


def test_whatever_is_wrong_nothing_is_done(broker: Broker) -> None:
    group = broker.join(invisible_time=10)
    (lease,) = broker.receive(group)
    state = broker.engine.snapshot()
    good, mine = outgoing(broker, "x"), Settled(group.id, lease.lease_id, [0])

    def refused(batches: list[OutgoingBatch], settled: list[Settled]) -> int:
        code = code_of(broker.engine.decide_commit, broker.now, batches, settled)
        assert broker.engine.snapshot() == state
        return code

    assert refused([good, outgoing(broker, "y", queue=QUEUE, partition=4)], [mine]) == 1418
    assert refused([good, outgoing(broker, "y", queue="nowhere://q")], [mine]) == 1405
    assert refused([good], [mine, Settled(group.id, lease.lease_id, [7])]) == 1418
    assert refused([good], [mine, Settled(group.id, 99, None)]) == 1418
    assert refused([good], [mine, Settled(group.id + 1, lease.lease_id, None)]) == 1418
    broker.engine.limits = Limits(auto_create=False)
    assert refused([good], [mine]) == 1404


def test_a_lease_whose_time_is_over_cannot_be_committed_even_before_a_tick(broker: Broker) -> None:
    group = broker.join(invisible_time=10)
    (lease,) = broker.receive(group)
    broker.now += 9_999
    broker.engine.decide_commit(broker.now, [], [Settled(group.id, lease.lease_id, None)])
    broker.now += 1
    commit = broker.engine.decide_commit
    assert code_of(commit, broker.now, [outgoing(broker, "x")], [Settled(group.id, lease.lease_id, None)]) == 1418
    with pytest.raises(OMSRuntimeException, match="expired 7 ms ago"):
        commit(broker.now + 7, [], [Settled(group.id, lease.lease_id, None)])
    broker.ack(group, lease.lease_id, [0])  # a late acknowledgement by itself counts until the tick
    broker.tick()
    broker.now += 60_000
    assert offsets(broker.receive(group)) == [1, 2]


def test_keys_step_forward_when_their_head_is_settled_in_a_transaction() -> None:
    broker = Broker()
    broker.keyed("aab")
    group = broker.join(order="key")
    first, second = broker.receive(group)
    assert offsets([first, second]) == [0, 2]
    broker.do(broker.engine.decide_commit(broker.now, [], [Settled(group.id, first.lease_id, None)]).entry)
    assert offsets(broker.receive(group)) == [1]


def test_the_next_of_a_key_comes_when_what_was_sent_with_the_one_before_is_visible() -> None:
    broker = Broker()
    broker.keyed("aab")
    group = broker.join(order="key")
    first, other = broker.receive(group)
    broker.sync = False
    settled = [Settled(group.id, first.lease_id, None)]
    broker.do(broker.engine.decide_commit(broker.now, [outgoing(broker, "x")], settled).entry)
    broker.engine.woken.clear()
    assert broker.receive(group) == []
    broker.engine.set_durable(len(broker.log) - 1)
    assert group.id in broker.engine.woken
    assert offsets(broker.receive(group)) == [1]
    assert group.lag() == 2
    broker.ack(group, other.lease_id)
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_a_key_read_again_before_that_is_not_disturbed() -> None:
    broker = Broker()
    broker.keyed("aa")
    group = broker.join(order="key")
    (first,) = broker.receive(group)
    broker.sync = False
    settled = [Settled(group.id, first.lease_id, None)]
    broker.do(broker.engine.decide_commit(broker.now, [outgoing(broker, "x")], settled).entry)
    broker.do(broker.engine.decide_seek(broker.now, group, "earliest"))
    (again,) = broker.receive(group)
    broker.engine.set_durable(len(broker.log) - 1)
    assert broker.receive(group) == []
    broker.ack(group, again.lease_id)
    assert offsets(broker.receive(group)) == [1]
