"""Names of keys, and ids as offsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.redis import names
from openmessaging.model.errors import OMSRuntimeException


@given(st.integers(0, (1 << 63) - 1))
def test_an_offset_is_an_id(offset: int) -> None:
    entry = names.entry_at(offset).encode()
    assert names.known_offset(entry) == offset
    assert names.time_of(entry) == offset >> 20


@given(st.integers(1, (1 << 63) - 1))
def test_what_is_before_an_offset_is_before_it(offset: int) -> None:
    before = tuple(map(int, names.entry_before(offset).split("-")))
    after = tuple(map(int, names.entry_at(offset).split("-")))
    assert before < after
    assert tuple(map(int, names.entry_at(offset - 1).split("-"))) <= before


def test_ids_that_another_program_chose() -> None:
    assert names.entry_before(0) == "0-0"
    assert names.offset_of(b"1-1048576") is None
    with pytest.raises(OMSRuntimeException, match="1501"):
        names.known_offset(b"18446744073709551615-0")


def test_keys() -> None:
    assert names.streams("default://orders", 1) == ["orders"]
    assert names.streams("sales://orders", 2) == ["sales__-orders__p0", "sales__-orders__p1"]
    assert names.stream("default://__oms:partitions", 0, 1) != names.REGISTRY
    assert names.consumer("t", 0.25) == "oms-250-t"
