"""Operations: the whole driver SPI can be called over the wire."""

import inspect

import msgspec
import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import Mailboxes
from openmessaging.model.spi import Driver
from openmessaging.wire import ProtocolError
from openmessaging.wire.operations import OPERATIONS, READS, operation

ELSEWHERE = {"send", "commit", "submit", "send_now", "soon", "subscribe", "close"} | {
    "ask",
    "hand_over",
    "open_mailbox",
    "close_mailbox",
}
"""What has frames of its own, belongs to a connection, or is the driver's own business."""


def test_every_method_of_the_spi_has_its_way() -> None:
    methods = {
        name
        for protocol in (Driver, Mailboxes)
        for name, _ in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - ELSEWHERE == set(OPERATIONS)
    assert set(READS) < set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_types_can_be_read(name: str) -> None:
    assert operation(name) is operation(name)


def test_arguments_have_their_defaults_and_their_types() -> None:
    read = operation("read")
    assert read.read_arguments(msgspec.msgpack.encode(["q", 0, 5, 10])) == ("q", 0, 5, 10, 0.0)
    assert read.read_arguments(msgspec.msgpack.encode(["q", 0, 5, 10, 1.5])) == ("q", 0, 5, 10, 1.5)
    for wrong in (["q"], ["q", "0", 5, 10], {}, ["q", 0, 5, 10, 1.5, 6]):
        with pytest.raises(OMSRuntimeException, match="1418 bad parameter: read: "):
            read.read_arguments(msgspec.msgpack.encode(wrong))


def test_a_result_that_is_none_of_its_is_the_peers_fault() -> None:
    with pytest.raises(ProtocolError, match="the result of list_queues"):
        operation("list_queues").read_result(msgspec.msgpack.encode(5))


def test_what_is_no_operation_is_refused() -> None:
    with pytest.raises(OMSRuntimeException, match="1418 bad parameter: there is no operation '__class__'"):
        operation("__class__")
