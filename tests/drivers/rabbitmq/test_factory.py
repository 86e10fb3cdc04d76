"""Opening RabbitMQ."""

import asyncio
import importlib.util

import pytest

import openmessaging as oms
from openmessaging.drivers.rabbitmq import driver
from openmessaging.model.access_point import parse
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from tests.drivers.rabbitmq.test_access import run, send


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(oms.OMSRuntimeException) as caught:
        asyncio.run(driver.open(parse("oms:rabbitmq://localhost/r"), {}))
    assert caught.value.code == 10000
    assert caught.value.next_step == 'pip install "openmessaging[rabbitmq]"'


@pytest.mark.parametrize("attributes", [{"partitions": -1}, {"TLS_AUTHORITY": "nowhere.pem"}])
def test_wrong_attributes_are_refused(attributes: dict[str, object]) -> None:
    with pytest.raises(oms.OMSRuntimeException) as caught:
        asyncio.run(driver.open(parse("oms:rabbitmq://localhost/r"), attributes))
    assert caught.value.code == 1418


def test_a_vhost_that_is_missing_is_named(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        with pytest.raises(oms.OMSRuntimeException, match="nowhere") as caught:
            async with oms.connect(rabbit.url, {"vhost": "nowhere"}):
                pass
        assert caught.value.code == 10000

    run(go())


def test_partitions_of_queues_made_by_their_first_use(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with oms.connect(rabbit.url, {"partitions": 3}) as access_point:
            await send(access_point, "three", b"x")
            assert (await access_point.resource_manager().describe_queue("three")).partitions == 3

    run(go())
