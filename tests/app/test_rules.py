"""Rules for exceptions."""

from typing import Any

import pytest

from openmessaging import Reject, Retry
from openmessaging.app.rules import judge


async def test_the_nearest_class_decides_and_the_listeners_rules_come_first() -> None:
    tables = ({LookupError: lambda failure, message: "own"}, {KeyError: None, LookupError: Reject, OSError: Retry})
    assert await judge(tables, KeyError("x"), "message") is None
    assert await judge(tables, IndexError("x"), "message") == "own"
    with pytest.raises(Retry, match="TimeoutError: late"):
        await judge(tables, TimeoutError("late"), "message")
    with pytest.raises(ZeroDivisionError):
        await judge(tables, ZeroDivisionError(), "message")


@pytest.mark.parametrize("rule", [Reject, Reject("bad"), Retry, Retry(5.0)])
async def test_verdicts_keep_their_values(rule: Any) -> None:
    with pytest.raises((Reject, Retry)) as caught:
        await judge(({ValueError: rule},), ValueError("wrong"), None)
    verdict: Any = caught.value
    assert verdict.reason == {"Reject": "ValueError: wrong", "Retry": "ValueError: wrong"}.get(
        getattr(rule, "__name__", ""), getattr(rule, "reason", None)
    )
    assert getattr(verdict, "delay", None) == getattr(rule, "delay", None)


async def test_functions_of_both_kinds_see_exception_and_message() -> None:
    async def rule(failure: Exception, message: object) -> tuple[Exception, object]:
        return failure, message

    failure = ValueError()
    assert await judge(({ValueError: rule},), failure, "message") == (failure, "message")
