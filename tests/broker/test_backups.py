"""A moment of a running store is held and read."""

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmessaging.broker.holds import Holds
from openmessaging.broker.store import Store, StoreOptions, open_memory, open_store
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.backup import STATE
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.message import Record
from openmessaging.model.spi import OutgoingBatch
from openmessaging.simulation.clock import SimulatedClock

QUEUE = "default://orders"


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def store(tmp_path: Path, clock: SimulatedClock) -> Iterator[Store]:
    options = StoreOptions(segment_bytes=64 * 1024, flush="never")
    opened = open_store(str(tmp_path / uuid.uuid4().hex), options, clock=clock, chance=random.Random(1), upkeep=False)
    yield opened
    opened.close()


@pytest.fixture
def driver(store: Store) -> BlockingEmbeddedDriver:
    return BlockingEmbeddedDriver(store, lambda: None)


def fill(store: Store, count: int) -> None:
    for number in range(count):
        records = [Record(bytes(10_000))]
        batch = encode(records, shared=encode_shared({}), born_ms=1, producer_id=7, first_sequence=number)
        store.runner.send([OutgoingBatch(QUEUE, None, batch)])


def give_back(store: Store) -> None:
    """Upkeep, until it has given up what it may."""
    for _ in range(4):
        store.maintenance.snapshot(again=True)
        store.maintenance.work(full_round=True)


def test_no_segment_goes_while_it_is_read(store: Store, driver: BlockingEmbeddedDriver, clock: SimulatedClock) -> None:
    fill(store, 30)
    plan = driver.begin_backup()
    driver.purge_queue(QUEUE)
    give_back(store)
    assert store.runner.storage.min_index() == 0
    for segment in plan.segments:
        assert len(driver.read_backup(plan.id, segment.base_position, 0, segment.size_bytes)) == segment.size_bytes
    assert len(driver.read_backup(plan.id, STATE, 0, 1 << 20)) == plan.state_bytes
    driver.end_backup(plan.id)
    driver.end_backup(plan.id)
    give_back(store)
    assert store.runner.storage.min_index() > 0
    with pytest.raises(OMSRuntimeException, match="this backup is over"):
        driver.read_backup(plan.id, STATE, 0, 1)
    with pytest.raises(OMSRuntimeException, match="outside the log"):
        driver.read_backup(driver.begin_backup().id, 0, 0, 1)


def test_nobody_reads_and_space_goes_again(store: Store, driver: BlockingEmbeddedDriver, clock: SimulatedClock) -> None:
    fill(store, 30)
    driver.begin_backup()
    driver.purge_queue(QUEUE)
    clock.advance(Holds.SECONDS + 1)
    give_back(store)
    assert store.runner.storage.min_index() > 0


def test_it_is_a_moment(store: Store, driver: BlockingEmbeddedDriver) -> None:
    fill(store, 3)
    plan = driver.begin_backup()
    fill(store, 3)
    later = driver.begin_backup()
    assert later.index == plan.index + 3
    assert later.digest != plan.digest
    assert later.position > plan.position
    assert later.segments[0].size_bytes >= plan.segments[0].size_bytes
    assert driver.begin_backup().digest == later.digest


@pytest.mark.parametrize(("at", "size"), [(-1, 1), (0, (4 << 20) + 1), (0, -1)])
def test_pieces_have_bounds(driver: BlockingEmbeddedDriver, at: int, size: int) -> None:
    with pytest.raises(OMSRuntimeException, match="1418"):
        driver.read_backup(driver.begin_backup().id, STATE, at, size)


def test_a_store_in_memory_has_none() -> None:
    store = open_memory(StoreOptions(), upkeep=False)
    with pytest.raises(OMSUnsupportException):
        BlockingEmbeddedDriver(store, lambda: None).begin_backup()
    store.close()
