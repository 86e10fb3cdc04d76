"""The protocol over stdio: this library's adapter, one in another language, and programs that do not speak it."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from openmessaging.conformance.case import Status
from openmessaging.conformance.catalogue import all_cases
from openmessaging.conformance.child import Child
from openmessaging.conformance.named import find
from openmessaging.conformance.protocol import Gone, Refusal
from openmessaging.conformance.report import Report
from openmessaging.conformance.run import run

ADAPTER = [sys.executable, "-m", "openmessaging.conformance.adapter"]
SCRIPT = Path(__file__).parents[2] / "spec/conformance/adapter.mjs"


async def _talk() -> None:
    child = await Child.start([*ADAPTER, "oms:memory:"])
    facts = await child.perform("connect", {})
    assert facts["specVersion"] == "1.0.0"
    with pytest.raises(Refusal) as refused:
        await child.perform("noSuchThing", {})
    assert refused.value.unsupported
    arguments = {"point": facts["point"], "queues": ["q"], "group": "g"}
    consumer = await child.perform("createPullConsumer", arguments)
    waiting = asyncio.ensure_future(child.perform("receive", {"consumer": consumer, "timeout": 60.0}))
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert await asyncio.wait_for(child.perform("receive", {"consumer": consumer, "timeout": 0.01}), 5) == []
    await child.close()
    with pytest.raises(Gone):
        await child.perform("connect", {})


def test_requests_answers_errors_and_cancelling() -> None:
    asyncio.run(_talk())


@pytest.mark.parametrize("program", ["print('hello')", "import sys; sys.stdin.readline(); print('{}')", ""])
def test_what_does_not_speak_the_protocol_is_gone(program: str) -> None:
    async def talk() -> None:
        child = await Child.start([sys.executable, "-c", program])
        with pytest.raises(Gone):
            await asyncio.wait_for(child.perform("connect", {}), 20)
        await child.close()

    asyncio.run(talk())


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Gone, match="cannot be started"):
        asyncio.run(Child.start(["no-such-program-anywhere"]))


async def _run(name: str, adapter: list[str], sections: set[str]) -> Report:
    system = find(name, adapter=adapter)
    await system.start()
    try:
        return await run(system, [case for case in all_cases() if case.section in sections])
    finally:
        await system.stop()


def test_this_library_over_stdio() -> None:
    report = asyncio.run(_run("embedded", ADAPTER, {"model", "settlement", "push", "shutdown"}))
    assert [(each.case, each.text) for each in report.failed] == []
    assert report.counts()[Status.PASS] == len(report.outcomes)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
@pytest.mark.timeout(200)
def test_the_adapter_of_node_over_http() -> None:
    sections = {case.section for case in all_cases()} - {"faults", "security"}
    report = asyncio.run(_run("http", ["node", str(SCRIPT)], sections))
    assert [(each.case, each.text) for each in report.failed] == []
    assert report.counts()[Status.PASS] >= 180
    assert not report.counts()[Status.UNDECLARED]
