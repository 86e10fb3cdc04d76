"""Planned calls: order, cache, clean-up, overrides."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Any

import pytest

from openmessaging import Depends, OMSRuntimeException
from openmessaging.app.plan import BODY, Planner, waits
from openmessaging.app.signature import Parameter, signature


def given(parameter: Parameter) -> int | None:
    return BODY if parameter.name == "body" else None


def run(function: Callable[..., Any], body: object = "body", overrides: Any = None) -> Any:
    planner = Planner(given, overrides or {})
    arguments = []
    for parameter in signature(function).parameters:
        slot = planner.slot(function, parameter)
        if slot is not None:
            arguments.append((parameter.name, slot))
    return asyncio.run(planner.call(function, tuple(arguments), "app")(body, None, None))  # type: ignore[arg-type]


def test_dependencies_are_nested_and_shared_per_message() -> None:
    made: list[str] = []

    def settings() -> str:
        made.append("settings")
        return "s"

    async def pool(settings: Annotated[str, Depends(settings)]) -> str:
        await asyncio.sleep(0)
        return f"pool({settings})"

    async def listener(
        body: str, a: Annotated[str, Depends(pool)], b: Annotated[str, Depends(settings)], c: int = 3
    ) -> list[Any]:
        return [body, a, b, c]

    assert run(listener) == ["body", "pool(s)", "s", 3]
    assert made == ["settings"]


def test_without_cache_everyone_gets_a_value_of_its_own() -> None:
    made: list[int] = []

    def number() -> int:
        made.append(1)
        return len(made)

    def listener(a: int = Depends(number, use_cache=False), b: int = Depends(number, use_cache=False)) -> list[int]:
        return [a, b]

    assert run(listener) == [1, 2]


def test_generators_clean_up_in_reverse_after_the_listener() -> None:
    log: list[str] = []

    def connection() -> Iterator[str]:
        log.append("open")
        yield "connection"
        log.append("close")

    async def session(connection: Annotated[str, Depends(connection)]) -> AsyncIterator[str]:
        log.append("begin")
        yield "session"
        log.append("commit")

    async def listener(session: Annotated[str, Depends(session)]) -> None:
        log.append(f"work with {session}")

    run(listener)
    assert log == ["open", "begin", "work with session", "commit", "close"]


def test_a_failure_reaches_the_generators() -> None:
    log: list[str] = []

    def session() -> Iterator[str]:
        try:
            yield "session"
        except ValueError:
            log.append("rolled back")
            raise

    async def listener(session: Annotated[str, Depends(session)]) -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        run(listener)
    assert log == ["rolled back"]


def test_an_override_stands_in_everywhere() -> None:
    def real() -> str:
        raise AssertionError

    def user(real: Annotated[str, Depends(real)]) -> str:
        return real

    async def listener(user: Annotated[str, Depends(user)]) -> str:
        return user

    assert run(listener, overrides={real: lambda: "fake"}) == "fake"


def test_a_plain_function_runs_in_a_thread() -> None:
    def listener(body: str) -> threading.Thread:
        return threading.current_thread()

    assert run(listener) is not threading.main_thread()


def test_classes_and_objects_are_dependencies() -> None:
    class Page:
        def __init__(self) -> None:
            self.size = 10

    class Make:
        async def __call__(self) -> str:
            return "made"

    async def listener(page: Annotated[Page, Depends(Page)], made: Annotated[str, Depends(Make())]) -> Any:
        return page.size, made

    assert run(listener) == (10, "made")


def test_a_circle_is_refused() -> None:
    def one(other: int) -> int: ...

    one.__annotations__["other"] = Annotated[int, Depends(one)]

    async def listener(one: Annotated[int, Depends(one)]) -> None: ...

    with pytest.raises(OMSRuntimeException, match="depends on itself"):
        run(listener)


def test_what_nobody_can_pass_is_named() -> None:
    def needs(number: int) -> int: ...

    async def listener(needs: Annotated[int, Depends(needs)]) -> None: ...

    with pytest.raises(OMSRuntimeException, match="needs, parameter number") as caught:
        run(listener)
    assert caught.value.field == "number"


def test_what_is_awaited() -> None:
    async def coroutine() -> None: ...
    def plain() -> None: ...

    assert waits(coroutine)
    assert waits(partial(coroutine))
    assert not waits(plain)
    assert not waits(int)
