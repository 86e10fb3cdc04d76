# Generated from tests/runtime/aio/test_router.py by scripts/unasync.py: change that file instead.
"""Routes with functions, both faces: run where the functions are, each batch in one commit."""

import pytest

from openmessaging.blocking import connect
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Backoff, Capability
from openmessaging.runtime.threads import router as routers
from openmessaging.runtime.threads.primitives import Event, sleep
from openmessaging.runtime.threads.router import Serving
from openmessaging.runtime.verdict import Reject

QUICK = Backoff(initial=0.01, maximum=0.02, max_delivery=2)


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "WATCH", 0.02)


def got(access_point, queue: str, count: int) -> list:
    """The first messages of a queue, as a group of its own gets them."""
    found = []
    with access_point.create_pull_consumer(queue, "reader") as consumer:
        while len(found) < count:
            messages = consumer.batch_receive(count, timeout=10)
            assert messages, f"{len(found)} of {count} came"
            consumer.ack(messages)
            found += messages
    return found


def send(access_point, queue: str, *bodies: bytes, **named) -> None:
    with access_point.create_producer() as producer:
        producer.send([producer.create_message(queue, body, **named) for body in bodies])


def until(condition, *arguments) -> None:
    for _ in range(500):
        if condition(*arguments):
            return
        sleep(0.02)
    raise AssertionError("it did not happen")


def idle(access_point, name: str) -> bool:
    info = access_point.resource_manager().describe_routing(name)
    return info.lag == 0


def double(message):
    message.data *= 2
    message.properties["doubled"] = True
    return message


def test_a_function_changes_messages_between_other_operators(url: str) -> None:
    with connect(url) as access_point:
        manager = access_point.resource_manager()
        operators = ["filter n > 1", "set m = n + 1", "call double", "filter doubled AND m < 5"]
        manager.create_routing("r", "orders", ["out", "copy"], operators, trace=True)
        for n in range(6):
            send(access_point, "orders", b"%d" % n, properties={"n": n}, message_key=f"k{n}")
        assert (manager.describe_routing("r")).lag > 0
        with access_point.create_router({"double": double}) as router:
            assert router.running == ["default://r"]
            for queue in ("out", "copy"):
                messages = sorted(got(access_point, queue, 2), key=lambda message: message.data)
                assert [message.data for message in messages] == [b"22", b"33"]
                assert dict(messages[0].properties) == {
                    "n": 2,
                    "m": 3,
                    "doubled": True,
                    "route.hops": "r(orders/0/2)",
                }
                assert messages[0].message_key == "k2"
            until(idle, access_point, "r")
            sources = got(access_point, "orders", 6)
            assert messages[0].message_id == sources[2].message_id
            assert messages[0].header.born_timestamp == sources[2].header.born_timestamp


def test_what_a_function_may_return(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "out", ["call work"])

        def work(message):
            made = access_point.message_factory().create_message("anywhere", b"made", message_key="new")
            return {b"0": None, b"1": b"bytes", b"2": made, b"3": [b"x", made], b"4": []}[message.data]

        send(access_point, "orders", b"0", b"1", b"2", b"3", b"4", properties={"p": 1}, message_key="k")
        with access_point.create_router({"work": work}):
            messages = got(access_point, "out", 4)
            until(idle, access_point, "r")
        sources = {message.data: message.message_id for message in got(access_point, "orders", 5)}
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


def test_what_a_function_raises_on_comes_again_and_then_is_dead(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "out", ["call work"], backoff=QUICK)
        calls = []

        def work(message):
            calls.append((message.data, dict(message.properties)))
            message.properties["touched"] = len(calls)  # the next attempt does not see it
            if message.data == b"bad":
                raise ValueError("no good")
            if message.data == b"never":
                raise Reject("hopeless")
            return 5 if message.data == b"five" else message

        send(access_point, "orders", b"bad", b"good", b"never", b"five")
        with access_point.create_router({"work": work}):
            assert [message.data for message in got(access_point, "out", 1)] == [b"good"]
            letters = got(access_point, "orders.route-r.dead-letter", 3)
            until(idle, access_point, "r")
        reasons = {message.data: message.properties["dead-letter.reason"] for message in letters}
        assert reasons[b"bad"] == "ValueError: no good"
        assert reasons[b"never"] == "hopeless"
        assert "the function returned int" in reasons[b"five"]
        attempts = [properties for data, properties in calls if data == b"bad"]
        assert attempts == [{}, {}]
        assert len([data for data, _ in calls if data == b"never"]) == 1


