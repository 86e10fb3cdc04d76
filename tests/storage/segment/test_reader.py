import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.storage.segment import format as fmt
from openmessaging.storage.segment import reader
from openmessaging.storage.segment.reader import Points, find_entries, hop, walk

SEED = 77


def encode(index: int, body: bytes, lag: int = 0) -> bytes:
    size = fmt.ENTRY_HEADER_BYTES + len(body)
    head = fmt.ENTRY_REST.pack(size, fmt.ENTRY_MAGIC, fmt.size_check(size), fmt.KIND | lag, index, 0)
    rest = head + body + fmt.PADS[fmt.occupied(size) - size]
    return google_crc32c.extend(SEED, rest).to_bytes(4, "big") + rest


def reading(data: bytes):
    return lambda position, size: data[position : position + size]


def bodies(data: bytes) -> list[bytes]:
    return [
        chunk[at + fmt.ENTRY_HEADER_BYTES : at + size]
        for _, size, _, _, _, chunk, at in walk(reading(data), 0, 0, SEED)
    ]


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(40, 400))
def test_walk_yields_what_was_written_whatever_the_chunks(wanted: list[bytes], chunk_bytes: int) -> None:
    data = b"".join(encode(index, body) for index, body in enumerate(wanted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CHUNK_BYTES", chunk_bytes)
        assert bodies(data) == wanted
        assert bodies(data + bytes(100)) == wanted


@given(st.binary(max_size=200))
def test_walk_ends_on_anything(data: bytes) -> None:
    assert bodies(data) == []
    assert bodies(encode(0, b"x") + data) == [b"x"]


def test_walk_stops_at_a_gap_and_at_a_forged_size() -> None:
    assert bodies(encode(0, b"a") + encode(2, b"b")) == [b"a"]
    size = 2**32 - 1
    forged = fmt.ENTRY.pack(0, size, fmt.ENTRY_MAGIC, fmt.size_check(size), fmt.KIND, 1, 0)
    assert bodies(encode(0, b"a") + forged) == [b"a"]


def test_hop_follows_sizes_and_says_when_it_cannot() -> None:
    data = encode(0, b"a") + encode(1, b"bb" * 50) + encode(2, b"c")
    read = reading(data)
    assert hop(read, 0, 0, 0) == 0
    assert hop(read, 0, 0, 2) == len(encode(0, b"a")) + len(encode(1, b"bb" * 50))
    assert hop(read, 0, 1, 2) == -1


def test_find_entries_needs_alignment_a_larger_index_and_a_crc() -> None:
    good = encode(5, b"hello")
    damaged = bytearray(encode(6, b"world"))
    damaged[-1] ^= 1
    data = b"\x01" * 16 + good + bytes(damaged) + b"\0" * 4 + encode(7, b"off") + b"\0" * 4 + encode(8, b"end", lag=3)
    found = list(find_entries(data, SEED, 0))
    assert [(index, lag) for _, index, lag in found] == [(5, 0), (8, 3)]
    assert data[found[1][0] :] == encode(8, b"end", lag=3)
    assert list(find_entries(data, SEED, 8)) == []
    assert list(find_entries(data, SEED + 1, 0)) == []


def test_points_are_sparse_and_can_be_completed() -> None:
    points, index = Points(), 1000
    for number in range(1000):
        if index + number >= points.next_index or number * 10 >= points.next_position:
            points.add(index + number, number * 10)
    assert len(points) == 4
    assert points.before(999) is None
    assert points.before(1255) == (1000, 0)
    assert points.before(1256) == (1256, 2560)
    earlier = Points()
    earlier.add(500, 7)
    assert points.first() == 0
    points.prepend(earlier)
    assert points.before(999) == (500, 7)
    assert points.before(5000) == (1768, 7680)
    assert Points().first() is None
