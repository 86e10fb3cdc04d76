"""Lanes and turns: the order of priorities, and the bound below which none is starved."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker.describe import describe_group, describe_queue
from openmessaging.broker.entry import CreateLane, CreateQueue
from openmessaging.broker.priority import PASSED_OVER, Turns
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from tests.broker.harness import QUEUE, Broker, code_of, offsets

MOST_BETWEEN = PASSED_OVER + 8
"""Messages of other priorities between two of one that has some, received one by one: as many as make it due, and one
of each other priority but the highest that is due before it."""


def priorities(broker: Broker, leases) -> list[int]:
    return [broker.engine.partitions[lease.partition_id].priority for lease in leases for _ in offsets([lease])]


def test_the_first_message_of_a_priority_makes_its_lane_in_the_same_entry():
    broker = Broker()
    entry = broker.send("urgent", priority=9)
    assert [type(operation) for operation in entry.operations] == [CreateQueue, CreateLane]
    assert broker.send("urgent too", priority=9).operations == []
    queue = broker.engine.queue(QUEUE)
    assert (queue.count, len(queue.partitions), queue.partitions[1].end) == (1, 2, 2)
    info = describe_queue(queue)
    assert (info.partitions, info.messages, info.offsets, info.lanes) == (1, 2, [(0, 0), (0, 2)], [(0, 9)])


@pytest.mark.parametrize("priority", [None, 5, 0, 11, -1])
def test_the_default_and_what_is_out_of_range_have_no_lane(priority):
    broker = Broker()
    broker.send("a", priority=priority)
    assert [partition.end for partition in broker.engine.queue(QUEUE).partitions] == [1]


def test_a_lane_per_partition_and_numbers_go_on_behind_the_partitions():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    broker.send("a", partition=1, priority=3)
    broker.send("b", partition=0, priority=3)
    broker.send("c", partition=1, priority=3)
    for _ in range(2):
        broker.send("plain")
    queue = broker.engine.queue(QUEUE)
    assert [(each.base, each.priority, each.end) for each in queue.partitions] == [
        (0, 5, 1), (1, 5, 1), (1, 3, 2), (0, 3, 1),
    ]  # fmt: skip
    assert code_of(broker.send, "d", partition=2) == 1418
    assert code_of(broker.send, "d", partition=2, priority=3) == 1418


def test_lanes_of_several_queues_in_one_entry_with_their_creation():
    broker = Broker()
    batches = [OutgoingBatch(f"default://{name}", None, broker.batch("x"), 7) for name in ("a", "b", "a")]
    broker.do(broker.engine.decide_send(broker.now, batches))
    assert [[each.end for each in queue.partitions] for queue in broker.engine.queues.values()] == [[0, 2], [0, 1]]
    assert sorted(broker.engine.partitions) == [1, 2, 3, 4]
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_higher_ones_overtake_and_within_a_priority_order_stays():
    broker = Broker()
    group = broker.join()
    for priority, text in ((None, "ab"), (1, "cd"), (9, "ef"), (7, "gh"), (None, "i")):
        broker.send(*text, priority=priority)
    leases = broker.receive(group)
    assert priorities(broker, leases) == [9, 9, 7, 7, 5, 5, 5, 1, 1]
    assert offsets(leases) == [0, 1, 0, 1, 0, 1, 2, 0, 1]


def test_a_group_starts_at_the_beginning_of_a_lane_that_is_made_later():
    broker = Broker()
    broker.send("old")
    group = broker.join(start="latest")
    broker.send("new", priority=2)
    assert priorities(broker, broker.receive(group)) == [2]
    other = broker.join("other", start="latest")
    assert broker.receive(other) == []


def test_a_failed_message_comes_again_in_its_lane_before_new_ones_of_it():
    broker = Broker()
    group = broker.join()
    broker.send("a", "b", priority=8)
    broker.send("c")
    (lease,) = broker.receive(group, 1)
    broker.nack(group, lease.lease_id, delay=0.0)
    again = broker.receive(group)
    assert priorities(broker, again) == [8, 8, 5]
    assert [lease.attempt for lease in again] == [2, 1, 1]


def test_lag_seek_purge_and_deletion_count_lanes():
    broker = Broker()
    group = broker.join()
    broker.send("a")
    broker.send("b", "c", priority=10)
    info = describe_group(group, broker.contents)
    assert (info.lag, info.floors) == (3, [0, 0])
    for lease in broker.receive(group):
        broker.ack(group, lease.lease_id)
    assert describe_group(group, broker.contents).lag == 0
    broker.do(broker.engine.decide_seek(broker.now, group, "earliest"))
    assert describe_group(group, broker.contents).lag == 3
    broker.do(broker.engine.decide_purge(broker.now, QUEUE))
    assert describe_queue(broker.engine.queue(QUEUE)).messages == describe_group(group, broker.contents).lag == 0
    broker.do(broker.engine.decide_delete_queue(broker.now, QUEUE))
    assert broker.engine.partitions == {}


def test_offsets_that_were_looked_up_before_a_lane_was_made():
    broker = Broker()
    broker.send("a")
    broker.send("b", priority=1)
    group = broker.join()
    broker.do(broker.engine.decide_seek(broker.now, group, [1]))
    assert [cursor.next for cursor in group.cursors] == [1, 0]
    other = broker.join("other", start="latest")
    assert [cursor.next for cursor in other.cursors] == [1, 1]
    assert broker.engine.decide_create_group(broker.now, QUEUE, "third", group.config, [1]).operations[0].starts == [
        1,
        0,
    ]
    assert code_of(broker.engine.decide_seek, broker.now, group, [1, 1, 1]) == 1418
    assert code_of(broker.engine.decide_seek, broker.now, group, []) == 1418


def test_dead_letters_come_back_into_their_lane():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    group = broker.join(max_delivery=1)
    broker.send(Record(b"x", "k", None, {"priority": 9}), partition=1, priority=9)
    (lease,) = broker.receive(group)
    broker.nack(group, lease.lease_id)
    dead = broker.join("again", group.dead_letter_queue)
    assert len(dead.queue.partitions) == 1, "dead letters lie in the order of their death"
    (letter,) = broker.receive(dead)
    broker.do(broker.engine.decide_move(broker.now, dead.id, letter.lease_id, None, None, 5)[0])
    lane = group.queue.lanes[1, 9]
    assert (lane.end, lane.number) == (2, 2)
    (lease,) = broker.receive(group)
    assert (lease.partition_id, lease.start) == (lane.id, 1)
    assert broker.contents.message(lane.id, 1)[2].headers["priority"] == 9


# ---- turns ---------------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(
    sends=st.lists(st.tuples(st.integers(1, 10), st.integers(1, 60)), min_size=1, max_size=25),
    seed=st.integers(0, 2**16),
    partitions=st.integers(1, 2),
)
def test_one_by_one_no_priority_waits_for_more_than_the_bound(sends, seed, partitions):
    chance = random.Random(seed)
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, partitions, {}))
    group = broker.join()
    left = dict.fromkeys(range(1, 11), 0)
    since = dict.fromkeys(left, 0)
    waiting = list(sends)
    while waiting or any(left.values()):
        if waiting and (chance.random() < 0.1 or not any(left.values())):
            priority, count = waiting.pop()
            broker.send(*"x" * count, priority=priority)
            left[priority] += count
        (got,) = priorities(broker, broker.receive(group, 1))
        above = [priority for priority, count in left.items() if count and priority > got]
        due = since[got] >= PASSED_OVER - 1 - 8  # it may have had to wait longer the last time
        assert due or not above, "only who was passed over goes before a higher one"
        left[got] -= 1
        for priority, count in left.items():
            since[priority] = since[priority] + 1 if count and priority != got else 0
            assert since[priority] <= MOST_BETWEEN


@settings(max_examples=100)
@given(
    counts=st.dictionaries(st.integers(1, 10), st.integers(1, 200), min_size=1),
    wanted=st.lists(st.integers(1, 120), min_size=1, max_size=12),
)
def test_a_receive_of_many_gives_each_its_part_and_is_full(counts, wanted):
    broker = Broker()
    group = broker.join()
    for priority, count in counts.items():
        broker.send(*"x" * count, priority=priority)
    left = dict(counts)
    for many in wanted:
        got = priorities(broker, broker.receive(group, many))
        assert len(got) == min(many, sum(left.values()))
        for priority in left:
            assert got.count(priority) >= min(many // PASSED_OVER, left[priority])
            left[priority] -= got.count(priority)


def test_in_the_long_run_the_lower_ones_get_one_of_twenty_each():
    broker = Broker()
    group = broker.join()
    for priority in (9, None, 1):
        broker.send(*"x" * 2_000, priority=priority)
    got = [priorities(broker, broker.receive(group, 1))[0] for _ in range(1_000)]
    assert [got.count(priority) for priority in (9, 5, 1)] == [901, 50, 49]


def test_the_lowest_gets_through_though_large_messages_use_up_each_receive():
    broker = Broker()
    group = broker.join()
    for priority in (9, 1):
        broker.send(*"x" * 200, priority=priority)
    got = []
    for _ in range(50):
        room = [4]

        def at_most_four(_, start, end, room=room):
            stop = min(end, start + room[0])
            room[0] -= stop - start
            return stop

        got += priorities(broker, broker.receive(group, 500, at_most_four))
    assert len(got) == 200
    assert 20 <= got.count(1) <= 60


def test_partitions_of_a_priority_that_is_rarely_served_take_turns():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    group = broker.join()
    for number in (0, 1):
        broker.send(*"x" * 50, partition=number, priority=1)
        broker.send(*"x" * 400, partition=number, priority=9)
    for _ in range(400):
        broker.receive(group, 1)
    ends = [group.cursors[group.queue.lanes[number, 1].number].next for number in (0, 1)]
    assert ends == [10, 10]


def test_what_seemed_ready_and_was_not_leaves_its_place_to_another():
    got = []

    def serve(numbers, count):
        got.append((list(numbers), count))
        return 0 if len(got) == 1 else count

    turns = Turns()
    turns._passed = {1: PASSED_OVER}
    turns.receive([(9, [0]), (1, [1])], 1, lambda _: 1, serve)
    assert got == [([1], 1), ([0], 1)]


# ---- keys and priorities --------------------------------------------------------------------------------------------


def test_a_key_in_flight_is_in_flight_for_all_lanes():
    broker = Broker()
    group = broker.join(order="key")
    broker.keyed("ab", priority=9)
    broker.keyed("aac")
    leases = broker.receive(group)
    assert [(priority, offset) for priority, offset in zip(priorities(broker, leases), offsets(leases), strict=True)] \
        == [(9, 0), (9, 1), (5, 2)]  # fmt: skip
    assert broker.receive(group) == []
    broker.engine.woken.clear()
    broker.ack(group, leases[0].lease_id, [0])
    assert broker.engine.woken == {group.id}
    assert offsets(broker.receive(group)) == [0]


def test_a_retry_holds_back_its_key_in_its_own_lane_only():
    broker = Broker()
    group = broker.join(order="key")
    broker.keyed("aa", priority=9)
    broker.keyed("a")
    (first,) = broker.receive(group)
    broker.engine.woken.clear()
    broker.nack(group, first.lease_id, delay=5.0)
    assert broker.engine.woken == {group.id}, "the lower one may go at once"
    (lower,) = broker.receive(group)
    assert priorities(broker, [lower]) == [5]
    broker.now += 5_000
    assert broker.receive(group) == []
    broker.ack(group, lower.lease_id)
    (again,) = broker.receive(group)
    assert (priorities(broker, [again]), again.start, again.attempt) == ([9], 0, 2)


@pytest.mark.parametrize("disturb", ["restart", "seek", "trim", "lane"])
def test_what_is_in_flight_is_known_again_after_the_lines_were_dropped(disturb):
    broker = Broker()
    group = broker.join(order="key")
    broker.keyed("xa", priority=9)
    broker.keyed("yab")
    for lease in broker.receive(group, 2):  # x, and a in the upper lane
        if lease.start == 0:
            broker.ack(group, lease.lease_id, [0])
    if disturb == "restart":
        broker.restart()
        group = broker.engine.group(QUEUE, "g")
    elif disturb == "trim":
        broker.do(broker.engine.decide_trim(broker.now, {group.queue.partitions[0].id: 1}))
    elif disturb == "lane":
        broker.keyed("a", priority=10)
    else:
        broker.do(broker.engine.decide_seek(broker.now, group, [0, 2]))  # ends all leases
    got = broker.receive(group)
    keys = [broker.contents.keys(lease.partition_id, o, o + 1)[0] for lease in got for o in offsets([lease])]
    assert keys == {"restart": ["y", "b"], "trim": ["b"], "lane": ["y", "b"], "seek": ["y", "a", "b"]}[disturb]


def test_an_offer_that_was_not_stored_does_not_hold_its_key():
    broker = Broker()
    group = broker.join(order="key")
    broker.keyed("a", priority=9)
    broker.keyed("a")
    for _ in range(2):
        lost = broker.engine.decide_receive(broker.now, group, 10, lambda _, __, end: end)
        assert priorities(broker, lost.operations) == [9]
    broker.contents.broken = True
    broker.keyed("b", priority=8)
    with pytest.raises(OMSRuntimeException):
        broker.receive(group)
    broker.contents.broken = False
    assert sorted(priorities(broker, broker.receive(group))) == [8, 9]


def test_a_look_at_what_comes_next_is_nobodys_turn():
    broker = Broker()
    group = broker.join()
    for priority in (9, 1):
        broker.send(*"x" * 100, priority=priority)
    got = []
    for _ in range(PASSED_OVER):
        for _ in range(3):
            broker.engine.decide_receive(broker.now, group, PASSED_OVER, lambda _, __, end: end)
        got += priorities(broker, broker.receive(group, 1))
    assert got == [9] * (PASSED_OVER - 1) + [1]
