import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.simulation.disk import SimulatedDisk
from openmessaging.storage.cache import BlockCache, OpenFiles
from openmessaging.storage.index_file import (
    ENTRY_BYTES,
    HEADER_BYTES,
    IndexDamaged,
    IndexEntry,
    IndexFile,
    check_header,
    encode_entry,
    encode_header,
    entry_is_whole,
    entry_seed,
)

ENTRIES = st.builds(
    IndexEntry,
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**48 - 1),
)


@given(ENTRIES, st.integers(0, 2**40), st.integers(0, ENTRY_BYTES * 8 - 1))
def test_any_flipped_bit_of_an_entry_is_found(entry: IndexEntry, partition_id: int, bit: int) -> None:
    seed = entry_seed(partition_id)
    data = encode_entry(entry, seed)
    assert len(data) == ENTRY_BYTES
    assert entry_is_whole(data, 0, seed)
    assert not entry_is_whole(data, 0, entry_seed(partition_id + 1))
    assert not entry_is_whole(data, 1, seed)
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not entry_is_whole(bytes(flipped), 0, seed)


@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_entries_round_trip_through_the_file(entries: list[IndexEntry]) -> None:
    disk = SimulatedDisk(random.Random(0))
    disk.make_directory("/d")
    file = IndexFile(7, "/d/7.idx", OpenFiles(disk, writable=True), BlockCache(), 1)
    file.tail = list(entries)
    file.total = len(entries)
    file.spill()
    assert file.stored == len(entries)
    assert [file.entry(number) for number in range(len(entries))] == entries


def test_a_file_cut_under_an_open_index_is_damage() -> None:
    disk = SimulatedDisk(random.Random(0))
    disk.make_directory("/d")
    file = IndexFile(7, "/d/7.idx", OpenFiles(disk, writable=True), BlockCache(), 1)
    file.tail = [IndexEntry(number, 1, 0, 0, 0) for number in range(300)]
    file.total = 300
    file.spill()
    assert file.entry(5).base_offset == 5
    disk.open("/d/7.idx").truncate(HEADER_BYTES + 200 * ENTRY_BYTES)
    assert file.entry(100).base_offset == 100
    with pytest.raises(IndexDamaged, match="cut short after entry 128"):
        file.entry(150)


def test_a_header_belongs_to_its_partition_and_format() -> None:
    data = encode_header(7)
    assert len(data) == HEADER_BYTES
    assert check_header(data, 7, "x") is None
    assert check_header(data, 8, "x") == "its header is damaged"
    assert check_header(data[:100], 7, "x") == "it is missing or cut short"
    newer = data[:8] + b"\0\2\xff\xfd" + data[12:]
    with pytest.raises(OMSRuntimeException, match="1101"):
        check_header(newer, 7, "x")


def test_damage_is_a_storage_error_that_names_the_partition() -> None:
    damage = IndexDamaged(7, "it burnt")
    assert (damage.code, damage.partition_id) == (1501, 7)
    assert "partition 7" in str(damage)


def test_hints_are_bounded() -> None:
    file = IndexFile(1, "x", None, BlockCache(), 1)
    for number in range(500):
        file.tail.append(IndexEntry(number, 1, number, 1, 0))
    file.total = file.end_offset = 500
    for number in range(500):
        entry = file.from_offset(number)
        assert entry is not None
        assert entry.base_offset == number
    assert len(file._hints) <= 64
    assert file.from_offset(500) is None
