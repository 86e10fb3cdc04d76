"""Running cases and judging them: side by side where they can be, those that disturb the system alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from openmessaging.conformance.case import Broken, Case, Outcome, Skip, Status
from openmessaging.conformance.kit import Kit
from openmessaging.conformance.protocol import Gone, Implementation, Refusal
from openmessaging.conformance.report import Report
from openmessaging.conformance.system import System

JOBS = 12
"""Cases at work at once."""
CLOSING = 15.0
"""Seconds for letting go of what a case made."""
Progress = Callable[[Case, Outcome], object]


async def run(system: System, cases: Sequence[Case], progress: Progress | None = None, jobs: int = JOBS) -> Report:
    """Run cases against a system that is started. Raises Refusal and Gone when it cannot be opened."""
    began = time.monotonic()
    implementation = await system.implementation()
    try:
        facts = await implementation.perform("connect", {})
        one = _Run(system, implementation, facts, progress)
        gate = asyncio.Semaphore(jobs)
        numbered = list(enumerate(cases))
        await asyncio.gather(*(one.take(number, case, gate) for number, case in numbered if not case.alone))
        for number, case in numbered:
            if case.alone:
                await one.take(number, case, gate)
    finally:
        await implementation.close()
    outcomes = [one.outcomes[case.id] for case in cases]
    return Report(
        system=system.name,
        version=str(facts.get("version", "")),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        seconds=round(time.monotonic() - began, 1),
        capabilities=sorted(facts["capabilities"]),
        emulated=sorted(facts.get("emulated", ())),
        outcomes=outcomes,
    )


class _Run:
    def __init__(
        self, system: System, implementation: Implementation, facts: dict[str, Any], progress: Progress | None
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._system = system
        self._implementation = implementation
        self._facts = facts
        self._progress = progress
        self._token = secrets.token_hex(3)

    async def take(self, number: int, case: Case, gate: asyncio.Semaphore) -> None:
        """Run one case and note what became of it."""
        async with gate:
            kit = Kit(self._implementation, self._system, self._facts, f"k{self._token}-{number}")
            began = time.monotonic()
            status, text = await self._judge(case, kit)
            seconds = round(time.monotonic() - began, 3)
            try:
                await asyncio.wait_for(kit.close(), CLOSING)
            except TimeoutError:
                if status not in (Status.FAIL, Status.SKIPPED):
                    status, text = Status.FAIL, f"what it made does not close within {CLOSING:g} s"
        outcome = Outcome(case.id, status, seconds, text)
        self.outcomes[case.id] = outcome
        if self._progress is not None:
            self._progress(case, outcome)

    async def _judge(self, case: Case, kit: Kit) -> tuple[Status, str]:
        missing = sorted(case.needs - kit.declared)
        lacking = f"{', '.join(missing)} not declared"
        try:
            await asyncio.wait_for(case.run(kit), case.seconds)
        except Skip as skip:
            return Status.SKIPPED, str(skip)
        except Refusal as refusal:
            if refusal.unsupported and missing:
                return Status.UNSUPPORTED, f"{lacking}: {refusal.reason}"
            return Status.FAIL, f"{lacking}, and not refused as unsupported: {refusal}" if missing else str(refusal)
        except (Broken, Gone) as broken:
            return Status.FAIL, f"{lacking}, and not refused as unsupported: {broken}" if missing else str(broken)
        except TimeoutError:
            return Status.FAIL, f"it was not over after {case.seconds:g} s"
        except Exception as failure:
            return Status.FAIL, f"{type(failure).__name__}: {failure}"
        if missing:
            return Status.UNDECLARED, lacking
        emulated = sorted(case.needs & frozenset(kit.facts.get("emulated", ())))
        return (Status.EMULATED, ", ".join(emulated)) if emulated else (Status.PASS, "")
