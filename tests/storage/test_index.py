import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.index import IndexDamaged, IndexEntry, PartitionIndexes
from openmessaging.storage.index_file import ENTRY_BYTES, HEADER_BYTES

DIRECTORY = "/store/index"


def filled(disk: SimulatedDisk | None, entries: int = 1_000, count: int = 3) -> PartitionIndexes:
    indexes = PartitionIndexes(disk, DIRECTORY)
    for number in range(entries):
        indexes.add(1, number * count, count, number * 100, 90, 1_000 + number * 10)
    return indexes


@pytest.fixture(params=["disk", "memory"])
def maybe_disk(request: pytest.FixtureRequest, disk: SimulatedDisk) -> SimulatedDisk | None:
    return disk if request.param == "disk" else None


def test_the_batch_that_holds_an_offset(maybe_disk: SimulatedDisk | None) -> None:
    indexes = filled(maybe_disk)
    for offset in (0, 1, 2, 3, 1_500, 2_999, 2, 2_998, 0):
        number = offset // 3
        assert indexes.find(1, offset) == IndexEntry(number * 3, 3, number * 100, 90, 1_000 + number * 10)
    assert indexes.find(1, 3_000) is None
    assert indexes.find(2, 0) is None
    assert indexes.next(2, 0) is None
    assert indexes.find_time(2, 0) is None


def test_several_readers_in_turn(maybe_disk: SimulatedDisk | None) -> None:
    indexes = filled(maybe_disk)
    readers = [0, 300, 1_500]
    for _ in range(100):
        for place, offset in enumerate(readers):
            entry = indexes.next(1, offset)
            assert entry is not None
            assert entry.base_offset == offset
            readers[place] = offset + entry.count


def test_gaps_have_a_next_but_no_holder(maybe_disk: SimulatedDisk | None) -> None:
    indexes = PartitionIndexes(maybe_disk, DIRECTORY)
    indexes.add(1, 10, 5, 0, 9, 1)
    indexes.add(1, 20, 5, 100, 9, 2)
    assert indexes.find(1, 16) is None
    following = indexes.next(1, 16)
    assert following is not None
    assert following.base_offset == 20
    assert indexes.find(1, 9) is None
    assert indexes.next(1, 25) is None


def test_times_never_fall(maybe_disk: SimulatedDisk | None) -> None:
    indexes = PartitionIndexes(maybe_disk, DIRECTORY)
    for number, timestamp in enumerate([100, 200, 150, 200, 300]):
        indexes.add(1, number, 1, number, 9, timestamp)
    found = [indexes.find_time(1, timestamp) for timestamp in (0, 100, 101, 200, 201, 301)]
    assert [entry and entry.base_offset for entry in found] == [0, 0, 1, 1, 4, None]


def test_relocation_in_memory_and_in_the_file(maybe_disk: SimulatedDisk | None) -> None:
    indexes = filled(maybe_disk)
    for number in (0, 500, 999):
        assert indexes.find(1, number * 3) is not None
        assert indexes.relocate(1, number * 3, 7_000_000 + number)
        entry = indexes.find(1, number * 3 + 1)
        assert entry == IndexEntry(number * 3, 3, 7_000_000 + number, 90, 1_000 + number * 10)
    assert not indexes.relocate(1, 4, 1)
    assert not indexes.relocate(1, 9_000, 1)
    assert not indexes.relocate(2, 0, 1)


def test_trimming_forgets_and_a_dead_file_is_rewritten(disk: SimulatedDisk) -> None:
    indexes = filled(disk, 80_000, 1)
    indexes.trim(1, 10)
    indexes.trim(2, 10)
    assert indexes.next(1, 0) == indexes.find(1, 10)
    indexes.sync()
    before = disk.open(f"{DIRECTORY}/1.idx").size()
    indexes.trim(1, 70_000)
    assert disk.open(f"{DIRECTORY}/1.idx").size() == before - 70_000 * ENTRY_BYTES
    indexes.add(1, 80_000, 1, 1, 1, 1)
    disk.crash()
    again = PartitionIndexes(disk, DIRECTORY)
    again.restore(1, 80_000, 70_000)
    assert again.find(1, 69_999) is None
    for offset in (70_000, 79_999):
        entry = again.find(1, offset)
        assert entry is not None
        assert entry.position == offset * 100


