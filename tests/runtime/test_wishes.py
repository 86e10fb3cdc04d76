"""What a program asks for when it connects."""

import asyncio

import pytest

import openmessaging as oms
import openmessaging.blocking as blocking
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.runtime.wishes import wishes_of
from tests.drivers.emulation.taking import ATTRIBUTES


def test_what_is_there_may_be_required() -> None:
    with blocking.connect("oms:memory:", requires={"delay", "filter"}) as access_point:
        assert access_point.capabilities >= {"delay", "filter"}


@pytest.mark.parametrize("emulate", [(), ("filter",)])
def test_what_lacks_is_named_at_once_with_what_would_do(emulate: tuple[str, ...]) -> None:
    access_point = blocking.connect("oms:memory:", ATTRIBUTES, requires={"lease", "delay"}, emulate=emulate)
    with pytest.raises(OMSUnsupportException) as caught:
        access_point.startup()
    assert caught.value.field == "requires"
    assert "delay: required" in caught.value.reason
    assert "emulate=['delay']" in caught.value.next_step
    with pytest.raises(OMSUnsupportException):
        asyncio.run(oms.connect("oms:memory:", ATTRIBUTES, requires={"delay"}, emulate=emulate).startup())


def test_an_emulation_is_enough() -> None:
    with blocking.connect("oms:memory:", ATTRIBUTES, requires={"delay"}, emulate={"delay"}) as access_point:
        assert access_point.emulated == {"delay"}


def test_a_driver_that_is_called_straight_is_asked_too() -> None:
    attributes = {"DRIVER_IMPL": "tests.drivers.emulation.taking:straight"}
    with pytest.raises(OMSUnsupportException, match="delay: required"):
        blocking.connect("oms:memory:", attributes, requires={"delay"}).startup()
    with blocking.connect("oms:memory:", attributes) as access_point:
        assert "delay" not in access_point.capabilities
    with blocking.connect("oms:memory:", attributes, emulate={"delay"}) as access_point:
        assert access_point.emulated == {"delay"}


@pytest.mark.parametrize(
    ("requires", "emulate", "field", "words"),
    [
        (("dely",), (), "requires", "There are: admin, atomic-batch"),
        ((), ("dely",), "emulate", "There are: dead-letter, delay, expiry, filter"),
        ((), ("priority",), "emulate", "What can be emulated: dead-letter, delay"),
        ((), "lease", "emulate", "What can be emulated"),
    ],
)
def test_names_that_are_none(requires: tuple[str, ...], emulate: tuple[str, ...], field: str, words: str) -> None:
    with pytest.raises(OMSRuntimeException) as caught:
        wishes_of(requires, emulate)
    assert (caught.value.code, caught.value.field) == (1418, field)
    assert words in caught.value.next_step
