"""Rules for exceptions: what becomes of a message whose listener raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openmessaging.runtime.aio.primitives import call
from openmessaging.runtime.verdict import Reject, Retry

Rule = type[Reject] | type[Retry] | Reject | Retry | Callable[[Any, Any], Any] | None
"""`Reject` or `Retry`, bare or with its values; a function of (exception, message) whose return value counts as the
listener's; None: the message counts as handled."""
Rules = Mapping[type[Exception], Rule]


async def judge(rules: tuple[Rules, ...], failure: Exception, message: object) -> Any:
    """Follow the first rule that fits, the nearest class of the exception first; raises what the rule says, and the
    exception itself when none fits."""
    for kind in type(failure).__mro__:
        for table in rules:
            if kind in table:
                return await _follow(table[kind], failure, message)
    raise failure


async def _follow(rule: Rule, failure: Exception, message: object) -> Any:
    reason = f"{type(failure).__name__}: {failure}"
    if rule is None:
        return None
    if rule is Reject:
        raise Reject(reason) from failure
    if rule is Retry:
        raise Retry(None, reason) from failure
    if isinstance(rule, Reject):
        raise Reject(rule.reason or reason) from failure
    if isinstance(rule, Retry):
        raise Retry(rule.delay, rule.reason) from failure
    return await call(rule, failure, message)
