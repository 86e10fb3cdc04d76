"""What is emulated is what its name says: over a store that says it can do less, and over one that can do little.

Both faces; pull and push consumers and applications.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import openmessaging as oms
import openmessaging.blocking as blocking
from openmessaging.model.errors import OMSRuntimeException, OMSUnsupportException
from openmessaging.model.spi import Capability
from tests.drivers.emulation.taking import ATTRIBUTES

LESSER = "oms:memory:lesser", ATTRIBUTES
LITTLE = "oms:sqlite://localhost/little", {"DRIVER_IMPL": "examples.sqlite_driver:driver"}
ALL = ("filter", "delay", "expiry", "dead-letter")
both = pytest.mark.parametrize("place", [LESSER, LITTLE], ids=["memory", "sqlite"])
Place = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def taken(consumer: Any, count: int) -> list[Any]:
    """So many messages, acknowledged."""
    found: list[Any] = []
    while len(found) < count:
        batch = consumer.batch_receive(count, timeout=5)
        assert batch, f"{len(found)} of {count}"
        consumer.ack(batch)
        found += batch
    return found


@both
def test_what_is_emulated_is_told_from_what_is_native(place: Place) -> None:
    with blocking.connect(*place, emulate=ALL) as access_point:
        assert {"filter", "delay", "dead-letter", "expiry"} <= access_point.capabilities
        assert "lease" in access_point.capabilities
        assert {"filter", "delay"} <= access_point.emulated
        assert "lease" not in access_point.emulated
    with blocking.connect("oms:memory:", emulate=ALL) as access_point:
        assert access_point.emulated == frozenset()


@both
def test_a_filter_passes_what_matches_and_acknowledges_the_rest(place: Place) -> None:
    with blocking.connect(*place, emulate=["filter"]) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("q", b"%d" % n, properties={"n": n}) for n in range(20)])
        with access_point.create_pull_consumer("q", group="g", filter="n >= 5 AND n < 7 OR n = 19") as consumer:
            assert [m.data for m in taken(consumer, 3)] == [b"5", b"6", b"19"]
            assert consumer.receive(timeout=0.1) is None
            consumer.flush()
        assert access_point.resource_manager().describe_group("q", "g").lag == 0
        with access_point.create_pull_consumer("q", group="keys", filter="header.messageKey = 'k'") as consumer:
            producer.send(producer.create_message("q", b"keyed", message_key="k"))
            assert consumer.receive(timeout=5).data == b"keyed"
        with pytest.raises(OMSUnsupportException, match="filter"):
            access_point.resource_manager().filter("q", "n = 1")
        with pytest.raises(OMSRuntimeException, match="filter"):
            access_point.create_pull_consumer("q", group="wrong", filter="n >=").startup()


@both
def test_a_delayed_message_waits_for_its_time(place: Place) -> None:
    with blocking.connect(*place, emulate=["delay"]) as access_point, access_point.create_producer() as producer:
        begin = time.time()
        for n in (2, 0, 1):
            producer.send(producer.create_message("q", b"%d" % n, delay=0.3 * n))
        with access_point.create_pull_consumer("q", group="g", invisible_time=0.4) as consumer:
            for expected in (b"0", b"1", b"2"):
                message = consumer.receive(timeout=5)
                assert message.data == expected
                assert message.delivery_count == 1
                assert 0 <= time.time() - begin - 0.3 * int(expected) < 2
                message.ack()
            assert consumer.receive(timeout=0.5) is None
            consumer.flush()
        assert access_point.resource_manager().describe_group("q", "g").lag == 0
        with pytest.raises(OMSUnsupportException, match="list_delayed"):
            access_point.resource_manager().list_delayed("q")


@both
def test_what_is_held_goes_back_when_its_consumer_closes(place: Place) -> None:
    with blocking.connect(*place, emulate=["delay"]) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("q", b"later", delay=0.8))
        for _ in range(2):
            with access_point.create_pull_consumer("q", group="g") as consumer:
                assert consumer.receive(timeout=0.1) is None
        with access_point.create_pull_consumer("q", group="g") as consumer:
            message = consumer.receive(timeout=5)
            assert (message.data, message.delivery_count) == (b"later", 1)
            message.ack()


def test_what_expired_is_dropped_and_counted() -> None:
    with blocking.connect(*LITTLE, emulate=["expiry"]) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("q", b"old", ttl=0.01), producer.create_message("q", b"new", ttl=60)])
        time.sleep(0.02)
        with access_point.create_pull_consumer("q", group="g") as consumer:
            assert consumer.receive(timeout=5).data == b"new"
            assert consumer.receive(timeout=0.1) is None
        manager = access_point.resource_manager()
        assert manager.describe_group("q", "g").expired == 1
        assert manager.describe_queue("q").expired == 1
        with pytest.raises(OMSUnsupportException, match="expired_queue"):
            manager.create_queue("other", expired_queue="gone")


def test_dead_letters_where_the_system_makes_none() -> None:
    with blocking.connect(*LESSER, emulate=["dead-letter"]) as access_point, access_point.create_producer() as producer:
        producer.send([producer.create_message("dl", b"%d" % n, message_key="k") for n in range(3)])
        backoff = blocking.Backoff(initial=0.01, max_delivery=2)
        with access_point.create_pull_consumer("dl", group="g", backoff=backoff, prefetch=0) as consumer:
            for _ in range(4):
                message = consumer.receive(timeout=5)
                if message.data == b"1":
                    message.nack(reason="broken")
                elif message.data == b"2":
                    message.reject("never")
                else:
                    message.ack()
            consumer.flush()
        with access_point.create_pull_consumer("dl.g.dead-letter", group="operator") as consumer:
            letters = {m.data: m.properties for m in taken(consumer, 2)}
            assert letters[b"1"]["dead-letter.reason"] == "broken"
            assert letters[b"1"]["dead-letter.delivery-count"] == 2
            assert letters[b"2"]["dead-letter.queue"] == "default://dl"
        assert access_point.resource_manager().describe_group("dl", "g").lag == 0


def test_a_lease_that_ends_after_the_last_delivery_makes_a_dead_letter() -> None:
    with blocking.connect(*LESSER, emulate=["dead-letter"]) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("gone", b"x"))
        common: dict[str, Any] = {"group": "g", "backoff": blocking.Backoff(initial=0.01, max_delivery=1)}
        with access_point.create_pull_consumer("gone", invisible_time=0.1, prefetch=0, **common) as consumer:
            assert consumer.receive(timeout=5).data == b"x"
            assert consumer.receive(timeout=0.5) is None
        with access_point.create_pull_consumer("gone.g.dead-letter", group="operator") as consumer:
            assert consumer.receive(timeout=5).properties["dead-letter.reason"] == "the lease expired"


async def pushing(place: Place) -> None:
    async with oms.connect(*place, emulate=["filter", "delay"]) as access_point:
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        async with access_point.create_push_consumer("push", filter="n <> 1") as consumer:
            await consumer.bind_queue("push", lambda message, _: arrived.put_nowait(message.data))
            async with access_point.create_producer() as producer:
                for n in range(3):
                    delay = 0.2 if n == 0 else 0
                    await producer.send(producer.create_message("push", b"%d" % n, properties={"n": n}, delay=delay))
            assert [await asyncio.wait_for(arrived.get(), 5) for _ in range(2)] == [b"2", b"0"]
        assert arrived.empty()


@both
def test_listeners(place: Place) -> None:
    asyncio.run(pushing(place))


async def committing() -> None:
    """Settlements in transactions reach the system's own leases, also those of which a part is held."""
    async with oms.connect(*LESSER, emulate=["filter", "delay"]) as access_point:
        async with access_point.create_producer() as producer:
            messages = [producer.create_message("tx", b"%d" % n, delay=0.3 * n) for n in range(2)]
            await producer.send(messages)
            async with access_point.create_pull_consumer("tx", group="g") as consumer:
                for expected in (b"0", b"1"):
                    message = await consumer.receive(timeout=5)
                    assert message is not None
                    assert message.data == expected
                    async with producer.transaction() as transaction:
                        await transaction.send(producer.create_message("out", message.data))
                        await transaction.ack(message)
        manager = access_point.resource_manager()
        assert (await manager.describe_group("tx", "g")).lag == 0
        assert (await manager.describe_queue("out")).messages == 2