def test_trimming_in_memory_frees(maybe_disk: SimulatedDisk | None) -> None:
    indexes = filled(maybe_disk)
    indexes.trim(1, 1_501)
    assert indexes.find(1, 1_499) is None
    first = indexes.next(1, 0)
    assert first is not None
    assert first.base_offset == 1_500
    indexes.add(1, 3_000, 1, 5, 5, 99_999)
    assert indexes.find(1, 3_000) is not None
    indexes.trim(1, 3_001)
    assert indexes.next(1, 0) is None


def test_a_failed_rewrite_leaves_the_old_file(disk: SimulatedDisk) -> None:
    indexes = filled(disk, 80_000, 1)
    indexes.sync()
    disk.fail_sync_in = 1
    indexes.trim(1, 70_000)
    assert indexes.find(1, 69_999) is None
    assert indexes.find(1, 75_000) is not None


def test_dropping_removes_the_file(disk: SimulatedDisk) -> None:
    indexes = filled(disk)
    indexes.sync()
    assert disk.list(DIRECTORY) == ["1.idx"]
    indexes.drop(1)
    indexes.drop(2)
    assert disk.list(DIRECTORY) == []
    assert indexes.find(1, 0) is None
    filled(None).drop(1)


def test_after_a_crash_the_synced_part_is_taken_up(disk: SimulatedDisk) -> None:
    for seed in range(20):
        disk = SimulatedDisk(random.Random(seed))
        indexes = filled(disk, 500)
        indexes.sync()
        for number in range(500, 900):
            indexes.add(1, number * 3, 3, number * 100, 90, 0)
        disk.crash()
        indexes = PartitionIndexes(disk, DIRECTORY)
        indexes.restore(1, 1_500)
        assert indexes.find(1, 1_500) is None
        indexes.add(1, 1_500, 1, 5, 5, 5)
        entry = indexes.find(1, 1_500)
        assert entry is not None
        assert (entry.position, entry.timestamp_ms) == (5, 5_990)
        entry = indexes.find(1, 1_499)
        assert entry is not None
        assert entry.position == 49_900
        indexes.close()


def test_an_index_that_does_not_reach_is_damaged(disk: SimulatedDisk) -> None:
    indexes = filled(disk, 500)
    indexes.sync()
    again = PartitionIndexes(disk, DIRECTORY)
    for partition_id, end, start, why in (
        (2, 3, None, "is missing"),
        (1, 1_502, None, "does not reach"),
        (1, 1_499, None, "does not reach"),
    ):
        with pytest.raises(IndexDamaged, match=why) as caught:
            again.restore(partition_id, end, start)
        assert caught.value.partition_id == partition_id
    disk.open(f"{DIRECTORY}/1.idx").truncate(HEADER_BYTES)
    with pytest.raises(IndexDamaged, match="has no entries"):
        again.restore(1, 1_500)
    late = PartitionIndexes(disk, DIRECTORY)
    late.add(5, 100, 10, 0, 0, 0)
    late.sync()
    with pytest.raises(IndexDamaged, match="begins after offset 50"):
        PartitionIndexes(disk, DIRECTORY).restore(5, 110, 50)


def test_nothing_needed_is_nothing_to_restore(disk: SimulatedDisk) -> None:
    indexes = PartitionIndexes(disk, DIRECTORY)
    indexes.restore(1, 0)
    indexes.restore(2, 70, 70)
    filled(None, 0).restore(1, 5)
    assert indexes.find(2, 69) is None


@pytest.mark.parametrize("position", [3, HEADER_BYTES - 300, HEADER_BYTES + 10, HEADER_BYTES + 32 * 250 + 31])
def test_a_flipped_bit_is_damage_not_a_wrong_answer(disk: SimulatedDisk, position: int) -> None:
    indexes = filled(disk, 500)
    indexes.sync()
    disk.flip_bit(f"{DIRECTORY}/1.idx", position, 2)
    again = PartitionIndexes(disk, DIRECTORY)

    def read_all() -> None:
        again.restore(1, 1_500)
        for number in range(500):
            assert again.find(1, number * 3) == IndexEntry(number * 3, 3, number * 100, 90, 1_000 + number * 10)

    with pytest.raises(IndexDamaged):
        read_all()


def test_a_file_that_vanished_is_damage(disk: SimulatedDisk) -> None:
    indexes = filled(disk, 500)
    indexes.sync()
    disk.kill()  # the open file is no longer of use
    with pytest.raises(IndexDamaged, match="cannot read"):
        indexes.find(1, 0)


