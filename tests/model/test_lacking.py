"""What is said where a system lacks something."""

import pytest

from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.lacking import capabilities_of, lacking, ways_out
from openmessaging.model.spi import Capability


def test_an_error_names_the_field_and_both_ways_out() -> None:
    failure = lacking(Capability.DELAY, "delayTime")
    assert isinstance(failure, OMSUnsupportException)
    assert failure.field == "delayTime"
    assert "emulate=['delay']" in failure.next_step
    assert "embedded" in failure.next_step


def test_what_cannot_be_emulated_has_one_way_out() -> None:
    assert "emulat" not in ways_out(Capability.PRIORITY)
    assert ways_out(Capability.PRIORITY).startswith("Use a system that has 'priority'")


def test_names_of_capabilities() -> None:
    assert capabilities_of(["delay", Capability.FILTER], "requires") == {Capability.DELAY, Capability.FILTER}
    assert capabilities_of("delay", "requires") == {Capability.DELAY}
    with pytest.raises(OMSRuntimeException, match="'later'"):
        capabilities_of(["later"], "requires")
