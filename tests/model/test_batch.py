import struct
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model import batch
from openmessaging.model.batch import BatchHeader, decode, encode, encode_shared, make_id, parse_header
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.message import Record
from tests.model.values import records
from tests.model.vectors import load, same, untag

VECTORS = load("batches")
ONE = [Record(b"hello")]
DOCUMENTED = {1101, 1400, 1501}


def whole(encoded: batch.Batch) -> bytes:
    return encoded.head + encoded.payload


def fields(record: Record) -> list[Any]:
    return [record.data, record.message_key, record.properties, record.headers]


def bytes_of(case: dict[str, Any]) -> bytes:
    if "batch" in case:
        return bytes.fromhex(case["batch"])
    times: int = case["times"]
    return bytes.fromhex(case["prefix"]) + bytes.fromhex(case["repeat"]) * times


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_valid_vectors(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["batch"])
    header, shared, found = decode(data)
    assert {name: getattr(header, name) for name in case["header"]} == untag(case["header"])
    assert (header.version, header.count, header.size) == (1, len(case["records"]), len(data))
    assert shared == case["shared"]
    for record, (body, *rest) in zip(found, case["records"], strict=True):
        assert record.data.hex() == body
        assert all(same(a, b) for a, b in zip(fields(record)[1:], untag(rest), strict=True))
    ids = [(record.headers or {}).get("messageId", header.message_id(i)) for i, record in enumerate(found)]
    assert ids == case["ids"]
    if not header.attributes & batch.COMPRESSION_MASK:
        again = encode(found, shared=encode_shared(shared), **untag(case["header"]))
        assert whole(again) == data
        assert (again.count, again.size) == (header.count, len(data))


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        decode(bytes_of(case))
    assert caught.value.code == case["code"]
    assert caught.value.next_step
    assert isinstance(caught.value, OMSUnsupportException) == (case["code"] == 1400)


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_invalid_vectors_allocate_by_what_is_there(case: dict[str, Any]) -> None:
    data = bytes_of(case)
    tracemalloc.start()
    try:
        with pytest.raises(OMSRuntimeException):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < (1 << 20) + 20 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", load("ids")["ids"], ids=str)
def test_id_vectors(case: dict[str, Any]) -> None:
    assert make_id(case["born_ms"], case["producer_id"], case["sequence"]) == case["id"]


def test_sorted_ids() -> None:
    ids = load("ids")["sorted"]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


places = st.tuples(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 40) - 1), st.integers(0, (1 << 40) - 1))


@given(st.lists(places, max_size=20))
def test_ids_sort_by_time_and_are_unique(found: list[tuple[int, int, int]]) -> None:
    assert sorted(make_id(*place) for place in found) == [make_id(*place) for place in sorted(found)]
    assert len({make_id(*place) for place in found}) == len(set(found))
    assert all(len(make_id(*place)) == 32 for place in found)


@given(
    st.lists(records, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["bornHost", "traceId"]), st.text(max_size=5).map(ascii)),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, batch.KEYED, batch.OWN_IDS, batch.KEYED | batch.OWN_IDS]),
    places,
    st.integers(0, (1 << 32) - 1),
)
def test_round_trip(
    sent: list[Record], shared: dict[str, str], kind: int, bits: int, place: tuple[int, int, int], u32: int
) -> None:
    born_ms, producer_id, first = place
    encoded = encode(
        sent,
        shared=encode_shared(shared),
        born_ms=born_ms,
        producer_id=producer_id,
        producer_epoch=u32,
        first_sequence=first,
        attributes=kind | bits,
        last_delta_ms=u32,
    )
    data = whole(encoded)
    header, found_shared, found = decode(data + b"what follows")
    assert header == parse_header(b"xyz" + data, 3)
    assert (header.size, header.attributes) == (len(data), kind | bits)
    assert (header.born_ms, header.producer_id, header.first_sequence) == place
    assert (header.producer_epoch, header.last_delta_ms) == (u32, u32)
    assert found_shared == shared
    for one, other in zip(sent, found, strict=True):
        assert all(same(a, b) for a, b in zip(fields(one), fields(other), strict=True))


def test_the_bounds_of_a_header() -> None:
    for count, valid in ((1, True), (batch.MAX_MESSAGES, True), (0, False), (batch.MAX_MESSAGES + 1, False)):
        alone = batch.HEADER.pack(batch.HEADER.size - 8, 0, 1, 0, 0, count, 0, 0, 0, 0, 0)
        if valid:
            assert parse_header(alone).count == count
        else:
            with pytest.raises(OMSRuntimeException, match="count is out of range"):
                parse_header(alone)


def check_refused(data: bytes, check: bool) -> None:
    for read in (lambda: decode(data, check=check), lambda: parse_header(data)):
        try:
            read()
        except OMSRuntimeException as error:
            assert error.code in DOCUMENTED


samples = st.sampled_from([bytes.fromhex(case["batch"]) for case in VECTORS["valid"]])


@given(samples, st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=4), st.booleans())
def test_mutated_bytes(data: bytes, changes: list[tuple[int, int]], check: bool) -> None:
    """The documented errors and nothing else; unchecked too, so that the parser behind the CRC is reached."""
    mutated = bytearray(data)
    for at, value in changes:
        mutated[at % len(data)] = value
    started = time.perf_counter()
    check_refused(bytes(mutated), check)
    assert time.perf_counter() - started < 5


