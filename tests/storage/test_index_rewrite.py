import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.index import IndexEntry, PartitionIndexes
from tests.broker.stores import simulated


def filled(disk, count=400):
    indexes = PartitionIndexes(disk, "/index")
    for number in range(count):
        indexes.add(7, number * 2, 2, number * 100, 90, 1_000 + number)
    return indexes


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_new_beginning_and_the_old_rest(on_disk):
    disk = simulated() if on_disk else None
    indexes = filled(disk)
    new = indexes.rewrite(7)
    for number in range(0, 300, 10):
        new.add(IndexEntry(number * 2 + 1, 1, 90_000 + number, 50, 1_000 + number))
    assert indexes.find(7, 2).position == 100
    indexes.replace(new, 600)
    assert indexes.find(7, 0) is None
    assert (indexes.find(7, 1).position, indexes.next(7, 2).base_offset) == (90_000, 21)
    assert (indexes.find(7, 600).position, indexes.find(7, 799).position) == (30_000, 39_900)
    assert (indexes.before(7, 600).base_offset, indexes.before(7, 1)) == (581, None)
    indexes.add(7, 800, 1, 5, 5, 5_000)
    assert indexes.find_time(7, 1_300).base_offset == 600
    if on_disk:
        indexes.sync()
        disk.crash()
        again = PartitionIndexes(disk, "/index")
        again.restore(7, 801)
        assert (again.find(7, 1).position, again.find(7, 800).position) == (90_000, 5)


def test_many_entries_do_not_wait_in_memory():
    indexes = filled(simulated(), 5_000)
    new = indexes.rewrite(7)
    for number in range(10_000):
        new.add(IndexEntry(number, 1, number, 50, 1_000))
    assert (new.total, len(new.entries) < 5_000) == (10_000, True)
    indexes.replace(new, 10_000)
    assert indexes.find(7, 9_999).position == 9_999


def test_what_fails_leaves_the_old_one():
    disk = simulated()
    indexes = filled(disk)
    new = indexes.rewrite(7)
    new.add(IndexEntry(0, 2, 1, 1, 1_000))
    disk.fail_sync_in = 1
    with pytest.raises(OMSRuntimeException) as caught:
        indexes.replace(new, 2)
    assert caught.value.code == 1501
    assert indexes.find(7, 0).position == 0
    gone = indexes.rewrite(8)
    indexes.replace(gone, 0)
    assert indexes.find(8, 0) is None
