"""Content codings: there and back, what is chosen, and what is refused."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.http.coding import UnsupportedMedia, chosen, decoded, encoded


@given(data=st.binary(max_size=5000), coding=st.sampled_from(["gzip", "zstd"]))
def test_there_and_back(data: bytes, coding: str) -> None:
    assert decoded(coding, encoded(coding, data), 5000) == data


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("br, identity", None),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("", None),
    ],
)
def test_what_is_chosen(accept: str, coding: str | None) -> None:
    assert chosen(accept) == coding


def test_as_it_is() -> None:
    assert decoded("identity", b"x", 10) == b"x"
    assert decoded(" X-GZIP ", gzip.compress(b"x", mtime=0), 10) == b"x"


@pytest.mark.parametrize(
    ("coding", "data", "code"),
    [
        ("gzip", b"rubbish", 1400),
        ("gzip", gzip.compress(b"x" * 50, mtime=0)[:-9], 1400),
        ("gzip", gzip.compress(b"x", mtime=0) + gzip.compress(b"y", mtime=0), 1400),
        ("gzip", gzip.compress(bytes(1 << 20), mtime=0), 1413),
        ("zstd", b"rubbish", 1400),
        ("zstd", zstandard.ZstdCompressor().compress(bytes(1 << 20)), 1413),
    ],
)
def test_what_is_refused(coding: str, data: bytes, code: int) -> None:
    with pytest.raises(OMSRuntimeException) as refused:
        decoded(coding, data, 1000)
    assert refused.value.code == code


def test_unknown_codings() -> None:
    for coding in ("br", "gzip, gzip"):
        with pytest.raises(UnsupportedMedia):
            decoded(coding, b"x", 10)