def test_routes_come_and_go_while_it_runs(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        with access_point.create_router({"double": double, "other": double}) as router:
            assert router.running == []
            manager.create_routing("r", "orders", "out", ["call double"])
            manager.create_routing("unknown", "orders", "out", ["call elsewhere"])
            manager.create_routing("plain", "orders", "copies")

            def runs(*names: str) -> bool:
                return router.running == [f"default://{name}" for name in names]

            until(runs, "r")
            send(access_point, "orders", b"a")
            assert [message.data for message in got(access_point, "out", 1)] == [b"aa"]
            manager.delete_routing("r")
            until(runs)
            send(access_point, "orders", b"b")
            manager.create_routing("r", "orders", "out", ["call other"], start="earliest")
            until(runs, "r")
            assert [message.data for message in got(access_point, "out", 2)] == [b"aa", b"bb"]
            assert (manager.describe_routing("unknown")).lag == 2
        assert router.running == []
        assert access_point.resource_manager().list_groups("orders") != []


def test_the_messages_of_a_key_come_in_order_from_several_at_work(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_queue("out", partitions=3)
        manager.create_routing("r", "orders", "out", ["call double"])
        with access_point.create_producer() as producer:
            for n in range(60):
                producer.send(producer.create_message("orders", b"%d," % n, message_key=f"k{n % 4}"))
        with (
            access_point.create_router({"double": double}, concurrency=3, batch_size=2),
            access_point.create_router({"double": double}, batch_size=5),
        ):
            messages = got(access_point, "out", 60)
        for key in range(4):
            numbers = [int(message.data.split(b",")[0]) for message in messages if message.message_key == f"k{key}"]
            assert numbers == list(range(key, 60, 4))


def test_a_refused_commit_does_nothing_and_the_messages_come_again(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, refusals = Serving.serve, []

    def late(self, messages, context) -> None:
        if not refusals:
            refusals.append(len(messages))
            for message in messages:
                message.lease.settler.ack(message.lease.id, None)  # as if it were over
        whole(self, messages, context)

    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "out", ["call double"])
        send(access_point, "orders", b"a")
        monkeypatch.setattr(Serving, "serve", late)
        with access_point.create_router({"double": double}):
            until(idle, access_point, "r")
            send(access_point, "orders", b"b")
            assert [message.data for message in got(access_point, "out", 1)] == [b"bb"]
        assert refusals == [1]


def test_times_and_priority_of_what_goes_on(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        manager.create_routing("r", "orders", "out", ["call work"], backoff=QUICK)

        def work(message):
            if message.data == b"later":
                message.extension_header.delay_time = 5_000
            if message.data == b"urgent":
                message.extension_header.priority = 9
            return message

        send(access_point, "orders", b"later", b"urgent", b"was delayed", b"expires", delay=0.01, ttl=1000)
        with access_point.create_router({"work": work}):
            messages = got(access_point, "out", 3)
            (letter,) = got(access_point, "orders.route-r.dead-letter", 1)
        assert messages[0].data == b"urgent" or messages[0].extension_header.priority == 5
        assert {message.data for message in messages} == {b"urgent", b"was delayed", b"expires"}
        assert all(message.extension_header.expire_time for message in messages)
        assert "a route delivers at once" in letter.properties["dead-letter.reason"]
        assert (manager.describe_queue("out")).lanes == [(0, 9)]


def test_what_a_router_needs(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(memory) as access_point:
        for wrong in ({"concurrency": 0}, {"batch_size": 0}):
            with pytest.raises(OMSRuntimeException):
                access_point.create_router({}, **wrong)
        driver = access_point.get_driver()
        for lacking in (Capability.ROUTING, Capability.TRANSACTIONS):
            monkeypatch.setattr(driver, "capabilities", frozenset(Capability) - {lacking})
            with pytest.raises(OMSUnsupportException):
                access_point.create_router({}).start()


def test_looking_for_routes_goes_on_after_a_failure(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(memory) as access_point:
        router = access_point.create_router({"double": double})
        router.start()
        driver = access_point.get_driver()
        whole, failed = driver.list_routes, Event()

        def failing(namespace: str):
            if not failed.is_set():
                failed.set()
                raise OMSRuntimeException(1501, "for a moment")
            return whole(namespace)

        monkeypatch.setattr(driver, "list_routes", failing)
        assert failed.wait_within(5)
        access_point.resource_manager().create_routing("r", "orders", "out", ["call double"])
        send(access_point, "orders", b"a")
        assert [message.data for message in got(access_point, "out", 1)] == [b"aa"]
        router.stop()


def test_a_route_that_goes_just_as_it_is_begun_leaves_no_group(memory: str) -> None:
    with connect(memory) as access_point:
        manager = access_point.resource_manager()
        info = manager.create_routing("r", "orders", "out", ["call double"])
        manager.delete_routing("r")
        router = access_point.create_router({"double": double})
        router.start()
        router._begin(info.route)
        assert router.running == []
        assert manager.list_groups("orders") == []
        router.stop()
