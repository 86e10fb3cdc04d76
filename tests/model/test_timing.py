import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.timing import NEVER, due_ms, expires_ms, pack_times, unpack_times

BORN = 1_533_780_827_824


def test_the_example_of_the_standard_is_delivered_and_never_expires() -> None:
    """Specification 1.0.0: it would expire before its delivery time."""
    headers = {"delayTime": 30_000, "expireTime": 1_533_780_830_000}
    assert due_ms(BORN, headers) == BORN + 30_000
    assert expires_ms(BORN, headers) == NEVER


@pytest.mark.parametrize("expires", [None, 0, -5, BORN - 1])
def test_no_expiry(expires: int | None) -> None:
    assert expires_ms(BORN, {"expireTime": expires}) == NEVER


def test_at_or_after_its_delivery_time_it_expires() -> None:
    assert expires_ms(BORN, {"expireTime": BORN}) == BORN
    assert expires_ms(BORN, {"expireTime": BORN + 10, "delayTime": 10}) == BORN + 10


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_times_come_back(times: list[int]) -> None:
    assert list(unpack_times(pack_times(times), len(times))) == times


def test_times_are_big_endian() -> None:
    assert pack_times([1]) == b"\0\0\0\0\0\0\0\1"


def test_a_wrong_number_of_times() -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        unpack_times(b"1234567", 1)
    assert caught.value.code == 1418
