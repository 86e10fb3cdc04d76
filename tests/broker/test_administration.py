import pytest

from openmessaging.broker import administration
from openmessaging.broker.draft import Limits
from openmessaging.broker.entry import CreateQueue, Seek, Trim, UpdateGroup
from tests.broker.harness import QUEUE, Broker, code_of, config, offsets

YEAR = 366 * 86_400.0


def test_namespaces():
    broker = Broker(Limits(max_namespaces=2))
    engine = broker.engine
    broker.do(engine.decide_create_namespace(0, "shop"))
    assert code_of(engine.decide_create_namespace, 0, "shop") == 1407
    assert code_of(engine.decide_create_namespace, 0, "more") == 1417
    broker.do(engine.decide_create_queue(0, "shop://a", 1, {}))
    assert code_of(engine.decide_delete_namespace, 0, "shop") == 1400
    broker.do(engine.decide_delete_queue(0, "shop://a"))
    broker.do(engine.decide_delete_namespace(0, "shop"))
    assert code_of(engine.decide_delete_namespace, 0, "shop") == 1405
    assert code_of(engine.check_namespace, "shop") == 1405
    assert engine.namespaces == {"default"}


def test_queues():
    broker = Broker()
    engine = broker.engine
    assert engine.decide_require_queue(0, QUEUE).operations == [CreateQueue(QUEUE, 1, 1, 1, {})]
    broker.do(engine.decide_create_queue(0, QUEUE, 2, {"retention_age": 1}))
    assert engine.decide_require_queue(0, QUEUE) is None
    assert code_of(engine.decide_create_queue, 0, QUEUE, 1, {}) == 1406
    broker.do(engine.decide_update_queue(0, QUEUE, {"retention_bytes": 2, "retention_age": 3}))
    assert engine.queue(QUEUE).config == {"retention_age": 3, "retention_bytes": 2}
    broker.do(engine.decide_delete_queue(0, QUEUE))
    for decide in (engine.decide_delete_queue, engine.decide_purge):
        assert code_of(decide, 0, QUEUE) == 1404
    assert code_of(engine.decide_update_queue, 0, QUEUE, {}) == 1404


def test_ids_are_never_used_again():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    broker.join()
    broker.do(broker.engine.decide_delete_queue(0, QUEUE))
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 1, {}))
    assert broker.engine.queue(QUEUE).id == 2
    assert broker.engine.queue(QUEUE).partitions[0].id == 3
    assert broker.join().id == 2


def test_deleting_a_queue_ends_its_groups_and_keeps_its_dead_letters():
    broker = Broker()
    broker.send("0", "1")
    group = broker.join(max_delivery=1)
    (lease,) = broker.receive(group)
    broker.nack(group, lease.lease_id, [0])
    broker.engine.woken.clear()
    broker.do(broker.engine.decide_delete_queue(broker.now, QUEUE))
    assert (broker.engine.leases, broker.engine.groups, broker.engine.woken) == ({}, {}, {group.id})
    assert list(broker.engine.queues) == [group.dead_letter_queue]
    assert list(broker.engine.partitions) == [2]
    assert code_of(broker.receive, group) == 1404
    assert code_of(broker.ack, group, lease.lease_id) == 1418


def test_purge_and_trim_stop_at_what_is_durable():
    broker = Broker(sync=False)
    broker.send("0", "1")
    broker.engine.set_durable(0)
    broker.send("2")
    partition = broker.engine.queue(QUEUE).partitions[0]
    assert broker.engine.decide_purge(0, QUEUE).operations == [Trim(partition.id, 2)]
    assert broker.engine.decide_trim(0, {partition.id: 9}).operations == [Trim(partition.id, 2)]
    assert broker.engine.decide_trim(0, {partition.id: 0}).operations == []
    assert code_of(broker.engine.decide_trim, 0, {99: 1}) == 1404


