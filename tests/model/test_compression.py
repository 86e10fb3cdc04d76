import struct
import sys
import tracemalloc
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.compression import KINDS, LZ4, NAMES, ZSTD, compress, decompress, kind_of
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException

LIMIT = 256 << 20
kinds = pytest.mark.parametrize("kind", [ZSTD, LZ4])


def test_names() -> None:
    assert KINDS == {"none": 0, "zstd": 1, "lz4": 2}
    assert NAMES == {0: "none", 1: "zstd", 2: "lz4"}
    assert [kind_of(name) for name in KINDS] == [0, 1, 2]
    with pytest.raises(OMSRuntimeException, match="Known are none, zstd, lz4") as caught:
        kind_of("gzip")
    assert (caught.value.code, caught.value.field) == (1418, "compression")


@kinds
@given(data=st.binary(max_size=300))
def test_round_trip(kind: int, data: bytes) -> None:
    assert decompress(kind, compress(kind, data), len(data)) == data


@kinds
@pytest.mark.parametrize("size", [1 << 18, (1 << 18) + 1, 20 << 20])
def test_large(kind: int, size: int) -> None:
    data = (b"%032d" % size) * (size // 32 + 1)
    assert decompress(kind, compress(kind, data), LIMIT) == data


@kinds
def test_the_limit_is_exact(kind: int) -> None:
    packed = compress(kind, bytes(1000))
    assert decompress(kind, packed, 1000) == bytes(1000)
    with pytest.raises(OMSRuntimeException, match="more than 999 bytes") as caught:
        decompress(kind, packed, 999)
    assert caught.value.code == 1501


@kinds
def test_cut_anywhere(kind: int) -> None:
    packed = compress(kind, bytes(range(256)) * 4)
    for end in range(len(packed)):
        with pytest.raises(OMSRuntimeException) as caught:
            decompress(kind, packed[:end], LIMIT)
        assert caught.value.code == 1501


@kinds
def test_what_was_never_compressed(kind: int) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        decompress(kind, b"this is no frame of anything", LIMIT)
    assert caught.value.code == 1501


@kinds
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_mutated(kind: int, at: int, bit: int) -> None:
    packed = bytearray(compress(kind, b"some text, some text, some more text" * 9))
    packed[at % len(packed)] ^= 1 << bit
    try:
        assert len(decompress(kind, bytes(packed), 4096)) <= 4096
    except OMSRuntimeException as error:
        assert error.code == 1501


def peak_bytes(kind: int, packed: bytes, limit: int) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(OMSRuntimeException) as caught:
            decompress(kind, packed, limit)
        assert caught.value.code == 1501
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@kinds
def test_a_bomb_stops_at_the_limit(kind: int) -> None:
    if kind == ZSTD:
        bomb = compress(kind, bytes(64 << 20))
        bomb = bomb[:6] + struct.pack("<I", 1 << 20) + bomb[10:]
        assert zstandard.frame_content_size(bomb) == 1 << 20
    else:
        bomb = lz4.frame.compress(bytes(64 << 20), store_size=False)
    assert len(bomb) < 300_000
    assert peak_bytes(kind, bomb, 1 << 20) < 3 << 20


def test_a_forged_size_allocates_nothing() -> None:
    frame = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", LIMIT) + struct.pack("<I", 5 << 3 | 1)[:3] + b"hello"
    assert peak_bytes(ZSTD, frame, LIMIT) < 1 << 20


def test_zstd_must_state_its_size() -> None:
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(b"hello")
    with pytest.raises(OMSRuntimeException, match="does not state its size"):
        decompress(ZSTD, packed, LIMIT)


def test_zstd_window_is_bounded() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24)
    packed = zstandard.ZstdCompressor(compression_params=wide).compress(bytes(9 << 20))
    with pytest.raises(OMSRuntimeException) as caught:
        decompress(ZSTD, packed, LIMIT)
    assert caught.value.code == 1501


@pytest.mark.parametrize("kind", [0, 3])
def test_unknown_kinds(kind: int) -> None:
    calls: list[Callable[[], bytes]] = [lambda: compress(kind, b""), lambda: decompress(kind, b"", 1)]
    for call in calls:
        with pytest.raises(OMSUnsupportException, match=f"compression {kind} is not known") as caught:
            call()
        assert (caught.value.code, caught.value.field) == (1400, "compression")


@pytest.mark.parametrize(("kind", "module"), [(ZSTD, "zstandard"), (LZ4, "lz4.frame")])
def test_a_missing_package_is_named(kind: int, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compress(kind, b"x")
    monkeypatch.setitem(sys.modules, module, None)
    calls: list[Callable[[], bytes]] = [lambda: compress(kind, b"x"), lambda: decompress(kind, packed, 1)]
    for call in calls:
        with pytest.raises(OMSUnsupportException, match=r"pip install openmessaging\[compression\]") as caught:
            call()
        assert caught.value.code == 1400
        assert NAMES[kind] in str(caught.value)
