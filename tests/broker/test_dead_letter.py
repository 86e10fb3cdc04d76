import pytest

from openmessaging.broker import copying
from openmessaging.broker.draft import Limits
from openmessaging.broker.entry import CreateQueue, Retry, Settle
from openmessaging.model.batch import KEYED, OWN_IDS, decode
from openmessaging.model.dead_letter import REDRIVES
from openmessaging.model.message import Record
from tests.broker.harness import QUEUE, Broker

DEAD = f"{QUEUE}.g.dead-letter"


def buried(*records: Record, **settings):
    """A broker whose messages were received once too often, with the entry that buried them."""
    broker = Broker(**settings)
    broker.send(*records)
    group = broker.join(max_delivery=1)
    (lease,) = broker.receive(group)
    return broker, broker.nack(group, lease.lease_id)


def stored(entry) -> list[Record]:
    return [record for batch in entry.batches for record in decode(batch.head + batch.payload)[2]]


def test_a_dead_letter_keeps_what_it_was_and_says_what_happened():
    broker, entry = buried(Record(b"0"), Record(b"1", "k", {"p": True}, {"priority": 7}))
    create, settle = entry.operations
    assert isinstance(create, CreateQueue)
    assert (create.name, create.partitions) == (DEAD, 1)
    assert settle == Settle(1, None)
    assert entry.placed[0].partition_id == create.first_partition_id
    header, shared, records = decode(entry.batches[0].head + entry.batches[0].payload)
    assert header.attributes == OWN_IDS | KEYED
    assert shared == {}
    own = {"messageId": f"{1000:012x}{9:010x}{1:010x}", "bornTimestamp": 1000, "bornHost": "here", "priority": 7}
    facts = {"reason": "no good", "queue": QUEUE, "group": "g", "partition": 0, "offset": 1, "time": 1000}
    properties = {"p": True, "dead-letter.delivery-count": 1, **{f"dead-letter.{k}": v for k, v in facts.items()}}
    assert records[1] == Record(b"1", "k", properties, own)
    assert broker.engine.leases == {}


def test_only_the_brokers_own_ids_are_believed():
    broker, entry = buried(Record(b"0", headers={"messageId": "forged", "bornHost": "nowhere"}))
    own = stored(entry)[0].headers
    assert own["messageId"] == f"{1000:012x}{9:010x}{0:010x}"
    assert own["bornHost"] == "here"
    broker.now += 5
    group = broker.join("operator", DEAD, max_delivery=1)
    (lease,) = broker.receive(group)
    twice = stored(broker.nack(group, lease.lease_id))[0]
    assert twice.headers == own
    assert twice.properties["dead-letter.queue"] == DEAD


def test_the_second_finds_the_queue_and_a_long_reason_is_cut():
    broker, _ = buried(Record(b"0"))
    broker.send(Record(b"1"))
    group = broker.engine.group(QUEUE, "g")
    (lease,) = broker.receive(group)
    entry = broker.do(broker.engine.decide_nack(broker.now, group.id, lease.lease_id, [1], None, "x" * 5_000))
    assert [type(operation) for operation in entry.operations] == [Settle]
    assert len(stored(entry)[0].properties["dead-letter.reason"]) == 1_000
    assert broker.engine.queues[DEAD].partitions[0].end == 2


def test_the_queue_of_dead_letters_ignores_limits():
    limits = Limits(auto_create=False, max_queues=1)
    broker = Broker(limits)
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 1, {}))
    broker.send("0")
    group = broker.join(max_delivery=1)
    broker.nack(group, broker.receive(group)[0].lease_id)
    assert DEAD in broker.engine.queues


@pytest.mark.parametrize(("most", "counts"), [(11, [2, 2, 2, 1]), (12, [2, 2, 2, 1]), (13, [3, 3, 1])])
def test_large_letters_go_in_several_batches(monkeypatch, most, counts):
    monkeypatch.setattr(copying, "_BATCH_BYTES", most)
    _, entry = buried(*[Record(b"x" * 6) for _ in range(7)])
    assert [placed.count for placed in entry.placed] == counts
    assert [placed.base_offset for placed in entry.placed] == [sum(counts[:at]) for at in range(len(counts))]


@pytest.mark.parametrize(("keys", "keyed"), [((None, None), 0), (("a", "b"), KEYED), ((None, "b"), KEYED)])
def test_a_batch_of_dead_letters_says_whether_it_has_keys(keys, keyed):
    _, entry = buried(*[Record(b"", key) for key in keys])
    header, _, _ = decode(entry.batches[0].head + entry.batches[0].payload)
    assert (header.attributes, header.producer_id, header.first_sequence) == (OWN_IDS | keyed, 0, 0)