def test_join_creates_once_and_checks():
    broker = Broker(Limits(default_partitions=2))
    group = broker.join(invisible_time=5.0)
    assert [cursor.next for cursor in group.cursors] == [0, 0]
    assert broker.join(invisible_time=9.0) is group
    assert group.config.invisible_time == 5.0
    assert code_of(broker.engine.group, QUEUE, "other") == 1404
    assert code_of(broker.join, "other", start="sometime") == 1418
    assert code_of(broker.join, "other", invisible_time=0.0) == 1418


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("earliest", [2, 0]),
        ("latest", [6, 3]),
        ("offset:4", [4, 3]),
        ("offset:0", [2, 0]),
        ([3, 1], [3, 1]),
        ([0, 99], [2, 3]),
    ],
)
def test_positions(to, expected):
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    broker.send(*"012345", partition=0)
    broker.send(*"abc", partition=1)
    first = broker.engine.queue(QUEUE).partitions[0]
    broker.do(broker.engine.decide_trim(0, {first.id: 2}))
    group = broker.join()
    entry = broker.do(broker.engine.decide_seek(0, group, to))
    assert [operation.offset for operation in entry.operations] == expected
    assert [cursor.next for cursor in group.cursors] == expected
    if isinstance(to, str):
        assert [cursor.next for cursor in broker.join("new", start=to).cursors] == expected
    else:
        settings = config(start="ts:5")
        entry = broker.engine.decide_create_group(0, QUEUE, "new", settings, to)
        assert entry.operations[-1].starts == expected


@pytest.mark.parametrize("to", ["", "sometime", "offset:", "offset:-1", "offset:1.5", "offset:²", "ts:5", [1, 2, 3]])
def test_bad_positions(to):
    broker = Broker()
    broker.send("0")
    group = broker.join()
    assert code_of(broker.engine.decide_seek, 0, group, to) == 1418


def test_seek_ends_leases_and_forgets_retries():
    broker = Broker()
    broker.send(*"0123")
    group = broker.join()
    one, other = broker.receive(group, bound=lambda _, start, end: min(start + 2, end))
    broker.nack(group, one.lease_id, [0], 99.0)
    entry = broker.do(broker.engine.decide_seek(broker.now, group, "offset:1"))
    assert entry.operations == [Seek(group.id, 1, 1)]
    assert code_of(broker.ack, group, other.lease_id) == 1418
    assert (group.lag(), group.in_flight(), group.retrying()) == (3, 0, 0)
    again = broker.receive(group)
    assert offsets(again) == [1, 2, 3]
    assert {lease.attempt for lease in again} == {1}


def test_update_group():
    broker = Broker()
    broker.send("0")
    group = broker.join(order="key")
    engine = broker.engine
    entry = broker.do(engine.decide_update_group(0, QUEUE, "g", {"invisible_time": 3.0}))
    assert entry.operations == (UpdateGroup(group.id, {"invisible_time": 3.0}),)
    assert (group.config.invisible_time, group.config.order) == (3.0, "key")
    for bad in ({"order": "none"}, {"invisible_time": "long"}, {"invisible_time": 0}, {"order": "other"}):
        assert code_of(engine.decide_update_group, 0, QUEUE, "g", bad) == 1418
    broker.do(engine.decide_delete_group(0, QUEUE, "g"))
    assert code_of(engine.decide_update_group, 0, QUEUE, "g", {}) == 1404
    assert code_of(engine.decide_delete_group, 0, QUEUE, "g") == 1404


@pytest.mark.parametrize(
    ("settings", "good"),
    [
        ({"invisible_time": 0.001}, True),
        ({"invisible_time": 0.0}, False),
        ({"invisible_time": YEAR, "initial": YEAR, "factor": 1e6, "maximum": YEAR, "jitter": 0.0}, True),
        ({"invisible_time": YEAR + 1}, False),
        ({"initial": YEAR + 1}, False),
        ({"maximum": YEAR + 1}, False),
        ({"invisible_time": float("inf")}, False),
        ({"invisible_time": float("nan")}, False),
        ({"initial": 0.0, "factor": 1.0, "maximum": 0.0, "jitter": 1.0, "max_delivery": 1}, True),
        ({"initial": -0.1}, False),
        ({"factor": 0.9}, False),
        ({"factor": 1e6 + 0.5}, False),
        ({"maximum": -1.0}, False),
        ({"jitter": 1.1}, False),
        ({"jitter": -0.1}, False),
        ({"max_delivery": 0}, False),
        ({"order": "random"}, False),
    ],
)
def test_settings_are_checked_at_the_edge(settings, good):
    if good:
        administration.check_config(config(**settings))
    else:
        assert code_of(administration.check_config, config(**settings)) == 1418


def test_release_all_buries_no_more_than_its_limit(monkeypatch):
    monkeypatch.setattr(administration, "_MAX_BURIED", 3)
    broker = Broker()
    broker.send(*"01234")
    group = broker.join(max_delivery=1)
    broker.receive(group, bound=lambda _, start, __: start + 1)
    broker.do(broker.engine.decide_release_all(broker.now))
    assert (broker.engine.queue(group.dead_letter_queue).partitions[0].end, group.retrying()) == (3, 2)
