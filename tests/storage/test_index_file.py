import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.cache import BlockCache
from openmessaging.storage.index_file import (
    ENTRY_BYTES,
    HEADER_BYTES,
    IndexDamaged,
    IndexEntry,
    IndexFile,
    check_header,
    decode_entry,
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
def test_an_entry_round_trips_and_any_flipped_bit_is_found(entry: IndexEntry, partition_id: int, bit: int) -> None:
    seed = entry_seed(partition_id)
    data = encode_entry(entry, seed)
    assert len(data) == ENTRY_BYTES
    assert decode_entry(data, 0) == entry
    assert entry_is_whole(data, 0, seed)
    assert not entry_is_whole(data, 0, entry_seed(partition_id + 1))
    assert not entry_is_whole(data, 1, seed)
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not entry_is_whole(bytes(flipped), 0, seed)


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
