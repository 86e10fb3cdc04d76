"""Wrong passwords: a few are free, then there are pauses, and they are forgotten."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security import tries
from openmessaging.server.security.tries import FREE, FREE_OF_ADDRESS, SECONDS, Tries


def test_a_few_are_free_then_it_has_to_wait() -> None:
    now = [0.0]
    counted = Tries(lambda: now[0])
    for _ in range(FREE):
        counted.check("a", "alice")
        counted.failed("a", "alice")
    counted.check("a", "alice")
    counted.failed("a", "alice")
    with pytest.raises(OMSRuntimeException, match="1503"):
        counted.check("a", "alice")
    counted.check("a", "bob")
    counted.check("b", "alice")
    now[0] += SECONDS
    counted.check("a", "alice")


def test_an_address_that_tries_many_accounts_has_to_wait_too() -> None:
    counted = Tries(lambda: 0.0)
    for number in range(FREE_OF_ADDRESS + 1):
        counted.check("a", f"user {number}")
        counted.failed("a", f"user {number}")
    with pytest.raises(OMSRuntimeException, match="1503"):
        counted.check("a", "alice")


def test_it_remembers_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_ADDRESSES", 5)
    counted = Tries(lambda: 0.0)
    for number in range(50):
        counted.failed(str(number), "alice")
    assert len(counted._until) == 5
