"""Who waits in the hall, and that what waits outlives the segments it was written in."""

import pytest

from openmessaging.broker.hall import Prepared, PreparedMessages
from openmessaging.broker.transactor import Transactor
from openmessaging.model.errors import OMSTransactionException
from openmessaging.model.spi import OutgoingBatch
from openmessaging.model.transaction import Preparation, TransactionCheck
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.stores import QUEUE, open_client, simulated


def waiting(name: str, offset: int, next_ms: int = 10, expire_ms: int = 100, limit: int = 1) -> Prepared:
    return Prepared(name, offset, QUEUE, None, "shop", 0, next_ms, 5, limit, expire_ms, {})


def test_the_oldest_that_waits_holds_the_rest():
    state = PreparedMessages()
    hall = state.open(7)
    hall.end = 3
    for offset, name in enumerate("abc"):
        state.add(waiting(name, offset))
    assert hall.consumed_before() == 0
    state.decide("b", True)
    assert hall.consumed_before() == 0
    state.decide("a", False)
    assert hall.consumed_before() == 2
    state.decide("c", True)
    assert hall.consumed_before() == 3
    assert state.decided == {"b": True, "a": False, "c": True}


def test_when_the_next_is_rolled_back():
    state = PreparedMessages()
    assert state.next_end() is None
    state.add(waiting("a", 0))
    state.add(waiting("b", 1, expire_ms=50))
    assert state.next_end() == 50
    state.checked("a", 15)
    assert state.next_end() == 15
    assert state.overdue(14) == []
    assert [each.transaction_id for each in state.overdue(15)] == ["a"]
    state.decide("a", False)
    state.decide("b", False)
    assert state.next_end() is None
    assert state.overdue(1_000) == []


def test_what_waits_outlives_its_segment_and_restarts():
    disk, clock = simulated(), SimulatedClock()
    client = open_client("/store", disk=disk, clock=clock)
    transactor = Transactor(client.runner)
    times = TransactionCheck(first=1, interval=1, limit=3)
    for name in ("kept", "dropped"):
        batch = OutgoingBatch(QUEUE, None, client.batch(name))
        transactor.prepare(Preparation(batch, name, "shop", times))
    group = client.join("g", "default://filler")
    for _ in range(60):
        client.send("x" * 4_000, queue="default://filler")
        client.receive(group)
    client.upkeep()
    assert client.runner.storage.min_index() > 2, "the segment with the prepared messages is gone"
    clock.advance(1)
    first, _ = transactor.checks("shop", 10)
    assert (first.transaction_id, first.checks, first.destination) == ("kept", 1, QUEUE)
    client.runner.flush()
    disk.crash()
    client = open_client("/store", disk=disk, clock=clock)
    transactor = Transactor(client.runner)
    assert [each.checks for each in transactor.in_doubt()] == [1, 1]
    assert transactor.end("kept", True).base_offset == 0
    assert transactor.end("kept", True) is None
    assert transactor.end("dropped", False) is None
    assert client.browse() == ["kept"]
    client.close()
    disk.crash()
    client = open_client("/store", disk=disk, clock=clock)
    with pytest.raises(OMSTransactionException, match="committed"):
        Transactor(client.runner).end("kept", False)
    assert client.browse() == ["kept"]
    client.close()


def test_a_new_hall_begins_at_the_beginning() -> None:
    hall = PreparedMessages().open(7)
    assert (hall.id, hall.start, hall.end, hall.consumed_before()) == (7, 0, 0, 0)
