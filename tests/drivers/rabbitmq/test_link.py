"""Connections that fail, break, and come back."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

import openmessaging as oms
from openmessaging.testing.servers.rabbitmq import Rabbitmq
from openmessaging.testing.servers.server import free_port
from tests.drivers.rabbitmq.cable import Cable
from tests.drivers.rabbitmq.test_access import run

COUNT = 1200


def test_a_port_that_nobody_listens_on_fails_at_once() -> None:
    async def go() -> None:
        begun = time.monotonic()
        with pytest.raises(oms.OMSRuntimeException) as caught:
            async with oms.connect(f"oms:rabbitmq://127.0.0.1:{free_port()}/r"):
                pass
        assert caught.value.code == 10000
        assert caught.value.next_step
        assert time.monotonic() - begun < 5

    run(go())


def test_a_server_that_says_nothing_fails_in_time() -> None:
    async def go() -> None:
        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(oms.OMSRuntimeException) as caught:
                async with oms.connect(f"oms:rabbitmq://127.0.0.1:{port}/r"):
                    pass
            assert caught.value.code == 10000

    run(go())


def test_the_wrong_password_is_refused(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        with pytest.raises(oms.OMSSecurityException) as caught:
            async with oms.connect(rabbit.url, {"ACCOUNT_KEY": "wrong"}):
                pass
        assert caught.value.code == 1401

    run(go())


def test_one_of_several_hosts_is_enough(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        url = f"oms:rabbitmq://127.0.0.1:{free_port()},127.0.0.1:{rabbit.port}/r"
        async with oms.connect(url) as access_point, access_point.create_producer() as producer:
            assert await producer.send(producer.create_message("hosts", b"x"))

    run(go())


async def hand_over(producer: Any, consumer: Any, queue: str, disturb: Any) -> tuple[set[bytes], Counter[bytes]]:
    """Send and receive `COUNT` messages, with a disturbance in the middle; what was confirmed, and what came how often,
    its acknowledgement not refused."""
    confirmed: set[bytes] = set()
    came: Counter[bytes] = Counter()
    limit = asyncio.Semaphore(50)

    async def send(number: int) -> None:
        body = b"%d" % number
        async with limit:
            if number == COUNT // 2:
                await disturb()
            await producer.send(producer.create_message(queue, body))
            confirmed.add(body)

    async def receive() -> None:
        quiet = 0
        while len(came) < COUNT and quiet < 20:
            found = await consumer.batch_receive(100, 1.0)
            quiet = 0 if found else quiet + 1
            for message in found:
                came[message.data] += 1
                await message.ack()

    receiving = asyncio.create_task(receive())
    await asyncio.gather(*map(send, range(COUNT)))
    await receiving
    try:
        await consumer.flush()
    except oms.OMSRuntimeException as failure:  # of the connection that was lost
        assert failure.code == 1503
    return confirmed, came


def test_a_cut_in_the_middle_loses_nothing(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with Cable(rabbit.port) as sending, Cable(rabbit.port) as receiving:
            urls = [f"oms:rabbitmq://127.0.0.1:{cable.port}/r" for cable in (sending, receiving)]
            async with (
                oms.connect(urls[0]) as first,
                oms.connect(urls[1]) as second,
                first.create_producer() as producer,
                second.create_pull_consumer("cut", group="g") as consumer,
            ):

                async def disturb() -> None:
                    sending.cut()
                    receiving.cut()

                confirmed, came = await hand_over(producer, consumer, "cut", disturb)
                assert len(confirmed) == COUNT
                assert confirmed == set(came)
                twice = sum(times - 1 for times in came.values())
                assert twice <= 50 + 100, "more than were in flight"

    run(go())


def test_a_server_that_is_killed_and_started_again_loses_nothing() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        with Rabbitmq() as server:
            async with (
                oms.connect(server.url) as access_point,
                access_point.create_producer() as producer,
                access_point.create_pull_consumer("restart", group="g") as consumer,
            ):

                async def disturb() -> None:
                    await loop.run_in_executor(None, server.kill)
                    await loop.run_in_executor(None, server.start)

                confirmed, came = await hand_over(producer, consumer, "restart", disturb)
                assert confirmed == set(came)
                assert len(confirmed) == COUNT

    run(go())


def test_a_connection_that_cannot_be_made_again_fails_what_waits(rabbit: Rabbitmq) -> None:
    async def go() -> None:
        async with Cable(rabbit.port) as cable:
            url = f"oms:rabbitmq://127.0.0.1:{cable.port}/r"
            async with (
                oms.connect(url, {"OPERATION_TIMEOUT": 1000}) as access_point,
                access_point.create_producer() as producer,
            ):
                await producer.send(producer.create_message("away", b"x"))
                cable.broken = True
                cable.cut()
                with pytest.raises(oms.OMSRuntimeException) as caught:
                    await producer.send(producer.create_message("away", b"y"))
                assert caught.value.code in (1410, 1503)
                cable.broken = False
                await producer.send(producer.create_message("away", b"z"))

    run(go())
