import pytest

from openmessaging.broker import key_order
from openmessaging.model.errors import OMSRuntimeException
from tests.broker.harness import QUEUE, Broker, offsets


def setup(keys: str, **settings):
    broker = Broker()
    broker.keyed(keys)
    return broker, broker.join(order="key", **settings)


def test_one_of_a_key_at_a_time_others_in_parallel():
    broker, group = setup("aab-a-")
    leases = broker.receive(group)
    assert offsets(leases) == [0, 2, 3, 5]
    assert broker.receive(group) == []
    broker.engine.woken.clear()
    broker.ack(group, leases[0].lease_id)
    assert broker.engine.woken == {group.id}
    assert offsets(broker.receive(group)) == [1]


def test_a_message_that_waits_for_its_retry_blocks_its_key_only():
    broker, group = setup("aab")
    first, other = broker.receive(group)
    broker.nack(group, first.lease_id, delay=5.0)
    broker.ack(group, other.lease_id)
    assert broker.receive(group) == []
    broker.now += 5_000
    (again,) = broker.receive(group)
    assert (again.start, again.end, again.attempt) == (0, 1, 2)
    broker.ack(group, again.lease_id)
    assert offsets(broker.receive(group)) == [1]


def test_a_dead_letter_frees_its_key():
    broker, group = setup("aa", max_delivery=1)
    (lease,) = broker.receive(group)
    broker.nack(group, lease.lease_id)
    assert offsets(broker.receive(group)) == [1]


def test_neighbours_of_different_keys_share_a_lease():
    broker, group = setup("abc")
    (lease,) = broker.receive(group)
    assert (lease.start, lease.end) == (0, 3)


def test_look_ahead_is_bounded_and_goes_on(monkeypatch):
    monkeypatch.setattr(key_order, "LOOK_AHEAD", 3)
    monkeypatch.setattr(key_order, "_CHUNK", 2)
    broker, group = setup("aaaaaaaab")
    for received in ([0], [1], [2], [3], [4], [5, 8], [6], [7]):
        leases = broker.receive(group)
        assert offsets(leases) == received
        for lease in leases:
            broker.ack(group, lease.lease_id)
    assert group.lag() == 0


def test_what_was_offered_and_not_leased_is_offered_again():
    broker, group = setup("ab")
    for _ in range(2):
        entry = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)  # never applied
        assert offsets(entry.operations) == [0, 1]


def test_a_failed_read_changes_nothing():
    broker, group = setup("ab")
    assert offsets(broker.receive(group, 1)) == [0]
    broker.keyed("cd")
    broker.engine.decide_receive(broker.now, group, 1, lambda _, __, end: end)
    broker.contents.broken = True
    for _ in range(2):
        with pytest.raises(OMSRuntimeException):
            broker.receive(group)
    broker.contents.broken = False
    assert offsets(broker.receive(group)) == [1, 2, 3]


def test_after_a_restart_and_a_trim_the_lines_are_read_again():
    broker, group = setup("aabab")
    (lease, _) = broker.receive(group)
    assert lease.start == 0
    broker.restart()
    group = broker.engine.group(QUEUE, "g")
    assert broker.receive(group) == []
    partition = broker.engine.queues[QUEUE].partitions[0]
    broker.do(broker.engine.decide_trim(broker.now, {partition.id: 1}))
    assert offsets(broker.receive(group)) == [1]
    assert group.cursors[0].keys is not None
    broker.do(broker.engine.decide_trim(broker.now, {partition.id: 1}))
    assert group.cursors[0].keys is not None


def test_a_trim_of_what_is_settled_keeps_the_lines():
    broker, group = setup("aab")
    leases = broker.receive(group)
    broker.ack(group, leases[0].lease_id)
    lines = group.cursors[0].keys
    partition = broker.engine.queues[QUEUE].partitions[0]
    broker.do(broker.engine.decide_trim(broker.now, {partition.id: 1}))
    assert group.cursors[0].keys is lines
    assert offsets(broker.receive(group)) == [1]


def test_a_key_that_was_done_with_comes_again():
    broker, group = setup("a")
    for offset in range(3):
        (lease,) = broker.receive(group)
        assert offsets([lease]) == [offset]
        broker.ack(group, lease.lease_id)
        broker.keyed("a")


def test_an_ack_of_messages_with_and_without_keys_frees_the_keys():
    broker, group = setup("-aa")
    (lease,) = broker.receive(group)
    assert offsets([lease]) == [0, 1]
    broker.ack(group, lease.lease_id)
    assert offsets(broker.receive(group)) == [2]
