"""Verdicts: what is declared, what is refused, what is silently left out."""

import asyncio
from typing import Any

import pytest

from openmessaging.conformance.case import Broken, Case, Outcome, Skip, Status
from openmessaging.conformance.kit import Kit
from openmessaging.conformance.protocol import UNSUPPORTED, Refusal
from openmessaging.conformance.run import run
from openmessaging.conformance.system import System


class Stub:
    """An implementation that declares what it is told."""

    def __init__(self, capabilities: list[str], emulated: list[str]) -> None:
        self.facts = {"point": "p", "capabilities": capabilities, "emulated": emulated, "version": "1"}
        self.closed = False

    async def perform(self, operation: str, arguments: dict[str, Any]) -> Any:
        return self.facts

    async def close(self) -> None:
        self.closed = True


class Stubbed(System):
    def __init__(self, stub: Stub) -> None:
        super().__init__("oms:memory:stub")
        self._stub = stub

    async def implementation(self) -> Stub:
        return self._stub


def outcome(raises: Exception | None, needs: set[str], seconds: float = 5.0) -> Outcome:
    async def function(kit: Kit) -> None:
        if raises is not None:
            raise raises

    case = Case("order.x", "order", "rule", "Title.", frozenset(needs), False, seconds, function)
    stub = Stub(["delay"], ["filter"])
    report = asyncio.run(run(Stubbed(stub), [case]))
    assert stub.closed
    return report.outcomes[0]


UNSUPPORTED_CALL = Refusal(UNSUPPORTED, 1400, "no")


@pytest.mark.parametrize(
    ("raises", "needs", "status"),
    [
        (None, set(), Status.PASS),
        (None, {"delay"}, Status.PASS),
        (None, {"filter"}, Status.EMULATED),
        (None, {"routing"}, Status.UNDECLARED),
        (UNSUPPORTED_CALL, {"routing"}, Status.UNSUPPORTED),
        (UNSUPPORTED_CALL, {"delay"}, Status.FAIL),
        (UNSUPPORTED_CALL, {"filter"}, Status.FAIL),
        (Broken("it came at once"), {"routing"}, Status.FAIL),
        (Broken("wrong"), {"delay"}, Status.FAIL),
        (Refusal("OMSRuntimeException", 1418, "no"), {"routing"}, Status.FAIL),
        (RuntimeError("a fault of the case"), set(), Status.FAIL),
        (Skip("no server"), {"delay"}, Status.SKIPPED),
    ],
)
def test_the_verdict(raises: Exception | None, needs: set[str], status: Status) -> None:
    found = outcome(raises, needs)
    assert found.status is status
    assert bool(found.text) == (status is not Status.PASS)


def test_a_case_that_hangs_fails() -> None:
    async def function(kit: Kit) -> None:
        await asyncio.Event().wait()

    case = Case("order.x", "order", "rule", "Title.", frozenset(), False, 0.05, function)
    report = asyncio.run(run(Stubbed(Stub([], [])), [case]))
    assert report.outcomes[0].status is Status.FAIL
    assert "0.05 s" in report.outcomes[0].text
