"""A driver with only the asyncio face, used from threads: the real embedded one, its blocking face hidden."""

import threading
from typing import Any

import pytest

from openmessaging.blocking import connect
from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.spi import Driver
from openmessaging.runtime import bridge
from openmessaging.runtime.threads import opening


class OnlyAsyncio:
    """The embedded factory without `open_blocking`."""

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        return await embedded.open(access_point, attributes)


@pytest.fixture(autouse=True)
def only_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_factory", lambda *_: OnlyAsyncio())


def test_everything_works_over_the_bridge(memory: str) -> None:
    with connect(memory) as access_point:
        assert isinstance(access_point.get_driver(), bridge.BridgedDriver)
        with access_point.create_producer() as producer:
            assert producer.send(producer.create_message("orders", b"0")).offset == 0
            assert producer.send([producer.create_message("orders", b"1", message_key="k")])[0].offset == 1
            assert producer.send_async(producer.create_message("orders", b"2")).get(5).offset == 2
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            messages = []
            while len(messages) < 3:
                messages += consumer.batch_receive(timeout=5)
            messages[0].ack()
            messages[1].extend(5)
            messages[1].nack(delay=0.0)
            consumer.ack(messages[2])
            consumer.flush()
            again = consumer.receive(timeout=5)
            assert (again.offset, again.delivery_count) == (1, 2)
            with pytest.raises(OMSRuntimeException) as caught:
                messages[1].ack()
            assert caught.value.code == 1418
        with pytest.raises(OMSRuntimeException) as caught:
            access_point.resource_manager().describe_queue("never")
        assert caught.value.code == 1404


def test_a_transaction_over_the_bridge(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        producer.send(producer.create_message("orders", b"0"))
        with access_point.create_pull_consumer("orders", group="g") as consumer:
            with producer.transaction() as tx:
                tx.ack(consumer.receive(timeout=5))
                tx.send(producer.create_message("invoices", b"1"))
            assert tx.results[0].offset == 0
            assert access_point.resource_manager().describe_group("orders", "g").lag == 0


def test_many_threads_share_one_loop(memory: str) -> None:
    with connect(memory) as access_point, access_point.create_producer() as producer:
        offsets: list[int] = []

        def work() -> None:
            offsets.extend(producer.send(producer.create_message("orders", b"")).offset for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(offsets) == list(range(100))
        assert bridge.bridge_loop() is bridge.bridge_loop()


def test_an_interrupted_call_is_cancelled(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(memory) as access_point:
        driver = access_point.get_driver()
        access_point.resource_manager().create_queue("orders")
        started = bridge._start

        def interrupted(*arguments: Any) -> Any:
            future = started(*arguments)
            monkeypatch.setattr(future, "result", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
            futures.append(future)
            return future

        futures: list[Any] = []
        monkeypatch.setattr(bridge, "_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            driver.read("default://orders", 0, 0, 1, 60.0)
        monkeypatch.setattr(bridge, "_start", started)
        assert futures[0].cancelled()