def test_offsets_must_grow(maybe_disk: SimulatedDisk | None) -> None:
    indexes = filled(maybe_disk)
    indexes.add(1, 2_999, 1, 0, 0, 0)
    with pytest.raises(IndexDamaged, match="offset 2999 was added after 3000"):
        indexes.find(1, 0)


def test_a_partition_that_is_not_restored_starts_anew(disk: SimulatedDisk) -> None:
    filled(disk, 500).sync()
    indexes = PartitionIndexes(disk, DIRECTORY)
    indexes.add(1, 0, 1, 77, 1, 1)
    indexes.sync()
    again = PartitionIndexes(disk, DIRECTORY)
    again.restore(1, 1)
    entry = again.find(1, 0)
    assert entry is not None
    assert entry.position == 77
    assert disk.open(f"{DIRECTORY}/1.idx").size() == HEADER_BYTES + ENTRY_BYTES


def test_a_full_or_failing_disk_loses_nothing_and_sync_tells(disk: SimulatedDisk) -> None:
    indexes = PartitionIndexes(disk, DIRECTORY)
    disk.capacity_bytes = 1_000
    for number in range(1_000):
        indexes.add(1, number, 1, number, 1, 1)
    entry = indexes.find(1, 500)
    assert entry is not None
    assert entry.position == 500
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot write an index .*No space left"):
        indexes.sync()
    disk.capacity_bytes = 1 << 30
    disk.fail_sync_in = 1
    with pytest.raises(OMSRuntimeException, match="1501"):
        indexes.sync()
    indexes.add(1, 1_000, 1, 1_000, 1, 1)
    indexes.sync()
    disk.crash()
    again = PartitionIndexes(disk, DIRECTORY)
    again.restore(1, 1_001)
    assert [again.find(1, offset) and offset for offset in (0, 500, 1_000)] == [0, 500, 1_000]


def test_other_failures_of_the_disk_are_named(disk: SimulatedDisk) -> None:
    indexes = filled(disk, 500)
    indexes.sync()
    disk.fail_write_in = 1
    with pytest.raises(OMSRuntimeException, match=r"1501 .*cannot write an index"):
        indexes.relocate(1, 0, 5)


def test_many_partitions_do_not_pile_up_in_memory(disk: SimulatedDisk) -> None:
    indexes = PartitionIndexes(disk, DIRECTORY)
    for number in range(40_000):
        indexes.add(number % 1_000, number // 1_000, 1, number, 1, 1)
    indexes.find(0, 0)
    assert sum(len(partition.tail) for partition in indexes._partitions.values()) <= 17_500
    for partition_id in (0, 999):
        entry = indexes.find(partition_id, 39)
        assert entry is not None
        assert entry.position == 39_000 + partition_id


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 5), st.integers(0, 3)),
            st.tuples(st.just("trim"), st.integers(0, 300)),
            st.tuples(st.just("sync")),
            st.tuples(st.just("find"), st.integers(0, 400)),
            st.tuples(st.just("relocate"), st.integers(0, 60)),
        ),
        max_size=80,
    ),
    st.booleans(),
)
def test_an_index_is_a_list(steps: list[tuple], in_memory: bool) -> None:
    disk = SimulatedDisk(random.Random(0))
    indexes = PartitionIndexes(None if in_memory else disk, DIRECTORY)
    model: list[IndexEntry] = []
    end = 0
    start = 0
    for name, *arguments in steps:
        if name == "add":
            count, gap = arguments
            end += gap
            model.append(IndexEntry(end, count, len(model), 1, 0))
            indexes.add(1, end, count, len(model) - 1, 1, 0)
            end += count
        elif name == "trim":
            start = max(start, arguments[0])
            indexes.trim(1, start)
            model = [entry for entry in model if entry.base_offset + entry.count > start]
        elif name == "sync":
            indexes.sync()
        elif name == "relocate" and model:
            place = arguments[0] % len(model)
            entry = model[place]
            model[place] = IndexEntry(entry.base_offset, entry.count, entry.position + 1_000, 1, 0)
            assert indexes.relocate(1, entry.base_offset, entry.position + 1_000)
        elif name == "find":
            following = [entry for entry in model if entry.base_offset + entry.count > arguments[0]]
            assert indexes.next(1, arguments[0]) == (following[0] if following else None)
            held = following[0] if following and following[0].base_offset <= arguments[0] else None
            assert indexes.find(1, arguments[0]) == held
