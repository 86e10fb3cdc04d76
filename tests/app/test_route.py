"""Routes declared by decorator."""

import asyncio
import uuid
from typing import Annotated

import msgspec
import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSDestinationException, OMSRuntimeException


class Order(msgspec.Struct):
    item: str
    amount: int


def made(url: str | None = None) -> oms.App:
    return oms.App(url or f"oms:memory:{uuid.uuid4().hex}")


class Seen:
    """What a queue got, as a listener of the app."""

    def __init__(self, app: oms.App, queue: str) -> None:
        self.messages: list[oms.Message] = []
        self._more = asyncio.Event()

        @app.listener(queue, group=f"seen-{queue}")
        async def see(message: oms.Message) -> None:
            self.messages.append(message)
            self._more.set()

    async def bodies(self, count: int) -> list[bytes]:
        """The first `count`."""
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                self._more.clear()
                await self._more.wait()
        return [message.data for message in self.messages]


async def test_a_function_between_queues_with_types_and_dependencies() -> None:
    app = made()
    seen = Seen(app, "bills")

    def rate() -> int:
        return 2

    @app.route("orders", ["bills", "archive"], ["filter kind = 'paid'"])
    async def bill(order: Order, by: Annotated[int, oms.Depends(rate)]) -> Order:
        return Order(order.item, order.amount * by)

    async with app:
        await app.send("orders", Order("tea", 3), key="k", properties={"kind": "paid"})
        await app.send("orders", Order("milk", 1), properties={"kind": "open"})
        await app.send("orders", Order("cake", 4), properties={"kind": "paid"})
        assert await seen.bodies(2) == [b'{"item":"tea","amount":6}', b'{"item":"cake","amount":8}']
        assert seen.messages[0].message_key == "k"
        assert app.health().reasons == []
        info = await app.access_point.resource_manager().describe_routing("bill")
        assert (info.route.targets, info.lag) == (["default://bills", "default://archive"], 0)


async def test_what_a_function_returns_and_what_it_cannot_read() -> None:
    app = made()
    seen = Seen(app, "out")
    dead = Seen(app, "in.route-pick.dead-letter")

    @app.route("in", "out", name="pick", retry=oms.Backoff(initial=0, maximum=0, jitter=0, max_delivery=2))
    def choose(number: int, message: oms.Message) -> object:
        match number:
            case 1:
                return None
            case 2:
                return message
            case 3:
                return [app.message("out", 30), app.message("out", 31)]
            case 4:
                raise ValueError("no")
        return number * 10

    async with app:
        for value in (1, 2, 3, 4, 5):
            await app.send("in", value)
        await app.send("in", "no number")
        assert sorted(await seen.bodies(4)) == [b"2", b"30", b"31", b"50"]
        assert sorted(await dead.bodies(2)) == [b"4", b"no number"]


async def test_it_goes_on_where_it_was_and_is_not_changed_unasked(tmp_path) -> None:
    url = f"oms:embedded://{tmp_path}/store"

    def app_with(target: str) -> oms.App:
        app = made(url)

        @app.route("in", target, start="earliest")
        async def pass_on(message: oms.Message) -> oms.Message:
            return message

        return app

    first = app_with("out")
    async with first:
        pass
    async with oms.connect(url) as access_point, access_point.create_producer() as producer:
        await producer.send(producer.create_message("in", b"while nobody ran"))
    second = app_with("out")
    seen = Seen(second, "out")
    async with second:
        assert await seen.bodies(1) == [b"while nobody ran"]
    with pytest.raises(OMSDestinationException, match="other settings") as caught:
        await app_with("elsewhere").start()
    assert caught.value.code == 1406


async def test_what_is_wrong_is_told_at_once() -> None:
    app = made()
    with pytest.raises(OMSRuntimeException, match="context"):

        @app.route("in", "out")
        async def wrong(message: oms.Message, context: oms.ListenerContext) -> None: ...

    with pytest.raises(OMSRuntimeException):

        @app.route("in", "out", ["colour red"])
        async def unread(message: oms.Message) -> None: ...


async def test_a_route_that_cannot_receive_is_told() -> None:
    app = made()

    @app.route("in", "out")
    async def pass_on(message: oms.Message) -> oms.Message:
        return message

    async with app:
        assert app.running.router is not None
        [(_, consumer)] = app.running.router._running.values()
        [pump] = consumer._pumps.values()
        pump._main.cancel()
        await pump._main.join(5)
        assert app.health().reasons == ["default://pass_on, default://in: it receives no more"]
