import errno

import pytest

from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.segment.format import SEGMENT_HEADER_BYTES
from openmessaging.storage.segment.writer import (
    Spare,
    capacity_for,
    fill_zeros,
    load_segment,
    new_segment,
    reserve_bytes,
)


def test_a_segment_keeps_a_part_back() -> None:
    assert reserve_bytes(64 << 20) == 4 << 20
    assert reserve_bytes(4 << 20) == 256 << 10
    assert reserve_bytes(64 << 10) == 16 << 10
    segment, _ = new_segment("/log", 3, 1000, 64 << 10, 0)
    assert segment.hard_end == 1000 + (64 << 10) - SEGMENT_HEADER_BYTES
    assert segment.soft_end == segment.hard_end - (16 << 10)


@pytest.mark.parametrize("entry_bytes", [40, 40_000, 49_000, 70_000, 10 << 20, 64 << 20])
def test_an_entry_fits_the_segment_made_for_it(entry_bytes: int) -> None:
    capacity = capacity_for(entry_bytes, 64 << 10)
    assert entry_bytes <= capacity - SEGMENT_HEADER_BYTES - reserve_bytes(capacity)
    assert capacity == 64 << 10 or entry_bytes > 40_000


def test_a_spare_becomes_a_segment(disk: SimulatedDisk) -> None:
    disk.make_directory("/log")
    spare = Spare(disk, "/log", "spare-1", 64 << 10)
    spare.make(zero_fill=True)
    segment, header = new_segment("/log", 3, 1000, spare.capacity, 9)
    spare.publish(segment, header)
    disk.crash()
    assert disk.list("/log") == [f"{1000:020d}.seg"]
    loaded = load_segment(disk.open(segment.path), segment.path)
    assert (loaded.base_index, loaded.base_position, loaded.capacity, loaded.seed) == (3, 1000, 64 << 10, segment.seed)


def test_no_space_leaves_nothing_behind(disk: SimulatedDisk) -> None:
    disk.make_directory("/log")
    disk.capacity_bytes = 90_000
    spare = Spare(disk, "/log", "spare-1", 64 << 10)
    with pytest.raises(OSError, match="no space") as caught:
        spare.make(zero_fill=False)
    assert caught.value.errno == errno.ENOSPC
    disk.capacity_bytes = 1 << 30
    disk.fail_sync_in = 1
    with pytest.raises(OSError, match="Input/output"):
        spare.make(zero_fill=False)
    assert disk.list("/log") == []


def test_zeros_are_written_and_synced_on_the_way(disk: SimulatedDisk) -> None:
    disk.make_directory("/log")
    file = disk.open("/log/x", create=True)
    disk.sync_directory("/log")
    fill_zeros(file, 100, (9 << 20) + 5)
    assert file.size() == (9 << 20) + 5
    disk.crash()
    assert disk.open("/log/x").size() >= 8 << 20