@given(samples, st.binary(max_size=30), st.integers(0, 1000))
def test_spliced_bytes(data: bytes, inserted: bytes, at: int) -> None:
    at = batch.HEADER.size + at % (len(data) - batch.HEADER.size)
    spliced = data[:at] + inserted + data[at:]
    check_refused(struct.pack(">I", len(spliced) - 8) + spliced[4:], False)


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_truncated_bytes(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["batch"])
    for end in range(len(data)):
        for read in (decode, parse_header):
            with pytest.raises(OMSRuntimeException) as caught:
                read(data[:end])
            assert caught.value.code == 1501


@pytest.mark.parametrize("case", VECTORS["valid"][:2], ids=lambda case: case["name"])
def test_every_flipped_bit_is_noticed(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["batch"])
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OMSRuntimeException):
            decode(bytes(flipped))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check_refused(data, True)
    check_refused(data, False)


def test_a_nested_array_bomb_costs_little() -> None:
    size = 1 << 20
    nested = b"\x91\x94\xc4\x00\xc0\x81\xa1k" + (b"\xdd" + struct.pack(">I", size - 10_000)) * 900 + b"\xc0" * size
    head = encode(ONE, shared=b"\x80", born_ms=0, producer_id=0, first_sequence=0).head
    data = struct.pack(">I", len(head) - 8 + len(nested)) + head[4:] + nested
    tracemalloc.start()
    try:
        with pytest.raises(OMSRuntimeException) as caught:
            decode(data, check=False)
        assert caught.value.code == 1501
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()


def test_unchecked_reading_skips_the_crc_alone() -> None:
    data = bytearray(whole(encode(ONE, shared=b"\x80", born_ms=1, producer_id=2, first_sequence=3)))
    data[4] ^= 1
    assert decode(bytes(data), check=False)[2] == ONE
    with pytest.raises(OMSRuntimeException, match="CRC does not match"):
        decode(bytes(data))


def test_errors_say_what_is_damaged() -> None:
    data = whole(encode(ONE, shared=b"\x80", born_ms=1, producer_id=2, first_sequence=3))
    for bad, what in (
        (data[:40], "it ends inside the header"),
        (data[:-1], "its length does not fit"),
        (data[:12] + bytes(4) + data[16:], "its count is out of range"),
    ):
        with pytest.raises(OMSRuntimeException, match=f"damaged batch: {what}.*oms store verify"):
            decode(bad)
    with pytest.raises(OMSRuntimeException, match=r"batch format 9 is not known. Upgrade"):
        decode(data[:8] + b"\x09" + data[9:])
    two = data[:12] + struct.pack(">I", 2) + data[16:]
    with pytest.raises(OMSRuntimeException, match="it holds 1 messages, not 2"):
        decode(two, check=False)


def test_limits_of_encoding() -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        encode([], shared=b"\x80", born_ms=0, producer_id=0, first_sequence=0)
    assert (caught.value.code, caught.value.field) == (1418, "records")
    most = ONE * batch.MAX_MESSAGES
    assert encode(most, shared=b"\x80", born_ms=0, producer_id=0, first_sequence=0).count == batch.MAX_MESSAGES
    with pytest.raises(OMSRuntimeException, match="1,048,577 messages") as caught:
        encode([*most, *ONE], shared=b"\x80", born_ms=0, producer_id=0, first_sequence=0)
    assert caught.value.code == 1418
    assert len(encode_shared({"bornHost": "x" * 65522})) == batch.MAX_SHARED_BYTES == 65535
    with pytest.raises(OMSRuntimeException, match="65,536 bytes, the limit is 65,535") as caught:
        encode_shared({"bornHost": "x" * 65523})
    assert caught.value.code == 1412


def test_a_position_counts_towards_the_end() -> None:
    data = whole(encode(ONE, shared=b"\x80", born_ms=1, producer_id=2, first_sequence=3))
    for at, what in ((len(data) - 47, "it ends inside the header"), (len(data), "it ends inside the header")):
        with pytest.raises(OMSRuntimeException, match=what):
            parse_header(data, at)
    with pytest.raises(OMSRuntimeException, match="its length does not fit"):
        parse_header(bytes(30) + data[:-1], 30)


def test_what_encode_leaves_out_is_zero() -> None:
    header = parse_header(whole(encode(ONE, shared=b"\x80", born_ms=1, producer_id=2, first_sequence=3)))
    assert (header.attributes, header.producer_epoch, header.last_delta_ms) == (0, 0, 0)
    with pytest.raises(AttributeError):
        header.count = 2  # type: ignore[misc]


def test_a_length_must_cover_the_shared_headers() -> None:
    head = bytearray(encode(ONE, shared=bytes(5), born_ms=1, producer_id=2, first_sequence=3).head)
    for length, fits in ((44, False), (45, True), (46, False)):
        head[:4] = struct.pack(">I", length)
        if fits:
            assert parse_header(bytes(head)).size == len(head) == 53
        else:
            with pytest.raises(OMSRuntimeException, match="its length does not fit"):
                parse_header(bytes(head))


def test_limits_of_the_format_page() -> None:
    assert batch.PRODUCER_BITS == batch.SEQUENCE_BITS == 40
    assert batch.MAX_DECODED_BYTES == 256 << 20


def test_the_picture_in_the_docstring_is_the_format() -> None:
    assert batch.HEADER.size == 48
    assert BatchHeader.__struct_fields__ == (
        "length", "crc", "version", "attributes", "shared_bytes", "count", "born_ms", "last_delta_ms",
        "producer_id", "producer_epoch", "first_sequence",
    )  # fmt: skip
