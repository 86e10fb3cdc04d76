"""A listener's call, worked out once: which parameter gets what, which dependencies run first, what is cleaned up.

Per message only the plan is followed: values lie in numbered slots (body, message, context, app, then one per
dependency, in an order in which each finds its own ready), and a step fills the next slot.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from openmessaging.app.signature import Parameter, bad, signature

BODY, MESSAGE, CONTEXT, APP = range(4)
Overrides = Mapping[Callable[..., Any], Callable[..., Any]]
"""Which function stands in for which, in tests."""
Call = Callable[[Any, Any, Any], Awaitable[Any]]
"""A planned call: body, message (or messages), context."""
Given = Callable[[Parameter], int | None]
"""The slot of a parameter that is given its value by its type; None for any other."""


class _Step(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[tuple[str, int], ...]
    waits: bool
    """Whether what it returns is awaited."""
    cleans: bool
    """Whether what it returns is a context manager (asynchronous when it waits)."""


class Planner:
    """Collects the steps of one listener."""

    def __init__(self, given: Given, overrides: Overrides) -> None:
        self._given = given
        self._overrides = overrides
        self._steps: list[_Step] = []
        self._cached: dict[Callable[..., Any], int] = {}
        self._open: list[Callable[..., Any]] = []

    def add(self, function: Callable[..., Any], *slots: tuple[str, int]) -> int:
        """Add a plain step; returns its slot."""
        self._steps.append(_Step(function, slots, waits=False, cleans=False))
        return APP + len(self._steps)

    def slot(self, owner: Callable[..., Any], parameter: Parameter) -> int | None:
        """Where a parameter finds its value; None: its default. Raises OMSRuntimeException 1418 for one without."""
        if parameter.depends is not None:
            return self._depend(parameter.depends.dependency, cached=parameter.depends.use_cache)
        given = self._given(parameter)
        if given is None and parameter.default is inspect.Parameter.empty:
            step = "Give it a default, or Annotated[..., Depends(...)]; dependencies get no body"
            raise bad(owner, parameter.name, "there is nothing to pass", step)
        return given

    def _depend(self, function: Callable[..., Any], *, cached: bool) -> int:
        function = self._overrides.get(function, function)
        if cached and function in self._cached:
            return self._cached[function]
        if function in self._open:
            raise bad(function, "", "it depends on itself", "Break the circle")
        self._open.append(function)
        arguments = []
        for parameter in signature(function).parameters:
            slot = self.slot(function, parameter)
            if slot is not None:
                arguments.append((parameter.name, slot))
        self._open.pop()
        self._steps.append(_step(function, tuple(arguments)))
        slot = APP + len(self._steps)
        if cached:
            self._cached[function] = slot
        return slot

    def call(self, function: Callable[..., Any], arguments: tuple[tuple[str, int], ...], app: object) -> Call:
        """The planned call of a listener. A plain function runs in a thread, so that it may block."""
        steps = tuple(self._steps)
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            return _streaming(function, steps, arguments, app)
        if not waits(function):
            function = partial(asyncio.to_thread, function)
        if not steps and len(arguments) == 1 and arguments[0][1] == BODY:
            name = arguments[0][0]
            return lambda body, _message, _context: function(**{name: body})
        if not any(step.cleans for step in steps):

            async def call(body: Any, message: Any, context: Any) -> Any:
                values = [body, message, context, app]
                for step in steps:
                    value = step.function(**{name: values[slot] for name, slot in step.arguments})
                    values.append(await value if step.waits else value)
                return await function(**{name: values[slot] for name, slot in arguments})

            return call

        async def call_and_clean(body: Any, message: Any, context: Any) -> Any:
            values = [body, message, context, app]
            async with AsyncExitStack() as stack:
                await _fill(values, steps, stack)
                return await function(**{name: values[slot] for name, slot in arguments})

        return call_and_clean


async def _fill(values: list[Any], steps: Sequence[_Step], stack: AsyncExitStack) -> None:
    """Run steps; what they open is closed with the stack."""
    for step in steps:
        value = step.function(**{name: values[slot] for name, slot in step.arguments})
        if step.cleans:
            enter = stack.enter_async_context if step.waits else stack.enter_context
            value = enter(value)
        values.append(await value if step.waits else value)


def _streaming(
    function: Callable[..., Any], steps: Sequence[_Step], arguments: tuple[tuple[str, int], ...], app: object
) -> Call:
    """The call of a generator: it returns a stream, and what its dependencies opened lasts as long as that."""

    async def items(body: Any, message: Any, context: Any) -> AsyncIterator[Any]:
        values = [body, message, context, app]
        async with AsyncExitStack() as stack:
            await _fill(values, steps, stack)
            made = function(**{name: values[slot] for name, slot in arguments})
            async with aclosing(made if inspect.isasyncgen(made) else _walk(made)) as walked:
                async for item in walked:
                    yield item

    async def call(body: Any, message: Any, context: Any) -> Any:
        return items(body, message, context)

    return call


async def _walk(items: Generator[Any]) -> AsyncGenerator[Any]:
    """A plain generator, which may block, walked in threads."""
    over = object()
    with closing(items):
        while (item := await asyncio.to_thread(next, items, over)) is not over:
            yield item


def waits(function: Callable[..., Any]) -> bool:
    """Whether a call of a function is to be awaited."""
    inner = function.func if isinstance(function, partial) else function
    if not inspect.isroutine(inner) and not isinstance(inner, type):
        inner = type(inner).__call__
    return inspect.iscoroutinefunction(inner)


def _step(function: Callable[..., Any], arguments: tuple[tuple[str, int], ...]) -> _Step:
    if inspect.isasyncgenfunction(function):
        return _Step(asynccontextmanager(function), arguments, waits=True, cleans=True)
    if inspect.isgeneratorfunction(function):
        return _Step(contextmanager(function), arguments, waits=False, cleans=True)
    return _Step(function, arguments, waits(function), cleans=False)