def test_transactions() -> None:
    asyncio.run(committing())


@both
@pytest.mark.parametrize(
    ("field", "capability", "use"),
    [
        ("delayTime", "delay", lambda p, _: p.send(p.create_message("q", b"", delay=1))),
        ("filter", "filter", lambda _, a: a.create_pull_consumer("q", group="g", filter="a = 1").startup()),
    ],
)
def test_what_is_neither_there_nor_allowed_is_refused(place: Place, field: str, capability: str, use: Any) -> None:
    with blocking.connect(*place) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSUnsupportException) as caught:
            use(producer, access_point)
        assert caught.value.field == field
        assert f"emulate=['{capability}']" in caught.value.next_step
        assert "use a system that has" in caught.value.next_step


def test_a_delay_needs_leases_that_can_be_extended() -> None:
    from openmessaging.drivers.emulation.driver import EmulatingDriver

    class Short:
        capabilities = frozenset({Capability.LEASE})
        max_body_bytes = 1

    with pytest.raises(OMSUnsupportException, match="extend"):
        EmulatingDriver(Short(), frozenset({Capability.DELAY}))  # type: ignore[arg-type]


async def listening(place: Place) -> None:
    app = oms.App(*place, requires=["lease", "filter"], emulate=["filter"])
    arrived: asyncio.Queue[int] = asyncio.Queue()

    @app.listener("numbers", filter="n > 1")
    async def receive(number: int) -> None:
        arrived.put_nowait(number)

    async with app:
        for n in range(4):
            await app.send("numbers", n, properties={"n": n})
        assert [await asyncio.wait_for(arrived.get(), 5) for _ in range(2)] == [2, 3]


@both
def test_applications(place: Place) -> None:
    asyncio.run(listening(place))
