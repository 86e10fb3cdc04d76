"""Requests to services over the network."""

import asyncio

import pytest

import openmessaging as oms
from openmessaging import blocking
from openmessaging.model.errors import OMSRuntimeException
from tests.servers import Serving, serving


@pytest.fixture
def server():
    with serving("oms:memory:") as running:
        yield running


async def asking(server: Serving) -> None:
    async with oms.connect(server.url) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException, match="no service answers requests to default://echo") as refused:
            await producer.request(producer.create_message("echo", b"x"), timeout=30)
        assert refused.value.code == 1503
        await access_point.resource_manager().create_queue("echo")
        with pytest.raises(OMSRuntimeException, match="no service"):
            await producer.request(producer.create_message("echo", b"x"), timeout=30)
        assert (await access_point.resource_manager().describe_queue("echo")).messages == 0, "nothing is stored"
        async with (
            oms.connect(server.url) as elsewhere,
            elsewhere.create_service("echo", lambda request: request.data.upper()) as service,
        ):
            for idempotent in (False, True):
                message = producer.create_message("echo", b"hello")
                answer = await producer.request(message, timeout=30, idempotent=idempotent)
                assert answer.data == b"HELLO"
            assert service.statistics.requests == 2
            assert service.statistics.orphaned == 0
        info = await access_point.resource_manager().describe_group("echo", "default")
        assert (info.lag, info.in_flight) == (0, 0), "what was answered is settled"


def test_a_request_is_refused_at_once_where_nobody_serves_and_settled_with_its_answer(server: Serving) -> None:
    asyncio.run(asyncio.wait_for(asking(server), 60))


def test_the_same_from_threads(server: Serving) -> None:
    with blocking.connect(server.url) as access_point, access_point.create_producer() as producer:
        with pytest.raises(OMSRuntimeException, match="no service"):
            producer.request(producer.create_message("echo", b"x"), timeout=30)
        with access_point.create_service("echo", lambda request: request.data.upper()):
            assert producer.request(producer.create_message("echo", b"hello"), timeout=30).data == b"HELLO"


async def leaving(server: Serving) -> None:
    """The requester is killed while its request waits."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    handled: list[bytes] = []

    async def handler(request: oms.Request) -> bytes:
        handled.append(request.data)
        begun.set()
        await go_on.wait()
        return b""

    async with oms.connect(server.url) as access_point:
        async with access_point.create_service("q", handler, concurrency=1) as service:
            async with oms.connect(server.url) as one, one.create_producer() as producer:
                first = asyncio.ensure_future(producer.request(producer.create_message("q", b"1"), timeout=30))
                await begun.wait()
                driver = await one.get_driver()
                second = asyncio.ensure_future(producer.request(producer.create_message("q", b"2"), timeout=30))
                while not (await access_point.resource_manager().describe_queue("q")).messages >= 2:
                    pass
                driver._channel.link.abort()
                await driver._channel.close()
                for each in (first, second):
                    each.cancel()
            waited = asyncio.Event()
            asyncio.get_running_loop().call_later(0.3, waited.set)
            await waited.wait()  # longer than a mailbox is believed to be open
            go_on.set()
            while service.statistics.orphaned + service.statistics.cancelled < 2:
                await access_point.resource_manager().describe_queue("q")
        assert handled == [b"1"], "nobody is called for a requester that is gone"


def test_a_requester_that_is_gone_is_noticed(server: Serving) -> None:
    asyncio.run(asyncio.wait_for(leaving(server), 60))
