"""Bodies: arrays that may grow at their end, and errors that arrive as they were raised."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException, error, unsupported
from openmessaging.model.spi import Durability, Placement
from openmessaging.model.timing import Timing
from openmessaging.model.unique import Unique
from openmessaging.wire import Fetch, Hello, Kind, Placed, ProtocolError, Refusal, Send, SendItem
from openmessaging.wire.bodies import BODIES, decode_body


def test_what_a_body_holds_comes_back() -> None:
    send = Send([SendItem("default://q", 2, b"batch", 7, Timing(b"\0" * 8), Unique("p", 1, 2, "k"))], None, 17)
    assert decode_body(Kind.SEND, send.encoded()) == send
    placed = Placed([Placement(1, 2, 3, Durability.FSYNC, (4, 5, 6))])
    assert decode_body(Kind.PLACED, placed.encoded()) == placed


def test_fields_at_the_end_may_be_missing_and_may_be_unknown() -> None:
    assert decode_body(Kind.HELLO, msgspec.msgpack.encode(["OMS", [1], "x", "y"])) == Hello("OMS", [1], "x", "y")
    longer = [7, 8, 9, 10, "of a later version"]
    assert decode_body(Kind.FETCH, msgspec.msgpack.encode(longer)) == Fetch(7, 8, 9, 10)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"a": 1}), msgspec.msgpack.encode([1])])
def test_a_body_that_is_none_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="the body of a SEND frame"):
        decode_body(Kind.SEND, body)


@given(st.sampled_from(sorted(BODIES)), st.binary(max_size=100))
def test_no_body_does_worse_than_that(kind: int, body: bytes) -> None:
    try:
        decode_body(kind, body)
    except ProtocolError:
        return


@pytest.mark.parametrize(
    "failure",
    [error(1404, "no queue", next_step="Create it", field="queue"), unsupported("delay"), error(1418, "wrong")],
)
def test_errors_travel(failure: OMSRuntimeException) -> None:
    found = decode_body(Kind.ERROR, Refusal.of(failure).encoded()).error()
    assert (type(found), str(found), found.field) == (type(failure), str(failure), failure.field)


def test_the_inside_of_a_server_does_not_travel() -> None:
    found = Refusal.of(KeyError("secret")).error()
    assert found.code == 1500
    assert "secret" not in str(found)


def test_a_class_of_a_newer_server_is_the_root_here() -> None:
    assert type(Refusal(1404, "Newer", "x").error()) is OMSRuntimeException
    assert type(Refusal(1404, "OMSDestinationException", "x").error()) is OMSDestinationException
