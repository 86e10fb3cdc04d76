import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.streams import split_position, split_stream, stream_name


def test_names_and_positions_read_back() -> None:
    assert split_stream(stream_name("shop://a#b", 12)) == ("shop://a#b", 12)
    assert split_position("offset:7") == ("offset", 7)
    assert split_position("ts:-1") == ("ts", -1)


@pytest.mark.parametrize("stream", ["orders", "orders#", "#1", "orders#x", "orders#-1", "orders#²"])
def test_other_streams_are_refused(stream: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        split_stream(stream)
    assert (caught.value.code, caught.value.field) == (1418, "stream")


@pytest.mark.parametrize("position", ["", "7", "offset:", "offset:x", "cursor:1", "ts:1.5", "offset:--1"])
def test_other_positions_are_refused(position: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        split_position(position)
    assert (caught.value.code, caught.value.field) == (1418, "position")
