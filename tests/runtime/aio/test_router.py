"""Routes with functions, both faces: run where the functions are, each batch in one commit."""

import pytest

from openmessaging import connect
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Backoff, Capability
from openmessaging.runtime.aio import router as routers
from openmessaging.runtime.aio.primitives import Event, sleep
from openmessaging.runtime.aio.router import Serving
from openmessaging.runtime.verdict import Reject

QUICK = Backoff(initial=0.01, maximum=0.02, max_delivery=2)


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "WATCH", 0.02)


async def got(access_point, queue: str, count: int) -> list:
    """The first messages of a queue, as a group of its own gets them."""
    found = []
    async with access_point.create_pull_consumer(queue, "reader") as consumer:
        while len(found) < count:
            messages = await consumer.batch_receive(count, timeout=10)
            assert messages, f"{len(found)} of {count} came"
            await consumer.ack(messages)
            found += messages
    return found


async def send(access_point, queue: str, *bodies: bytes, **named) -> None:
    async with access_point.create_producer() as producer:
        await producer.send([producer.create_message(queue, body, **named) for body in bodies])


async def until(condition, *arguments) -> None:
    for _ in range(500):
        if await condition(*arguments):
            return
        await sleep(0.02)
    raise AssertionError("it did not happen")


async def idle(access_point, name: str) -> bool:
    info = await access_point.resource_manager().describe_routing(name)
    return info.lag == 0


def double(message):
    message.data *= 2
    message.properties["doubled"] = True
    return message


async def test_a_function_changes_messages_between_other_operators(url: str) -> None:
    async with connect(url) as access_point:
        manager = access_point.resource_manager()
        operators = ["filter n > 1", "set m = n + 1", "call double", "filter doubled AND m < 5"]
        await manager.create_routing("r", "orders", ["out", "copy"], operators, trace=True)
        for n in range(6):
            await send(access_point, "orders", b"%d" % n, properties={"n": n}, message_key=f"k{n}")
        assert (await manager.describe_routing("r")).lag > 0
        async with access_point.create_router({"double": double}) as router:
            assert router.running == ["default://r"]
            for queue in ("out", "copy"):
                messages = sorted(await got(access_point, queue, 2), key=lambda message: message.data)
                assert [message.data for message in messages] == [b"22", b"33"]
                assert dict(messages[0].properties) == {
                    "n": 2,
                    "m": 3,
                    "doubled": True,
                    "route.hops": "r(orders/0/2)",
                }
                assert messages[0].message_key == "k2"
            await until(idle, access_point, "r")
            sources = await got(access_point, "orders", 6)
            assert messages[0].message_id == sources[2].message_id
            assert messages[0].header.born_timestamp == sources[2].header.born_timestamp


