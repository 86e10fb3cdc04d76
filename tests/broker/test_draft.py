from openmessaging.broker.draft import Draft, Limits
from openmessaging.broker.entry import CreateQueue
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
