import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.storage.segment import format as fmt

U64 = st.integers(0, 2**64 - 1)


@given(U64, U64, U64, U64)
def test_segment_header_round_trips(base_index: int, base_position: int, capacity: int, salt: int) -> None:
    data, seed = fmt.encode_segment_header(base_index, base_position, capacity, salt)
    assert len(data) == fmt.SEGMENT_HEADER_BYTES
    decoded = fmt.decode_segment_header(data, "x")
    assert decoded == fmt.SegmentHeader(base_index, base_position, capacity, salt, seed)


def test_any_flipped_bit_of_a_segment_header_is_found() -> None:
    data, _ = fmt.encode_segment_header(5, 6, 7, 8)
    for bit in range(52 * 8):
        if 12 * 8 <= bit < 16 * 8:  # four bytes without a meaning, covered by the CRC all the same
            continue
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OMSRuntimeException) as caught:
            fmt.decode_segment_header(bytes(flipped), "x.seg")
        assert caught.value.code == 1501
        assert "x.seg" in str(caught.value)


def test_a_newer_format_is_its_own_error() -> None:
    data = bytearray(fmt.encode_segment_header(0, 0, 4096, 0)[0])
    data[8:12] = (2).to_bytes(2, "big") + (2 ^ 0xFFFF).to_bytes(2, "big")
    with pytest.raises(OMSRuntimeException, match=r"has format 2.*reads format 1") as caught:
        fmt.decode_segment_header(bytes(data), "x.seg")
    assert caught.value.code == 1101


def test_a_short_header_is_damage() -> None:
    with pytest.raises(OMSRuntimeException, match="cut short"):
        fmt.decode_segment_header(b"OMS-LOG\0", "x.seg")


@given(st.binary(max_size=64))
def test_entry_header_never_raises(data: bytes) -> None:
    header = fmt.decode_entry_header(data)
    assert header is None or header.size >= fmt.ENTRY_HEADER_BYTES


@given(st.integers(32, 2**32 - 1), st.integers(0, 31))
def test_a_flipped_bit_of_a_size_is_known_without_the_crc(size: int, bit: int) -> None:
    def encoded(size: int) -> bytes:
        return fmt.ENTRY.pack(0, size, fmt.ENTRY_MAGIC, check, fmt.KIND | 3, 9, 1)

    check = fmt.size_check(size)
    assert fmt.decode_entry_header(encoded(size)) == fmt.EntryHeader(0, size, 3, 9, 1)
    assert fmt.decode_entry_header(encoded(size ^ 1 << bit)) is None


@given(st.integers(0, 10_000))
def test_an_entry_takes_a_multiple_of_eight_and_always_a_pad(size: int) -> None:
    assert fmt.occupied(size) % 8 == 0
    assert 1 <= fmt.occupied(size) - size <= 8


def test_names_sort_as_positions() -> None:
    assert fmt.segment_name(42) == "00000000000000000042.seg"
    assert fmt.segment_base(fmt.segment_name(42)) == 42
    assert [fmt.segment_base(name) for name in ("42.seg", "spare-1.tmp", "0" * 20)] == [None, None, None]


def test_damage_names_the_place_and_the_next_step() -> None:
    text = str(fmt.damaged("a.seg", "it burnt", position=9, index=3))
    assert "a.seg at position 9, index 3: it burnt" in text
    assert "oms store verify" in text