async def test_what_a_function_may_return(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_routing("r", "orders", "out", ["call work"])

        def work(message):
            made = access_point.message_factory().create_message("anywhere", b"made", message_key="new")
            return {b"0": None, b"1": b"bytes", b"2": made, b"3": [b"x", made], b"4": []}[message.data]

        await send(access_point, "orders", b"0", b"1", b"2", b"3", b"4", properties={"p": 1}, message_key="k")
        async with access_point.create_router({"work": work}):
            messages = await got(access_point, "out", 4)
            await until(idle, access_point, "r")
        sources = {message.data: message.message_id for message in await got(access_point, "orders", 5)}
        found = [(message.data, message.message_key, dict(message.properties)) for message in messages]
        assert found == [
            (b"bytes", "k", {"p": 1}),
            (b"made", "new", {}),
            (b"x", "k", {"p": 1}),
            (b"made", "new", {}),
        ]
        ids = [message.message_id for message in messages]
        assert ids[:2] == [sources[b"1"], sources[b"2"]]
        assert len({*ids, *sources.values()}) == 7


async def test_what_a_function_raises_on_comes_again_and_then_is_dead(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_routing("r", "orders", "out", ["call work"], backoff=QUICK)
        calls = []

        def work(message):
            calls.append((message.data, dict(message.properties)))
            message.properties["touched"] = len(calls)  # the next attempt does not see it
            if message.data == b"bad":
                raise ValueError("no good")
            if message.data == b"never":
                raise Reject("hopeless")
            return 5 if message.data == b"five" else message

        await send(access_point, "orders", b"bad", b"good", b"never", b"five")
        async with access_point.create_router({"work": work}):
            assert [message.data for message in await got(access_point, "out", 1)] == [b"good"]
            letters = await got(access_point, "orders.route-r.dead-letter", 3)
            await until(idle, access_point, "r")
        reasons = {message.data: message.properties["dead-letter.reason"] for message in letters}
        assert reasons[b"bad"] == "ValueError: no good"
        assert reasons[b"never"] == "hopeless"
        assert "the function returned int" in reasons[b"five"]
        attempts = [properties for data, properties in calls if data == b"bad"]
        assert attempts == [{}, {}]
        assert len([data for data, _ in calls if data == b"never"]) == 1


async def test_routes_come_and_go_while_it_runs(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        async with access_point.create_router({"double": double, "other": double}) as router:
            assert router.running == []
            await manager.create_routing("r", "orders", "out", ["call double"])
            await manager.create_routing("unknown", "orders", "out", ["call elsewhere"])
            await manager.create_routing("plain", "orders", "copies")

            async def runs(*names: str) -> bool:
                return router.running == [f"default://{name}" for name in names]

            await until(runs, "r")
            await send(access_point, "orders", b"a")
            assert [message.data for message in await got(access_point, "out", 1)] == [b"aa"]
            await manager.delete_routing("r")
            await until(runs)
            await send(access_point, "orders", b"b")
            await manager.create_routing("r", "orders", "out", ["call other"], start="earliest")
            await until(runs, "r")
            assert [message.data for message in await got(access_point, "out", 2)] == [b"aa", b"bb"]
            assert (await manager.describe_routing("unknown")).lag == 2
        assert router.running == []
        assert await access_point.resource_manager().list_groups("orders") != []


async def test_the_messages_of_a_key_come_in_order_from_several_at_work(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_queue("out", partitions=3)
        await manager.create_routing("r", "orders", "out", ["call double"])
        async with access_point.create_producer() as producer:
            for n in range(60):
                await producer.send(producer.create_message("orders", b"%d," % n, message_key=f"k{n % 4}"))
        async with (
            access_point.create_router({"double": double}, concurrency=3, batch_size=2),
            access_point.create_router({"double": double}, batch_size=5),
        ):
            messages = await got(access_point, "out", 60)
        for key in range(4):
            numbers = [int(message.data.split(b",")[0]) for message in messages if message.message_key == f"k{key}"]
            assert numbers == list(range(key, 60, 4))


async def test_a_refused_commit_does_nothing_and_the_messages_come_again(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, refusals = Serving.serve, []

    async def late(self, messages, context) -> None:
        if not refusals:
            refusals.append(len(messages))
            for message in messages:
                message.lease.settler.ack(message.lease.id, None)  # as if it were over
        await whole(self, messages, context)

    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_routing("r", "orders", "out", ["call double"])
        await send(access_point, "orders", b"a")
        monkeypatch.setattr(Serving, "serve", late)
        async with access_point.create_router({"double": double}):
            await until(idle, access_point, "r")
            await send(access_point, "orders", b"b")
            assert [message.data for message in await got(access_point, "out", 1)] == [b"bb"]
        assert refusals == [1]


async def test_times_and_priority_of_what_goes_on(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        await manager.create_routing("r", "orders", "out", ["call work"], backoff=QUICK)

        def work(message):
            if message.data == b"later":
                message.extension_header.delay_time = 5_000
            if message.data == b"urgent":
                message.extension_header.priority = 9
            return message

        await send(access_point, "orders", b"later", b"urgent", b"was delayed", b"expires", delay=0.01, ttl=1000)
        async with access_point.create_router({"work": work}):
            messages = await got(access_point, "out", 3)
            (letter,) = await got(access_point, "orders.route-r.dead-letter", 1)
        assert messages[0].data == b"urgent" or messages[0].extension_header.priority == 5
        assert {message.data for message in messages} == {b"urgent", b"was delayed", b"expires"}
        assert all(message.extension_header.expire_time for message in messages)
        assert "a route delivers at once" in letter.properties["dead-letter.reason"]
        assert (await manager.describe_queue("out")).lanes == [(0, 9)]


async def test_what_a_router_needs(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(memory) as access_point:
        for wrong in ({"concurrency": 0}, {"batch_size": 0}):
            with pytest.raises(OMSRuntimeException):
                access_point.create_router({}, **wrong)
        driver = await access_point.get_driver()
        for lacking in (Capability.ROUTING, Capability.TRANSACTIONS):
            monkeypatch.setattr(driver, "capabilities", frozenset(Capability) - {lacking})
            with pytest.raises(OMSUnsupportException):
                await access_point.create_router({}).start()


async def test_looking_for_routes_goes_on_after_a_failure(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(memory) as access_point:
        router = access_point.create_router({"double": double})
        await router.start()
        driver = await access_point.get_driver()
        whole, failed = driver.list_routes, Event()

        async def failing(namespace: str):
            if not failed.is_set():
                failed.set()
                raise OMSRuntimeException(1501, "for a moment")
            return await whole(namespace)

        monkeypatch.setattr(driver, "list_routes", failing)
        assert await failed.wait_within(5)
        await access_point.resource_manager().create_routing("r", "orders", "out", ["call double"])
        await send(access_point, "orders", b"a")
        assert [message.data for message in await got(access_point, "out", 1)] == [b"aa"]
        await router.stop()


async def test_a_route_that_goes_just_as_it_is_begun_leaves_no_group(memory: str) -> None:
    async with connect(memory) as access_point:
        manager = access_point.resource_manager()
        info = await manager.create_routing("r", "orders", "out", ["call double"])
        await manager.delete_routing("r")
        router = access_point.create_router({"double": double})
        await router.start()
        await router._begin(info.route)
        assert router.running == []
        assert await manager.list_groups("orders") == []
        await router.stop()
