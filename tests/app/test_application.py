"""Applications on the real engine, with the test kit and on a store of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

import openmessaging as oms
from openmessaging.model.spi import Capability
from openmessaging.testing import TestApp
from tests.runtime.hiding import hide


class Order(msgspec.Struct):
    item: str
    quantity: int = 1


class Parcel(msgspec.Struct):
    weight: float


def application(**settings: Any) -> oms.App:
    return oms.App("oms:memory:never-opened", **settings)


async def test_the_body_comes_as_its_type_and_the_result_is_sent_on() -> None:
    app = application()

    @app.listener("orders", group="billing", sends_to="invoices")
    async def bill(order: Order, message: oms.Message, context: oms.ListenerContext, me: oms.App) -> dict[str, Any]:
        assert me is app
        return {"item": order.item, "for": message.message_key, "attributes": context.attributes}

    async with TestApp(app) as test:
        await test.send("orders", Order("pizza", 2), key="alice")
        assert test.received(bill) == [Order("pizza", 2)]
        assert test.sent("invoices") == [{"item": "pizza", "for": "alice", "attributes": {}}]
        assert test.messages("invoices")[0].message_key == "alice"


async def test_a_body_that_cannot_be_read_is_a_dead_letter_that_names_the_field() -> None:
    app = application()

    @app.listener("orders", retry=oms.Backoff(max_delivery=5))
    async def bill(order: Order) -> None: ...

    async with TestApp(app) as test:
        await test.send("orders", b'{"item": "pizza", "quantity": "two"}')
        await test.send("orders", Order("salad"))
        assert test.received(bill) == [Order("salad")]
        [dead] = test.dead_letters("orders")
        assert "$.quantity" in dead.properties["dead-letter.reason"]
        assert dead.properties["dead-letter.delivery-count"] == 1


async def test_a_condition_lets_only_messages_come_that_match() -> None:
    app = application()

    @app.listener("orders", group="red", filter="color = 'red' AND header.priority > 5")
    async def red(number: int) -> None: ...

    @app.listener("orders", group="others", filter="color <> 'red' OR color IS NULL", batch=10)
    async def others(numbers: list[int]) -> None: ...

    async with TestApp(app) as test:
        for number, (color, priority) in enumerate([("red", 9), ("blue", 9), ("red", 1), (None, 5)]):
            await test.send("orders", number, properties={"color": color} if color else None, priority=priority)
        assert test.received(red) == [0]
        assert sorted(each for call in test.received(others) for each in call) == [1, 3]
    assert app.listeners[0].filter == "color = 'red' AND header.priority > 5"


def test_a_condition_that_cannot_be_read_is_told_where_it_stands() -> None:
    with pytest.raises(oms.OMSRuntimeException, match="column 7") as caught:

        @application().listener("orders", filter="color = ")
        async def red(number: int) -> None: ...

    assert (caught.value.code, caught.value.field) == (1418, "filter")


@pytest.mark.parametrize(("before", "after"), [("n > 1", None), (None, "n > 1")])
async def test_the_condition_of_a_group_follows_the_program(
    before: str | None, after: str | None, tmp_path: Path
) -> None:
    async def taken(condition: str | None) -> list[int]:
        app, came, last = oms.App(f"oms:embedded://{tmp_path}/store"), [], asyncio.Event()

        @app.listener("orders", filter=condition)
        async def take(n: int) -> None:
            came.append(n)
            if n == 2:
                last.set()

        async with app:
            for n in (1, 2):
                await app.send("orders", n, properties={"n": n})
            await asyncio.wait_for(last.wait(), 5)
        return came

    for condition in (before, after):
        assert await taken(condition) == ([2] if condition else [1, 2])


async def test_verdicts_and_rules() -> None:
    app = application(on_error={KeyError: oms.Reject, LookupError: None})
    seen: list[str] = []

    @app.exception_handler(OSError)
    async def on_os_error(failure: Exception, message: oms.Message) -> str:
        return f"rescued {message.data.decode()}"

    @app.listener("in", sends_to="out", on_error={TimeoutError: oms.Retry(60.0)})
    async def listen(text: str) -> str:
        seen.append(text)
        if text == "late" and seen.count("late") == 2:
            return "at last"
        raise {"key": KeyError, "index": IndexError, "disk": OSError, "late": TimeoutError, "no": oms.Reject}[text](
            text
        )

    async with TestApp(app) as test:
        for text in ("key", "index", "disk", "late", "no"):
            await test.send("in", text)
        assert test.sent("out", str) == ["rescued disk"]
        reasons = [dead.properties["dead-letter.reason"] for dead in test.dead_letters("in")]
        assert reasons == ["KeyError: 'key'", "no"]
        await test.advance(59.0)
        assert seen.count("late") == 1
        await test.advance(1.0)
        assert test.sent("out", str) == ["rescued disk", "at last"]


async def test_middleware_is_around_and_sees_results() -> None:
    log: list[str] = []

    def named(name: str):
        def middleware(handler):
            async def around(message, context):
                log.append(name)
                result = await handler(message, context)
                return f"{name}({result})"

            return around

        return middleware

    app = application(middleware=[named("outer")])
    app.middleware(named("middle"))

    @app.listener("in", sends_to="out", middleware=[named("inner")])
    async def listen(text: str) -> str:
        return text

    async with TestApp(app) as test:
        await test.send("in", "x")
        assert test.sent("out", str) == ["outer(middle(inner(x)))"]
    assert log == ["outer", "middle", "inner"]


async def test_the_lifespan_is_around_and_may_send() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def lifespan(app: oms.App) -> AsyncIterator[None]:
        app.state["greeting"] = "hello"
        await app.send("in", "from the lifespan")
        log.append("begin")
        yield
        log.append("end")

    app = application(lifespan=lifespan)

    def greeting(app: oms.App) -> str:
        return app.state["greeting"]

    @app.listener("in")
    async def listen(text: str, greeting: Annotated[str, oms.Depends(greeting)]) -> None:
        log.append(f"{greeting} {text}")

    async with TestApp(app):
        pass
    assert log == ["begin", "hello from the lifespan", "end"]


async def test_batches_come_as_lists_and_bad_bodies_leave_alone() -> None:
    app = application()

    @app.listener("orders", batch=10, sends_to="done")
    async def bill(orders: list[Order], messages: list[oms.Message]) -> list[str]:
        assert len(orders) == len(messages)
        return [order.item for order in orders]

    async with TestApp(app) as test:
        producer = app.producer
        bodies = [b'{"item":"a"}', b'{"item":1}', b'{"item":"b"}']
        await producer.send([producer.create_message("orders", body) for body in bodies])
        await test.settle()
        assert test.received(bill) == [[Order("a"), Order("b")]]
        assert test.sent("done", str) == ["a", "b"]
        assert "$.item" in test.dead_letters("orders")[0].properties["dead-letter.reason"]


async def test_several_parameters_get_the_fields_of_the_body() -> None:
    app = application()
    seen: list[Any] = []

    @app.listener("users")
    async def welcome(user: str, user_id: int, country: str = "nowhere") -> None:
        seen.append((user, user_id, country))

    async with TestApp(app) as test:
        await test.send("users", {"user": "John", "user_id": 1})
        await test.send("users", {"user": "John"})
        assert seen == [("John", 1, "nowhere")]
        assert "user_id" in test.dead_letters("users")[0].properties["dead-letter.reason"]


async def test_typed_publishers_and_another_codec() -> None:
    app = application(codec=oms.MessagePackCodec())
    orders = app.publisher("orders", Order)

    @app.listener("orders")
    async def bill(order: Order) -> None: ...

    async with TestApp(app) as test:
        await orders.send(Order("pizza"), key="alice", properties={"colour": "red"})
        await test.settle()
        assert test.received(bill) == [Order("pizza")]
        [message] = test.messages("orders")
        assert (message.message_key, message.properties["colour"]) == ("alice", "red")
        assert message.data == msgspec.msgpack.encode(Order("pizza"))


def test_mistakes_are_told_when_the_listener_is_declared() -> None:
    app = application()

    @app.listener("orders", group="billing")
    async def one(body: bytes) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="would share the messages of orders"):

        @app.listener(["parcels", "orders"], group="billing")
        async def two(body: bytes) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="gets a list"):

        @app.listener("orders", batch=10)
        async def three(body: bytes) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="one parameter"):

        @app.listener("orders", batch=10)
        async def four(body: list[int], other: int) -> None: ...

    with pytest.raises(oms.OMSRuntimeException, match="parameter body"):

        @app.listener("orders", group="x")
        async def five(body: Order | Parcel) -> None: ...


async def test_without_running_there_is_nothing_to_send_with() -> None:
    with pytest.raises(oms.OMSRuntimeException) as caught:
        await application().send("orders", b"x")
    assert caught.value.code == 1503


async def test_returned_messages_go_to_their_queues_all_or_none() -> None:
    app = application()
    parcels = app.publisher("parcels", Parcel)

    @app.listener("orders", retry=oms.Backoff(60.0, jitter=0.0))
    async def ship(order: Order, message: oms.Message) -> list[oms.Message]:
        weighed = parcels.message(Parcel(0.5 * order.quantity), key=order.item)
        if message.delivery_count == 1:
            return [weighed, app.message("labels", order.item, partition=7)]  # is not there
        return [weighed, app.message("labels", order.item, priority=9)]

    @app.listener("labels")
    async def one(label: str) -> oms.Message:
        return app.message("shelf", label)

    async with TestApp(app) as test:
        await test.send("orders", Order("pizza", 2))
        assert test.messages("parcels") == test.messages("labels") == []
        await test.advance(60.0)
        assert test.sent("parcels", Parcel) == [Parcel(1.0)]
        assert test.messages("labels")[0].extension_header.priority == 9
        assert test.sent("shelf", str) == ["pizza"]
        assert test.messages("parcels")[0].message_key == "pizza"


async def test_a_received_message_that_is_returned_is_handed_on_or_left() -> None:
    app = application()

    @app.listener("in", sends_to="out")
    async def hand_on(message: oms.Message) -> oms.Message:
        return message

    @app.listener("out")
    async def leave(message: oms.Message) -> oms.Message:
        return message

    async with TestApp(app) as test:
        await test.send("in", "x", key="k", properties={"p": 1})
        assert [(each.data, each.message_key, dict(each.properties)) for each in test.messages("out")] == [
            (b"x", "k", {"p": 1})
        ]
        assert test.sent("in", str) == ["x"]


async def test_a_run_that_ends_when_nothing_is_due(tmp_path: Path) -> None:
    app, tried = oms.App(f"oms:embedded://{tmp_path}/store"), []

    @app.listener("a", sends_to="b", retry=oms.Backoff(initial=600.0))
    async def one(text: str) -> str:
        tried.append(text)
        if text == "later":
            raise ValueError(text)
        return text + "!"

    @app.listener("b", sends_to="c")
    async def two(text: str) -> str:
        return text + "?"

    async with oms.connect(app.url) as access_point, access_point.create_producer() as producer:
        for text in ("now", "later", "soon"):
            await producer.send(producer.create_message("a", text.encode()))
        for _ in range(2):
            await asyncio.wait_for(app.run(once=True), 30)
        async with access_point.create_pull_consumer("c") as consumer:
            found = await consumer.batch_receive(timeout=5)
    assert sorted(message.data for message in found) == [b"now!?", b"soon!?"]
    assert sorted(tried) == ["later", "now", "soon"]


async def test_where_there_are_no_transactions_a_result_is_sent_before_the_acknowledgement() -> None:
    app = application()

    @app.listener("in", sends_to="out")
    async def double(number: int) -> int:
        return number * 2

    async with TestApp(app) as test:
        hide(app.access_point, Capability.TRANSACTIONS)
        await test.send("in", 4)
        assert test.sent("out") == [8]
        info = await app.access_point.resource_manager().describe_group("in", "default")
        assert info.lag == 0
