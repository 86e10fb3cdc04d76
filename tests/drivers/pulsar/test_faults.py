"""Broken connections, a killed server, a killed consumer: nothing acknowledged is lost."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import openmessaging as oms
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.testing.servers import Pulsar, Server, free_port
from tests.drivers.pulsar.conftest import SYNCED
from tests.drivers.pulsar.test_access import connect
from tests.firewall import Between

pytestmark = pytest.mark.timeout(400)  # the first one starts the server
MESSAGES = 1_200


class Checker:
    """What was sent and confirmed, and what was received and acknowledged."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.confirmed: set[int] = set()
        self.received: Counter[int] = Counter()
        self.acknowledged: set[int] = set()

    async def produce(self, producer: oms.Producer, queue: str) -> None:
        for begin in range(0, MESSAGES, 50):
            numbers = range(begin, begin + 50)
            await asyncio.gather(*(producer.send(producer.create_message(queue, b"%d" % at)) for at in numbers))
            self.confirmed |= set(numbers)
            self.moved.set()

    async def reach(self, count: int) -> None:
        while len(self.confirmed) < count:
            self.moved.clear()
            await self.moved.wait()

    async def consume(self, consumer: oms.PullConsumer) -> None:
        while len(self.acknowledged) < MESSAGES:
            messages = await consumer.batch_receive(100, timeout=150)
            assert messages, f"{MESSAGES - len(self.acknowledged)} are missing"
            self.received.update(int(message.data) for message in messages)
            await consumer.ack(messages)
            self.acknowledged |= {int(message.data) for message in messages}


@asynccontextmanager
async def between() -> AsyncIterator[tuple[Pulsar, Between]]:
    """A server that is reached through something that can cut."""
    proxy = Between(0)
    async with proxy:
        server = Pulsar(through=proxy.port)
        proxy.target = server.port
        try:
            await asyncio.to_thread(server.start)
            yield server, proxy
        finally:
            await asyncio.to_thread(server.__exit__)


async def suffering(queue: str) -> None:
    checker = Checker()
    async with between() as (server, proxy):
        url = f"oms:pulsar://127.0.0.1:{proxy.port}/local"
        attributes = {**SYNCED, "admin": f"http://127.0.0.1:{server.web_port}"}
        async with oms.connect(url, attributes) as access_point, access_point.create_producer(timeout=240) as producer:
            consumer = access_point.create_pull_consumer(queue, group="g")
            await consumer.startup()
            working = [
                asyncio.ensure_future(checker.produce(producer, queue)),
                asyncio.ensure_future(checker.consume(consumer)),
            ]
            for at in (150, 350):
                await checker.reach(at)
                proxy.loses_answers = True  # what is confirmed now, nobody hears of
                await asyncio.sleep(0.02)
                proxy.tear()
                proxy.loses_answers = False
            await checker.reach(600)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(asyncio.gather(*working), 200)
            await consumer.shutdown()
            stored = [int(message.data) async for message in access_point.resource_manager().browse(queue)]
    assert checker.confirmed == checker.acknowledged == set(range(MESSAGES))
    assert sorted(stored) == list(range(MESSAGES)), "something was stored twice, or not at all"


@pytest.mark.usefixtures("pulsar_server")  # which says whether there can be one
def test_connections_that_break_and_a_server_that_is_killed(queue: str) -> None:
    asyncio.run(suffering(queue))


DIES = """
import asyncio, os, sys
import openmessaging as oms

async def main(url, queue):
    async with oms.connect(url) as access_point:
        consumer = access_point.create_pull_consumer(queue, group="g")
        await consumer.startup()
        assert await consumer.batch_receive(40, timeout=20)
        os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


async def dying(server: Server, queue: str) -> None:
    async with connect(server) as access_point:
        async with access_point.create_producer() as producer:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(100)])
        command = [sys.executable, "-c", DIES, server.url, queue]
        killed = await asyncio.to_thread(subprocess.run, command, timeout=60)
        assert killed.returncode == -9
        seen: Counter[bytes] = Counter()
        async with access_point.create_pull_consumer(queue, group="g") as other:
            while len(seen) < 100:
                messages = await other.batch_receive(100, timeout=20)
                assert messages
                seen.update(message.data for message in messages)
                await other.ack(messages)


def test_what_a_killed_consumer_held_goes_to_another(pulsar_server: Server, queue: str) -> None:
    asyncio.run(dying(pulsar_server, queue))


async def sharing(server: Server, queue: str) -> None:
    async with connect(server) as access_point, access_point.create_producer() as producer:
        one, two = (access_point.create_pull_consumer(queue, group="g", prefetch=0) for _ in range(2))
        async with one, two:
            await producer.send([producer.create_message(queue, b"%d" % at) for at in range(1_000)])
            seen: list[Counter[bytes]] = [Counter(), Counter()]
            while len(seen[0] | seen[1]) < 1_000:
                for number, consumer in enumerate((one, two)):
                    messages = await consumer.batch_receive(50, timeout=0.5)
                    seen[number].update(message.data for message in messages)
                    await consumer.ack(messages)
            assert all(seen), "both got some"
            assert max((seen[0] + seen[1]).values()) == 1


def test_two_consumers_share(pulsar_server: Server, queue: str) -> None:
    asyncio.run(sharing(pulsar_server, queue))


async def unreachable() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(OMSRuntimeException, match="brokers run") as caught:
        async with oms.connect(f"oms:pulsar://127.0.0.1:{free_port()}/local"):
            pass
    assert caught.value.code == 10000
    assert loop.time() - begun < 15


def test_a_server_that_is_not_there_is_told_soon() -> None:
    asyncio.run(unreachable())
