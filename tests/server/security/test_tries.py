"""Failed sign-ins: a few are free, then there are pauses, and they are forgotten."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security import tries
from openmessaging.server.security.tries import FREE, SECONDS, Tries


def test_a_few_are_free_then_it_has_to_wait() -> None:
    now = [0.0]
    counted = Tries(lambda: now[0])
    for _ in range(FREE):
        counted.check("a")
        counted.failed("a")
    counted.check("a")
    counted.failed("a")
    with pytest.raises(OMSRuntimeException, match="1503"):
        counted.check("a")
    counted.check("b")
    now[0] += SECONDS
    counted.check("a")


def test_it_remembers_a_bounded_number_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_ADDRESSES", 5)
    counted = Tries(lambda: 0.0)
    for number in range(50):
        counted.failed(str(number))
    assert len(counted._until) == 5
