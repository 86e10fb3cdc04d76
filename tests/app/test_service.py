"""Services of an application: typed requests and replies, in the test kit and on a store."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
import pytest

import openmessaging as oms
from openmessaging.testing import TestApp


class Order(msgspec.Struct):
    item: str
    quantity: int = 1


class Price(msgspec.Struct):
    total: float


def application(**settings: Any) -> oms.App:
    return oms.App("oms:memory:never-opened", **settings)


async def test_a_request_comes_as_its_type_and_so_does_the_answer() -> None:
    app = application()

    @app.service("prices")
    async def price(order: Order, request: oms.Request, me: oms.App) -> Price:
        assert me is app
        assert request.time_left > 1
        return Price(2.5 * order.quantity)

    @app.service("echo")
    def echo(body: bytes, message: oms.Message) -> oms.Message:
        return app.message("unused", body, properties={"from": message.message_key or ""})

    @app.service("quiet")
    async def quiet() -> None: ...

    async with TestApp(app) as test:
        assert await app.request("prices", Order("pizza", 2), Price) == Price(5.0)
        assert await app.request("prices", {"item": "pizza"}) == {"total": 2.5}
        assert test.received(price) == [Order("pizza", 2), Order("pizza")]
        answer = await app.producer.request(app.message("echo", b"body", key="k"))
        assert (answer.data, answer.properties["from"]) == (b"body", "k")
        assert await app.request("quiet", b"", bytes) == b""


async def test_errors_arrive_as_errors_and_rules_may_answer() -> None:
    app = application(on_error={TimeoutError: oms.Retry, KeyError: lambda failure, message: {"total": 0.0}})

    @app.service("prices", on_error={ZeroDivisionError: lambda failure, message: Price(1.0)})
    async def price(order: Order) -> Price:
        match order.item:
            case "unknown":
                raise KeyError(order.item)
            case "zero":
                raise ZeroDivisionError
            case "slow":
                raise TimeoutError("the warehouse is slow")
            case "own":
                raise oms.OMSMessageFormatException(1413, "too many")
        raise ValueError(order.item)

    async with TestApp(app):
        assert await app.request("prices", Order("unknown"), Price) == Price(0.0)
        assert await app.request("prices", Order("zero"), Price) == Price(1.0)
        for item, code, text in (("slow", 1500, "the warehouse is slow"), ("own", 1413, "too many"), ("x", 1500, "x")):
            with pytest.raises(oms.OMSRemoteException, match=text) as caught:
                await app.request("prices", Order(item))
            assert caught.value.code == code
        with pytest.raises(oms.OMSRemoteException, match=r"\$\.quantity") as caught:
            await app.request("prices", b'{"item": "pizza", "quantity": "two"}')
        assert caught.value.code == 1400
        with pytest.raises(oms.OMSRuntimeException, match="no service"):
            await app.request("nobody", b"")


async def test_dependencies_and_middleware_are_those_of_listeners() -> None:
    app = application()
    steps: list[str] = []

    def session() -> Iterator[str]:
        steps.append("opened")
        yield "session"
        steps.append("closed")

    @app.middleware
    def around(handle: Any) -> Any:
        async def handled(message: Any, context: Any) -> Any:
            steps.append("before")
            result = await handle(message, context)
            steps.append("after")
            return result

        return handled

    @app.service("q")
    async def answer(body: str, opened: Annotated[str, oms.Depends(session)]) -> str:
        return f"{opened}: {body}"

    async with TestApp(app):
        assert await app.request("q", "x", str) == "session: x"
    assert steps == ["before", "opened", "closed", "after"]
    async with TestApp(app, overrides={session: lambda: "double"}):
        assert await app.request("q", "x", str) == "double: x"


async def test_generators_answer_with_streams_and_keep_what_they_opened() -> None:
    app = application()
    steps: list[str] = []

    def session() -> Iterator[str]:
        try:
            yield "session"
        finally:
            steps.append("closed")

    @app.service("async")
    async def count(to: int, opened: Annotated[str, oms.Depends(session)]) -> AsyncIterator[Price]:
        for number in range(to):
            await asyncio.sleep(0)
            yield Price(number)
        steps.append("ended")

    @app.service("plain")
    def letters(word: str) -> Iterator[str]:
        yield from word

    async with TestApp(app):
        async with app.request_stream("async", 3, Price) as prices:
            assert [each async for each in prices] == [Price(0), Price(1), Price(2)]
        assert steps == ["ended", "closed"]
        async with app.request_stream("plain", "abc", str) as found:
            assert [each async for each in found] == ["a", "b", "c"]
        async with app.request_stream("async", 1_000, Price, window=2) as prices:
            assert await anext(prices) == Price(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert steps == ["ended", "closed", "closed"]
        with pytest.raises(oms.OMSRemoteException, match="stream"):
            await app.request("async", 3)


async def test_a_request_that_waits_ends_with_the_time_of_the_test() -> None:
    app = application()

    @app.service("slow")
    async def slow(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async with TestApp(app) as test:
        asking = asyncio.create_task(app.request("slow", 20.0, float, timeout=30.0))
        late = asyncio.create_task(app.request("slow", 50.0, float, timeout=30.0))
        await test.advance(25.0)
        assert asking.done()
        assert await asking == 20.0
        assert not late.done()
        await test.advance(10.0)
        with pytest.raises(oms.OMSTimeOutException):
            await late


async def test_what_cannot_be_a_service_is_told_when_it_is_written() -> None:
    app = application()
    with pytest.raises(oms.OMSRuntimeException, match="such context"):

        @app.service("q")
        async def one(context: oms.ListenerContext) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="not supported"):

        @app.service("q")
        async def two(body: complex | Order) -> None: ...

    @app.listener("q")
    async def three(body: str) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="would share"):

        @app.service("q")
        async def four(body: str) -> None: ...

    app.service("q", "another group")(three)


async def test_services_on_a_store_stop_with_the_app(tmp_path: Any) -> None:
    app = oms.App(f"oms:embedded://{tmp_path}/store")
    began = asyncio.Event()

    @app.service("slow", concurrency=2)
    async def slow(body: str) -> str:
        began.set()
        await asyncio.sleep(0.05)
        return body

    async with app:
        assert app.health().ready
        asking = asyncio.create_task(app.request("slow", "x", str))
        await began.wait()
        assert await asking == "x"
    with pytest.raises(oms.OMSRuntimeException, match="1503"):
        await app.request("slow", "x", str)