def test_what_cannot_be_read_stays():
    broker = Broker()
    broker.send("0")
    group = broker.join(max_delivery=1)
    (lease,) = broker.receive(group)
    broker.contents.broken = True
    (operation,) = broker.nack(group, lease.lease_id).operations
    assert operation == Retry(lease.lease_id, None, broker.now + 1_000)
    assert DEAD not in broker.engine.queues


def redrive(broker: Broker, target: str | None = None):
    group = broker.join("again", DEAD)
    (lease,) = broker.receive(group)
    return broker.do(broker.engine.decide_move(broker.now, group.id, lease.lease_id, None, target, 5)[0])


def test_redrive_goes_back_under_the_old_id():
    broker, entry = buried(Record(b"0", "k"), Record(b"1", None, {"p": 1}))
    dead = stored(entry)
    entry = redrive(broker)
    assert [type(operation) for operation in entry.operations] == [Settle]
    back = stored(entry)
    once = {REDRIVES: 1}
    assert back == [Record(b"0", "k", once, dead[0].headers), Record(b"1", None, {"p": 1, **once}, dead[1].headers)]
    assert entry.placed[0].base_offset == 2
    assert broker.engine.group(DEAD, "again").lag() == 0
    assert broker.engine.group(QUEUE, "g").lag() == 2


def test_redrive_elsewhere_makes_the_queue():
    broker, _ = buried(Record(b"0"))
    redrive(broker, "default://other")
    assert broker.engine.queues["default://other"].partitions[0].end == 1


@pytest.mark.parametrize("number", [0, 2])
def test_redrive_keeps_the_partition_where_there_is_one(number):
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 3, {}))
    broker.send("0", partition=number)
    group = broker.join(max_delivery=1)
    broker.nack(group, broker.receive(group)[0].lease_id)
    redrive(broker)
    assert broker.engine.queues[QUEUE].partitions[number].end == 2


def test_redrive_to_a_queue_with_fewer_partitions():
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(0, QUEUE, 2, {}))
    broker.send("0", partition=1)
    broker.send("1", queue="default://other")
    group = broker.join(max_delivery=1)
    broker.nack(group, broker.receive(group)[0].lease_id)
    redrive(broker, "default://other")
    assert [partition.end for partition in broker.engine.queues["default://other"].partitions] == [2]


def test_redrive_of_what_is_no_dead_letter():
    broker = Broker()
    broker.send("0", "1")
    group = broker.join()
    (lease,) = broker.receive(group)
    move = broker.engine.decide_move
    entry, refused = move(broker.now, group.id, lease.lease_id, [0], None, 5)
    assert (entry.operations, [each.offset for each in refused]) == ([], [0])
    entry = broker.do(move(broker.now, group.id, lease.lease_id, [1], "default://other", 5)[0])
    assert entry.operations[-1] == Settle(lease.lease_id, [(1, 2)])
    assert broker.engine.leases[lease.lease_id].left == [0, 1]


def test_one_letter_that_must_stay_does_not_stop_the_others():
    broker, _ = buried(Record(b"0"), Record(b"1", None, {REDRIVES: 2}), Record(b"2"))
    broker.send(Record(b"of unknown origin"), queue=DEAD)
    group = broker.join("again", DEAD)
    (lease,) = broker.receive(group, 10)
    entry, refused = broker.engine.decide_move(broker.now, group.id, lease.lease_id, None, None, 2)
    broker.do(entry)
    assert [record.data for record in stored(entry)] == [b"0", b"2"]
    assert [(each.offset, each.reason[:11]) for each in refused] == [(1, "it was sent"), (3, "it does not")]
    assert broker.engine.leases[lease.lease_id].left == [1, 2, 3, 4]
    assert group.lag() == 2


def test_redrives_are_counted_over_deaths():
    broker, _ = buried(Record(b"0"))
    for times in (1, 2, 3):
        assert stored(redrive(broker))[0].properties == {REDRIVES: times}
        group = broker.engine.group(QUEUE, "g")
        (lease,) = broker.receive(group)
        assert stored(broker.nack(group, lease.lease_id))[0].properties[REDRIVES] == times
    group = broker.engine.group(DEAD, "again")
    (lease,) = broker.receive(group)
    assert broker.engine.decide_move(broker.now, group.id, lease.lease_id, None, None, 3)[1][0].offset == 3


@pytest.mark.parametrize("reading", [True, False])
def test_after_a_start_those_on_their_last_attempt_are_dead(reading):
    broker = Broker()
    broker.send("0", "1")
    group = broker.join(max_delivery=1)
    leases = broker.receive(group, bound=lambda _, start, __: start + 1)
    broker.ack(group, leases[0].lease_id)
    broker.contents.broken = not reading
    entry = broker.do(broker.engine.decide_release_all(broker.now))
    assert len(entry.placed) == reading
    assert group.retrying() == (not reading)
    assert broker.engine.decide_release_all(broker.now) is None
