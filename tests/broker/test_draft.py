from openmessaging.broker.draft import Draft, Limits
from openmessaging.broker.entry import CreateLane, CreateQueue, CreateShelf
from tests.broker.harness import QUEUE, Broker, code_of


def test_batches_for_one_partition_follow_each_other():
    broker = Broker()
    broker.send("0", "1")
    draft = Draft(broker.engine, Limits(), 5)
    draft.place(QUEUE, 0, broker.batch("2"))
    draft.place(QUEUE, None, broker.batch("3", "4"))
    entry = draft.entry()
    assert [(placed.base_offset, placed.count, placed.store_ms) for placed in entry.placed] == [(2, 1, 5), (3, 2, 5)]


def test_queues_made_in_a_draft_get_ids_of_their_own_and_take_batches():
    broker = Broker()
    broker.send("0")
    draft = Draft(broker.engine, Limits(default_partitions=2), 5)
    for name in ("default://a", "default://b", "default://a"):
        draft.require_queue(name)
    assert draft.operations == [CreateQueue("default://a", 2, 2, 2, {}), CreateQueue("default://b", 3, 4, 2, {})]
    for _ in range(3):
        draft.place("default://b", None, broker.batch("x"))
    assert [(placed.partition_id, placed.base_offset) for placed in draft.entry().placed] == [(4, 0), (5, 0), (4, 1)]
    assert code_of(draft.create_queue, "default://a", 1, {}) == 1406
    assert code_of(draft.place, "default://a", 2, broker.batch("x")) == 1418
    broker.do(draft.entry())
    assert broker.engine.next_partition_id == 6
    assert broker.engine.snapshot() == broker.replayed().snapshot()


def test_limits_count_what_the_draft_makes():
    broker = Broker()
    draft = Draft(broker.engine, Limits(max_queues=1, max_partitions=4), 5)
    draft.create_queue("default://a", 4, {})
    assert code_of(draft.create_queue, "default://b", 1, {}) == 1416
    draft.create_queue("default://b", 1, {}, limited=False)
    for partitions in (0, 5):
        assert code_of(draft.create_queue, "default://c", partitions, {}) == 1418
    assert code_of(draft.require_queue, "nowhere://c") == 1405
    assert code_of(Draft(broker.engine, Limits(auto_create=False), 5).require_queue, QUEUE) == 1404


def test_the_number_of_a_lane_stands_for_the_partition_it_belongs_to():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 3, {}))
    broker.send("0", partition=2, priority=9)
    broker.send("1", partition=1, priority=1)
    draft = Draft(broker.engine, Limits(), 5)
    assert [draft.base(QUEUE, number) for number in range(5)] == [0, 1, 2, 2, 1]
    assert [draft.base(QUEUE, number) for number in (5, 6, -1)] == [5, 6, -1]  # no partition's
    assert draft.base("default://missing", 3) == 3


def test_what_a_draft_makes_gets_ids_that_follow_each_other():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 2, {}))
    draft = Draft(broker.engine, Limits(), 5)
    draft.place_delayed(QUEUE, 1, broker.batch("a"), [9])
    draft.place_delayed(QUEUE, 0, broker.batch("b"), [9])
    draft.place_delayed(QUEUE, 1, broker.batch("c", "d"), [9, 8])
    draft.place(QUEUE, 0, broker.batch("e"), 9)
    assert draft.open_hall() == (6, 0)
    draft.require_queue("default://other")
    draft.place_delayed("default://other", 0, broker.batch("f"), [9])
    assert [each for each in draft.operations if not isinstance(each, CreateQueue)][:3] == [
        CreateShelf(1, 1, 3),
        CreateShelf(1, 0, 4),
        CreateLane(1, 5, 0, 9),
    ]
    assert draft.operations[-2:] == [CreateQueue("default://other", 2, 7, 1, {}), CreateShelf(2, 0, 8)]
    entry = draft.entry()
    assert [(placed.partition_id, placed.base_offset) for placed in entry.placed] == [
        (3, 0), (4, 0), (3, 1), (5, 0), (8, 0),
    ]  # fmt: skip
    assert entry.dues == {0: [9], 1: [9], 2: [9, 8], 4: [9]}
    broker.do(entry)
    assert broker.engine.next_partition_id == 9
    broker.do(broker.engine.decide_create_queue(broker.now, "default://last", 1, {}))
    assert broker.engine.queues["default://last"].partitions[0].id == 9
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_a_shelf_that_is_there_is_used_again():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 1, {}))
    for offset in range(2):
        draft = Draft(broker.engine, Limits(), 5)
        draft.place_delayed(QUEUE, None, broker.batch("a"), [9])
        placed = broker.do(draft.entry()).placed
        assert [(each.partition_id, each.base_offset) for each in placed] == [(2, offset)]
    assert broker.engine.next_partition_id == 3
