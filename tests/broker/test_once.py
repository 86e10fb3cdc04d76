"""Batches that are stored once: named producers and their numbers, keys within a window."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.broker import transactions
from openmessaging.broker.entry import OpenProducer, Remember
from openmessaging.broker.once import MAX_KEYS, MAX_PRODUCERS, MAX_RECENT, UNKNOWN, Once, Place, Recent
from openmessaging.model.batch import PRODUCER_BITS
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.unique import Unique
from tests.broker.harness import QUEUE, Broker, code_of

OTHER = "default://invoices"


@pytest.fixture
def broker() -> Broker:
    broker = Broker()
    broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 2, {"deduplication_window": 10}))
    return broker


def open_producer(broker: Broker, name: str = "p") -> int:
    broker.do(broker.engine.decide_open_producer(broker.now, name))
    return broker.engine.once.producers[name].epoch


def send(broker: Broker, unique: Unique, *messages: str, queue: str = QUEUE) -> Any:
    batch = broker.batch(*(messages or ("x",)))
    decision = broker.engine.decide_commit(broker.now, [OutgoingBatch(queue, 1, batch, unique=unique)], [])
    broker.do(decision.entry)
    return decision.known[0]


def stored(broker: Broker, queue: str = QUEUE) -> int:
    return sum(partition.end for partition in broker.engine.queues[queue].partitions)


def test_the_same_number_again_gives_the_first_place(broker: Broker) -> None:
    epoch = open_producer(broker)
    assert send(broker, Unique("p", epoch, 5), "a", "b") is None
    first = broker.now
    broker.now += 1_000
    again = send(broker, Unique("p", epoch, 5), "a", "b")
    assert (again.partition, again.offset, again.store_ms) == (1, 0, first)
    assert again.original == (first, 9, 0)
    part = send(broker, Unique("p", epoch, 6), "b")
    assert (part.partition, part.offset, part.store_ms, part.original) == (1, 1, first, (first, 9, 1))
    assert send(broker, Unique("p", epoch, 7)) is None
    assert send(broker, Unique("p", epoch, 2)) is None, "never stored, though later ones were"
    assert stored(broker) == 4
    with pytest.raises(OMSRuntimeException, match="numbers 6 to 8 were stored in part") as caught:
        send(broker, Unique("p", epoch, 6), "b", "c", "d")
    assert caught.value.code == 1418
    assert broker.engine.once.producers["p"].queues[QUEUE].last == 7
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_each_queue_has_numbers_of_its_own(broker: Broker) -> None:
    epoch = open_producer(broker)
    send(broker, Unique("p", epoch, 5))
    broker.do(broker.engine.decide_create_queue(broker.now, OTHER, 2, {}))
    assert send(broker, Unique("p", epoch, 5), queue=OTHER) is None
    broker.do(broker.engine.decide_delete_queue(broker.now, OTHER))
    broker.do(broker.engine.decide_create_queue(broker.now, OTHER, 2, {}))
    assert send(broker, Unique("p", epoch, 5), queue=OTHER) is None
    assert send(broker, Unique("p", epoch, 5)).offset == 0


def test_a_name_has_one_id_and_an_epoch_more_with_each_opening(broker: Broker) -> None:
    for name, drawn, producer_id in (
        ("a", 0.0, 0),
        ("b", 0.5, 1 << PRODUCER_BITS - 1),
        ("c", 0.25, 1 << PRODUCER_BITS - 2),
    ):
        for epoch, later in ((1, drawn), (2, 0.9)):
            entry = transactions.open_producer(broker.engine, broker.now, name, later)
            assert entry.operations == (OpenProducer(name, producer_id, epoch),)
            broker.do(entry)


def test_an_older_epoch_is_fenced(broker: Broker) -> None:
    old = open_producer(broker)
    send(broker, Unique("p", old, 1))
    broker.restart()
    new = open_producer(broker)
    assert new == old + 1
    assert code_of(send, broker, Unique("p", old, 2)) == 1409
    assert code_of(send, broker, Unique("q", 1, 2)) == 1409
    assert send(broker, Unique("p", new, 1)).offset == 0


def test_a_key_is_stored_once_within_the_window(broker: Broker) -> None:
    assert send(broker, Unique(key="order-1")) is None
    broker.now += 10_000
    broker.restart()
    assert send(broker, Unique(key="order-1")).offset == 0
    assert send(broker, Unique(key="order-2")) is None
    assert send(broker, Unique(key="order-1")).offset == 0, "which does not make it forgotten before its time"
    broker.now += 1
    assert send(broker, Unique(key="order-1")) is None
    assert stored(broker) == 3
    assert list(broker.engine.once.keys[QUEUE]) == ["order-2", "order-1"]
    assert code_of(send, broker, Unique(key="k"), "a", "b") == 1418
    assert code_of(send, broker, Unique(key="k"), queue=OTHER) == 1418
    assert broker.replayed().snapshot() == broker.engine.snapshot()


def test_a_queue_that_is_made_anew_remembers_nothing(broker: Broker) -> None:
    epoch = open_producer(broker)
    for _ in range(2):
        assert send(broker, Unique("p", epoch, 5, "order-1")) is None
        broker.do(broker.engine.decide_delete_queue(broker.now, QUEUE))
        broker.do(broker.engine.decide_create_queue(broker.now, QUEUE, 2, {"deduplication_window": 10}))


def test_twice_in_one_commit_is_once(broker: Broker) -> None:
    epoch = open_producer(broker)
    batches = [
        OutgoingBatch(QUEUE, 0, broker.batch("a"), unique=Unique(key="k")),
        OutgoingBatch(QUEUE, 1, broker.batch("a"), unique=Unique(key="k")),
        OutgoingBatch("default://new", 0, broker.batch("b"), unique=Unique("p", epoch, 1)),
        OutgoingBatch("default://new", 0, broker.batch("b"), unique=Unique("p", epoch, 1)),
    ]
    decision = broker.engine.decide_commit(broker.now, batches, [])
    assert [None if place is None else place[:2] for place in decision.known] == [None, (0, 0), None, (0, 0)]
    broker.do(decision.entry)
    assert (stored(broker), stored(broker, "default://new")) == (1, 1)


def test_memory_is_bounded() -> None:
    recent = Recent(batches={})
    for number in range(MAX_RECENT + 1):
        recent.add(2 * number, 1, Place(0, number, 0, None))
    assert (len(recent.batches), recent.floor) == (MAX_RECENT, 1)
    assert recent.find(0, 1) is UNKNOWN
    assert recent.find(1, 1) is None
    once = Once()
    for number in range(MAX_PRODUCERS + 1):
        once.open(OpenProducer(str(number), number, 1))
    assert len(once.producers) == MAX_PRODUCERS
    for number in range(MAX_KEYS + 1):
        once.remember(Remember(QUEUE, 0, number, 1, (0, 0, 0), None, 0, str(number), 1_000), 5)
    assert len(once.keys[QUEUE]) == MAX_KEYS
    assert "0" not in once.keys[QUEUE]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=60))
def test_numbers_agree_with_a_set(sends: list[tuple[int, int]]) -> None:
    """Below the number of batches that are remembered, a number is stored once and never lost."""
    recent, stored, offset = Recent(batches={}), {}, 0
    for sequence, count in sends:
        wanted = range(sequence, sequence + count)
        there = [number in stored for number in wanted]
        if all(there) and any(
            sequence >= first and sequence + count <= first + size for first, (size, _) in recent.batches.items()
        ):
            place = recent.find(sequence, count)
            assert place is not None
            assert place.offset == stored[sequence]
        elif any(there):
            assert code_of(recent.find, sequence, count) == 1418
        else:
            assert recent.find(sequence, count) is None
            recent.add(sequence, count, Place(0, offset, 0, (0, 0, sequence)))
            for number in wanted:
                stored[number] = offset
                offset += 1
