import random
from base64 import b85decode

from openmessaging.broker import snapshot
from openmessaging.broker.engine import Engine
from tests.broker.harness import QUEUE, Broker, code_of


def busy() -> Broker:
    broker = Broker()
    broker.do(broker.engine.decide_create_namespace(0, "shop"))
    broker.do(broker.engine.decide_create_queue(0, "shop://b", 2, {"retention": "consumed"}))
    broker.send(*"0123456789")
    group = broker.join(max_delivery=5)
    broker.join("keys", order="key")
    lease, other = broker.receive(group, 8, lambda _, start, end: min(end, start + 4))
    broker.nack(group, lease.lease_id, [1, 3], 3.0)
    broker.ack(group, other.lease_id, [5])
    return broker


def test_restored_and_replayed_states_are_the_same_bytes():
    broker = busy()
    state = broker.engine.snapshot()
    restored = Engine(broker.contents, random.Random())
    restored.restore(state)
    assert restored.snapshot() == broker.replayed().snapshot() == state
    assert restored.namespaces == {"default", "shop"}
    assert restored.queues["shop://b"].config == {"retention": "consumed"}
    assert restored.queues[QUEUE].partitions[0].visible == 10
    assert restored.group(QUEUE, "keys").config.order == "key"


def test_restored_deadlines_and_deliveries_go_on():
    broker = busy()
    broker.restart()
    group = broker.engine.group(QUEUE, "g")
    assert broker.engine.next_deadline() == broker.now + 3_000
    broker.now += 3_000
    broker.engine.woken.clear()
    assert broker.engine.tick(broker.now) is None
    assert group.id in broker.engine.woken
    again = broker.receive(group, 2)
    assert [(lease.start, lease.end, lease.attempt) for lease in again] == [(1, 2, 2), (3, 4, 2)]
    assert broker.engine.next_deadline() == 1_000 + 30_000


def test_a_snapshot_replaces_all_that_was_there():
    engine = busy().engine
    other = Broker()
    other.send("0", queue="default://other")
    engine.restore(other.engine.snapshot())
    assert engine.snapshot() == other.engine.snapshot()
    assert (engine.woken, engine.next_deadline()) == (set(), None)


def test_a_newer_format_and_damage():
    broker = busy()
    state = broker.engine.snapshot()
    engine = broker.engine
    assert code_of(engine.restore, bytes((snapshot.FORMAT + 1,)) + state[1:]) == 1101
    for damaged in (b"", state[:-1], state[:1], state[:1] + b"\xc1", b"\x01\x90"):
        assert code_of(engine.restore, damaged) == 1501
    assert engine.snapshot() == state, "a refused snapshot changes nothing"


def test_the_first_byte_is_the_version():
    assert Broker().engine.snapshot()[0] == 1, "stores hold it: whoever changes it must read this one too"


def test_a_snapshot_from_before_lanes_opens_as_it_is():
    old = (
        "0hE*i0|Ek(r(|VjVRdYDk(B|kWMyVyb!>DxFE4L$WMy)5fRd8|00NT&00EJd0jFYVY;0+6XN9G6bYXIIsAXYtY-we4bfs@{WMy)rYh`(^X>N9"
        "Db7^91WnXk@ZDq?qJ^%m!0001|Vqs%zZ)RqNr)h3!bZKF1%Rle{000000H$VPV{~tF%Rm4C000000H<wXcxi2QZOcG%zyJUM005?HX>@dDa?1b!"
        "000000069QVR&C;Wo&77Wpa5CsbX?(VPs=rb9BOzk^qpB0g#cF0RaL5&3PD-009"
    )
    engine = Engine(Broker().contents, random.Random())
    engine.restore(b85decode(old))
    queue = engine.queue(QUEUE)
    assert [(each.id, each.base, each.priority, each.end) for each in queue.partitions] == [(1, 0, 5, 2), (2, 1, 5, 1)]
    assert (queue.count, queue.lanes, len(engine.leases)) == (2, {}, 1)
    assert engine.group(QUEUE, "billing").config.order == "key"


def test_lanes_come_back():
    broker = busy()
    broker.send("a", "b", priority=9)
    broker.send("c", queue="shop://b", partition=1, priority=1)
    (lease,) = broker.receive(broker.engine.group(QUEUE, "g"), 1)
    broker.restart()
    assert broker.engine.snapshot() == broker.replayed().snapshot()
    queue = broker.engine.queue("shop://b")
    assert [(each.base, each.priority) for each in queue.partitions] == [(0, 5), (1, 5), (1, 1)]
    assert queue.levels == [(5, [0, 1]), (1, [2])]
    lane = broker.engine.queue(QUEUE).lanes[0, 9]
    assert broker.engine.leases[lease.lease_id].cursor.partition is lane
    broker.ack(broker.engine.group(QUEUE, "g"), lease.lease_id)
    assert [cursor.floor() for cursor in broker.engine.group(QUEUE, "g").cursors] == [0, 1]
